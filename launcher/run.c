/* gantry run, without a terminal: create, attach, wait, start. */
#include "launcher.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define FAILED 125 /* the engine, not the container, failed */

static void add_object(struct text *t, const char *key, const struct words *pairs) {
  add_string(t, ",\"");
  add_string(t, key);
  add_string(t, "\":{");
  for (int i = 0; i < pairs->count; i++) {
    if (i > 0) add(t, ",", 1);
    char *name = strdup(pairs->at[i]), *equals = strchr(name, '=');
    if (equals) *equals = 0;
    add_json(t, name);
    add(t, ":", 1);
    add_json(t, equals ? equals + 1 : "");
  }
  add(t, "}", 1);
}

static char *create_body(const struct command *c) {
  struct text t = {0};
  add_string(&t, "{\"Image\":");
  add_json(&t, c->object);
  if (c->args.count > 0) add_list(&t, "Cmd", &c->args);
  bool attach = !c->detach, input = c->interactive && attach;
  add_string(&t, input ? ",\"AttachStdin\":true" : ",\"AttachStdin\":false");
  add_string(&t, attach ? ",\"AttachStdout\":true,\"AttachStderr\":true" : ",\"AttachStdout\":false,\"AttachStderr\":false");
  if (c->interactive) add_string(&t, ",\"OpenStdin\":true");
  if (input || c->detach) add_string(&t, input ? ",\"StdinOnce\":true" : ",\"StdinOnce\":false");
  add_member(&t, "Hostname", c->hostname);
  add_member(&t, "User", c->user);
  add_member(&t, "WorkingDir", c->workdir);
  if (c->entrypoint) {
    /* `--entrypoint ""` resets the image's one: a list with an empty word says so in the API. */
    const char *words[] = {c->entrypoint};
    add_list(&t, "Entrypoint", &(struct words){words, 1});
  }
  add_environment(&t, c);
  if (c->labels.count > 0) add_object(&t, "Labels", &c->labels);
  struct text host = {0};
  if (c->remove) add_string(&host, ",\"AutoRemove\":true");
  if (c->init) add_string(&host, ",\"Init\":true");
  if (c->privileged) add_string(&host, ",\"Privileged\":true");
  if (c->read_only) add_string(&host, ",\"ReadonlyRootfs\":true");
  add_member(&host, "NetworkMode", c->network);
  if (c->volumes.count > 0) add_list(&host, "Binds", &c->volumes);
  add_string(&t, ",\"HostConfig\":{");
  if (host.at) add_string(&t, host.at + 1); /* without its first comma */
  add_string(&t, "}}");
  return t.at;
}

static char *path_of(const char *id, const char *operation) {
  struct text t = {0};
  add_string(&t, "/containers/");
  add_encoded(&t, id);
  add_string(&t, operation);
  return t.at;
}

static int catch_signals(void) {
  sigset_t set;
  sigemptyset(&set);
  const int all[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGCONT, SIGTSTP, SIGTTIN, SIGTTOU, SIGALRM, SIGPWR};
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) sigaddset(&set, all[i]);
  sigprocmask(SIG_BLOCK, &set, NULL);
  return signalfd(-1, &set, SFD_CLOEXEC);
}

/* "name: message" of an engine's error, then where to find help; what `gantry run` says when the engine fails. */
static int fail(const struct command *command, const char *prefix, const char *message, int status) {
  struct text t = {0};
  add_string(&t, "gantry: ");
  add_string(&t, prefix);
  add_string(&t, message);
  add_string(&t, "\n\nRun 'gantry ");
  add_string(&t, command->name_of_command);
  add_string(&t, " --help' for more information\n");
  print(2, t.at, t.length);
  return status;
}

static int lost(const struct command *command) {
  return fail(command, "error during connect: ", "the engine went away", FAILED);
}

static char *message_of(const char *body) {
  struct json value;
  return body && json_member(body, "message", &value) ? json_text(value) : strdup(body ? body : "");
}

/* 127 for a command that is not there, 126 for one that cannot run, otherwise 125: src/cli/container/create.ts. */
static int start_failure(const char *message) {
  const char *const missing[] = {"executable file not found", "no such file or directory", "system cannot find the file specified"};
  for (size_t i = 0; i < 3; i++)
    if (strstr(message, missing[i])) return 127;
  return strstr(message, "permission denied") || strstr(message, "is a directory") ? 126 : FAILED;
}

static int exit_status(const char *result) {
  struct json error, value;
  const char *message = NULL;
  if (result == NULL) message = "unexpected EOF";
  else if (json_member(result, "Error", &error) && json_member(error.at, "Message", &value) && value.length > 2) message = json_text(value);
  if (message) {
    struct text t = {0};
    add_string(&t, "Error waiting for container: ");
    add_string(&t, message);
    add(&t, "\n", 1);
    print(2, t.at, t.length);
    return FAILED;
  }
  return json_member(result, "StatusCode", &value) ? atoi(value.at) : 0;
}

int run_command(const struct command *command) {
  struct connection c = connection_on(open_engine(command->socket));
  if (c.fd < 0) return -1;
  struct text path = {0};
  add_string(&path, "/containers/create");
  if (command->name && *command->name) {
    add_string(&path, "?name=");
    add_encoded(&path, command->name);
  }
  struct answer answer;
  struct json value;
  if (!send_request(&c, "POST", path.at, create_body(command), false)) return -1;
  struct connection attach = {.fd = -1}, wait = {.fd = -1};
  if (!command->detach) {
    /* While the engine creates. */
    attach = connection_on(open_engine(command->socket));
    wait = connection_on(open_engine(command->socket));
  }
  if (!read_head(&c, &answer)) return lost(command);
  char *body = read_body(&c, &answer);
  /* Refused: nothing is there yet, so that the whole CLI may ask again -- and pull an image that is missing -- and report it. */
  if (answer.status >= 400) return -1;
  if (body == NULL || !json_member(body, "Id", &value)) return lost(command);
  char *id = json_text(value);
  struct json warnings;
  if (json_member(body, "Warnings", &warnings)) {
    for (int i = 0; json_element(warnings, i, &value); i++) {
      struct text t = {0};
      add_string(&t, "WARNING: ");
      add_string(&t, json_text(value));
      add(&t, "\n", 1);
      print(2, t.at, t.length);
    }
  }

  struct session session = {.command = command, .container = id, .signals = -1};
  if (command->detach) {
    print(1, id, strlen(id));
    print(1, "\n", 1);
  } else {
    session.signals = catch_signals();
    const char *streams = command->interactive ? "/attach?stream=1&stdin=1&stdout=1&stderr=1" : "/attach?stream=1&stdout=1&stderr=1";
    const char *until = command->remove ? "/wait?condition=removed" : "/wait?condition=next-exit";
    struct answer attached;
    if (attach.fd < 0 || wait.fd < 0 || !send_request(&attach, "POST", path_of(id, streams), NULL, true) ||
        !send_request(&wait, "POST", path_of(id, until), NULL, false) || !read_head(&attach, &attached) ||
        !read_head(&wait, &session.wait_answer))
      return lost(command);
    const struct answer *refused = attached.status != 101 && attached.status != 200 ? &attached : NULL;
    if (refused || session.wait_answer.status != 200) {
      char *text = read_body(refused ? &attach : &wait, refused ? refused : &session.wait_answer);
      return fail(command, "Error response from daemon: ", message_of(text), FAILED);
    }
    session.stream = &attach;
    session.wait = &wait;
  }

  if (!send_request(&c, "POST", path_of(id, "/start"), NULL, false) || !read_head(&c, &answer)) return lost(command);
  if (answer.status >= 400) {
    char *message = message_of(read_body(&c, &answer));
    if (command->remove && session.wait) read_body(&wait, &session.wait_answer);
    return fail(command, "Error response from daemon: ", message, start_failure(message));
  }
  if (command->detach) return 0;
  return exit_status(relay(&session));
}
