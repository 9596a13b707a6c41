/*
 * gantry-shim: the monitor of one container or one exec. See PROTOCOL.md for what it promises and for its wire format.
 *
 * One thread, one poll loop (log-ring.c adds a thread where it is used), no allocation that grows with the life of the container. Everything it owns hangs on `struct
 * shim`; each .c file is one noun of it.
 */
#ifndef GANTRY_SHIM_H
#define GANTRY_SHIM_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum kind { KIND_CONTAINER, KIND_EXEC };
enum log_format { LOG_NONE, LOG_JSON_FILE, LOG_LOCAL };

struct options {
  enum kind kind;
  const char *id;        /* of the container, or of the container that the exec enters */
  const char *dir;       /* absolute; socket, pid and exit files */
  const char *runtime;   /* path of the OCI runtime */
  const char *runtime_args[32];
  int runtime_argc;
  const char *bundle;    /* container */
  const char *process;   /* exec: file with the OCI process object */
  bool tty, open_stdin, stdin_once, hide_unified;
  int rows, columns;     /* 0: leave as it is */
  enum log_format log_format;
  const char *log_path;
  int64_t log_max_size;  /* bytes, -1: no bound */
  int log_max_files;
  bool log_compress;
  size_t log_buffer;     /* bytes kept for a slow disk in non-blocking mode; 0: the process waits for the disk */
  const char *log_attrs; /* JSON object text or NULL */
  const char *oom_file;  /* memory.oom_control (v1) or memory.events (v2), or NULL */
};

enum phase {
  CREATING,  /* the runtime's create runs; an exec skips this */
  CREATED,   /* waits for START */
  STARTING,  /* the runtime's start, or exec, runs */
  RUNNING,
  DRAINING,  /* the process is gone, its output not yet */
  DELETING,  /* the runtime's delete runs */
  FAILING,   /* FAILED is sent, after the runtime's delete where one is needed: waits until the daemon has read it */
  LINGERING, /* only attach clients with unread output are left */
  DONE,
};

#define STREAM_STDOUT 1
#define STREAM_STDERR 2
#define HEADER 8                     /* room kept in front of each chunk for Docker's stream header */
#define CHUNK (64 * 1024)            /* largest read from the process */
#define QUEUE_LIMIT (1024 * 1024)    /* unread output of one client at which reading from the process stops */
#define STALL_NS (60 * 1000000000ull) /* a client that fills its queue and takes nothing this long is dropped */
#define DRAIN_NS (2 * 1000000000ull)  /* wait for others who hold the output open after the process is gone */

struct log;
struct client;

struct shim {
  struct options opt;
  enum phase phase;
  bool abandoned;          /* before START: nobody will send it */
  bool ordered_start;      /* START was received: the daemon may go now */
  pid_t runtime_pid;       /* a runtime call in progress, or 0 */
  int runtime_err;         /* memfd with what that call wrote to stderr, or -1 */
  pid_t pid;               /* of the process, 0 before it exists */
  bool exited;
  int status;              /* as waitpid gives it */
  uint64_t created_ns, asked_ns, started_ns, finished_ns; /* CLOCK_REALTIME; asked_ns: START arrived */
  uint64_t deadline;       /* CLOCK_MONOTONIC, of DRAINING and FAILING */
  char failure[4200];      /* payload of the FAILED that is still to be sent */
  size_t failure_length;
  bool exit_known, deleted;
  /* children that ended before it was known which of them is ours */
  struct { pid_t pid; int status; uint64_t ns; } early[16];
  int early_count;

  int signal_fd, listen_fd, console_fd;
  int out_fd[2];           /* read ends of stdout and stderr; a tty's master is out_fd[0] */
  int stdin_fd;
  int child_fd[3];         /* the process's ends, until the runtime has them */
  char *stdin_buf;
  size_t stdin_head, stdin_len;
  bool stdin_eof;          /* close stdin once the buffer is written */

  int oom_fd, oom_event_fd;
  uint64_t oom_last;
  bool oom_killed;

  struct log *log;
  struct client *clients;
};

/* util.c */
uint64_t monotonic_ns(void);
uint64_t realtime_ns(void);
void write_file(const char *path, const char *text); /* atomically, relative to the shim's directory */
void nonblocking(int fd);
void close_fd(int *fd);

/* runtime.c: calls of the OCI runtime */
void runtime_setup(void);                        /* reads what children get back: oom_score_adj */
void child_reset(void);                          /* in a forked child: signals, mask and oom_score_adj as we found them */
int runtime_create(struct shim *s);
int runtime_start(struct shim *s);
int runtime_exec(struct shim *s);
int runtime_delete(struct shim *s);
size_t runtime_error(struct shim *s, char *out, size_t size); /* stderr text of the last call */

/* stdio.c: pipes, terminal, stdin buffer */
int stdio_open(struct shim *s);
int console_receive(struct shim *s);
void console_resize(struct shim *s, int rows, int columns);
void stdio_close_child(struct shim *s);
void stdin_accept(struct shim *s, const char *data, size_t n);
size_t stdin_room(const struct shim *s);
void stdin_flush(struct shim *s);
void stdin_end(struct shim *s);
void stdin_drop(struct shim *s);

/* log.c, log-json.c, log-local.c, log-ring.c */
struct log *log_open(const struct options *opt);
void log_write(struct log *log, int stream, const char *data, size_t n, uint64_t now_ns);
void log_flush(struct log *log);
void log_position(const struct log *log, uint64_t *inode, uint64_t *offset); /* inode 0: not known */
size_t log_pending(const struct log *log, int stream, const char **data);    /* of a line that has not ended */
void log_finish(struct log *log);               /* unfinished last lines, then flush */
void log_reaped(struct log *log, pid_t pid);
void log_wait(struct log *log);                 /* until a running gzip has ended */

struct message {
  int stream;
  const char *line;     /* without its newline */
  size_t length;
  uint64_t time_ns;
  bool partial;         /* the line goes on in a later message, or ended without newline */
  int ordinal;          /* 1.. within a split line, 0 for a whole one */
};
size_t log_json_bound(const struct log *log, size_t length);
size_t log_json_encode(struct log *log, char *out, const struct message *m);
size_t log_local_bound(size_t length);
size_t log_local_encode(char *out, const struct message *m);

/* oom.c: the memory cgroup's out-of-memory counter */
void oom_open(struct shim *s);
bool oom_check(struct shim *s);                 /* true when processes were killed since the last look */
bool oom_event(struct shim *s);                 /* oom_event_fd is ready */

/* client.c: daemon and attach connections */
int clients_listen(struct shim *s);
void clients_add(struct shim *s, int fd, bool owner);
void clients_accept(struct shim *s);
void clients_poll(struct shim *s, struct pollfd **fds, int *count, int *room);
void clients_handle(struct shim *s, const struct pollfd *fds, int count);
void clients_output(struct shim *s, int stream, char *data, size_t n); /* HEADER bytes before data are ours to write */
void clients_end_output(struct shim *s);
bool clients_blocked(const struct shim *s, size_t limit);
bool clients_pending(const struct shim *s);     /* some attach client has output to take */
bool clients_control(const struct shim *s);     /* some control connection is open */
void clients_stalled(struct shim *s);
void control_send(struct shim *s, char type, const char *payload, size_t n);
void poll_add(struct pollfd **fds, int *count, int *room, int fd, short events);

/* main.c */
void command_start(struct shim *s);
void command_abandon(struct shim *s);
void report_state(struct shim *s, struct client *c);
void control_send_one(struct client *c, char type, const char *payload, size_t n);

#endif
