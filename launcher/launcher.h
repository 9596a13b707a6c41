/*
 * gantry, the launcher: the first program of the gantry command. Node alone takes 20 ms to start, which is several times what a run or an exec
 * costs the engine. So the plain forms of `run` and `exec` are done here, and everything else -- other commands, flags that are not in
 * command.c's tables, terminals, contexts, TLS, settings of the configuration file, and every error that can still be reported by it -- is
 * handed to the whole CLI in TypeScript (src/cli) with the command line as it was. What both do, both must do alike:
 * test/integration/launcher.test.ts compares them.
 *
 * Nothing is freed: the process ends with the command.
 */
#ifndef GANTRY_LAUNCHER_H
#define GANTRY_LAUNCHER_H

#include <stdbool.h>
#include <stddef.h>

/* A growing text, always ended by a zero byte. */
struct text {
  char *at;
  size_t length, room;
};

void add(struct text *t, const char *bytes, size_t length);
void add_string(struct text *t, const char *string);
/* A JSON string (RFC 8259, section 7), in quotes. */
void add_json(struct text *t, const char *string);
/* As encodeURIComponent does. */
void add_encoded(struct text *t, const char *string);
bool valid_utf8(const char *string);

/* What a JSON object holds under `key` at its top level; false when there is no such member or the text is not an object. */
struct json {
  const char *at;
  size_t length;
};
bool json_member(const char *object, const char *key, struct json *value);
/* The n-th element of an array. */
bool json_element(struct json array, int n, struct json *value);
/* The text of a string value, or of any other value as it stands. Allocated. */
char *json_text(struct json value);

enum verb { RUN, EXEC };

struct words {
  const char **at;
  int count;
};

/* A command line that this program can do alone. */
struct command {
  enum verb verb;
  const char *name_of_command; /* "run", "container run": for messages */
  const char *socket;          /* path of the engine's */
  bool detach, remove, interactive, init, privileged, read_only;
  const char *name, *hostname, *user, *workdir, *entrypoint, *network; /* NULL: not given */
  struct words env, labels, volumes;
  const char *object; /* image or container */
  struct words args;  /* the container's command */
};

/* Each adds `,"key":...` to an object; add_member nothing when there is no value or an empty one. */
void add_member(struct text *t, const char *key, const char *value);
void add_list(struct text *t, const char *key, const struct words *words);
void add_environment(struct text *t, const struct command *command);

/* Reads the command line and what else decides where it goes. false: it is the whole CLI's. */
bool read_command(int argc, char **argv, struct command *command);

/* One connection to the engine. */
struct connection {
  int fd;
  char *buffer; /* read but not yet used: from `start` up to `end` */
  size_t start, end, room;
};

struct answer {
  int status;
  bool chunked;
  long length; /* -1: up to the end of the stream */
};

/* -1 when the engine does not answer there. */
int open_engine(const char *socket);
struct connection connection_on(int fd);
/* `body` NULL: none. `upgrade`: asks for the raw stream. */
bool send_request(struct connection *c, const char *method, const char *path, const char *body, bool upgrade);
/* false when the engine has gone or speaks no HTTP. */
bool read_head(struct connection *c, struct answer *answer);
/* The whole body; NULL when it breaks off. */
char *read_body(struct connection *c, const struct answer *answer);
/* Reads more into the buffer; what read(2) says. */
long fill(struct connection *c);
/* Looks whether the body is all there by now, without waiting: the same text as read_body, NULL when not yet. */
char *body_so_far(const struct connection *c, const struct answer *answer);

bool write_all(int fd, const char *bytes, size_t length);
/* For output of ours: ends the process when the reader has gone, as SIGPIPE would. */
void print(int fd, const char *bytes, size_t length);

struct session {
  const struct command *command;
  struct connection *stream; /* attached, multiplexed; NULL: nothing is attached */
  struct connection *wait;   /* its head has been read; NULL: no signal is passed on and no end waited for */
  struct answer wait_answer;
  const char *container;     /* whom signals go to */
  int signals;               /* signalfd, or -1 */
};
/* Passes input, output and signals until the output has ended. With `wait` the body of that answer is returned (NULL when it broke off). */
char *relay(struct session *session);

/* The exit status; -1: nothing has happened yet that a second attempt by the whole CLI would double. */
int run_command(const struct command *command);
int exec_command(const struct command *command);

#endif
