/* gantry exec, without a terminal: the Exec operations of the Engine API. */
#include "launcher.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ATTEMPTS 50
#define SETTLE_US 10000

static char *create_body(const struct command *c) {
  struct text t = {0};
  add_string(&t, "{\"Tty\":false,\"AttachStdin\":");
  add_string(&t, c->interactive && !c->detach ? "true" : "false");
  add_string(&t, c->detach ? ",\"AttachStdout\":false,\"AttachStderr\":false" : ",\"AttachStdout\":true,\"AttachStderr\":true");
  add_list(&t, "Cmd", &c->args);
  add_environment(&t, c);
  if (c->privileged) add_string(&t, ",\"Privileged\":true");
  add_member(&t, "User", c->user);
  add_member(&t, "WorkingDir", c->workdir);
  add(&t, "}", 1);
  return t.at;
}

static char *path_of(const char *id, const char *operation) {
  struct text t = {0};
  add_string(&t, "/exec/");
  add_encoded(&t, id);
  add_string(&t, operation);
  return t.at;
}

/* The output can end before the engine has noted the exit code: a process may close its streams and live on for a moment. */
static int exit_code(const struct command *command, const char *id) {
  struct connection c = connection_on(open_engine(command->socket));
  char *path = path_of(id, "/json");
  struct answer answer;
  struct json value;
  for (int attempt = 0;; attempt++) {
    char *body = NULL;
    if (c.fd >= 0 && send_request(&c, "GET", path, NULL, false) && read_head(&c, &answer)) body = read_body(&c, &answer);
    if (body == NULL || answer.status != 200) {
      static const char lost[] = "error during connect: the engine went away while the command ran\n";
      print(2, lost, sizeof lost - 1);
      return 1;
    }
    bool running = json_member(body, "Running", &value) && *value.at == 't';
    if (!running || attempt == ATTEMPTS) return json_member(body, "ExitCode", &value) ? atoi(value.at) : 0;
    usleep(SETTLE_US);
  }
}

int exec_command(const struct command *command) {
  struct connection c = connection_on(open_engine(command->socket));
  if (c.fd < 0) return -1;
  struct text path = {0};
  add_string(&path, "/containers/");
  add_encoded(&path, command->object);
  add_string(&path, "/exec");
  struct answer answer;
  struct json value;
  if (!send_request(&c, "POST", path.at, create_body(command), false) || !read_head(&c, &answer)) return -1;
  char *body = read_body(&c, &answer);
  if (answer.status != 201 || body == NULL || !json_member(body, "Id", &value)) return -1;
  char *id = json_text(value);

  const char *start = command->detach ? "{\"Detach\":true,\"Tty\":false}" : "{\"Detach\":false,\"Tty\":false}";
  /* Refused: the command has not run, so that the whole CLI may ask again and report it. */
  if (!send_request(&c, "POST", path_of(id, "/start"), start, !command->detach) || !read_head(&c, &answer)) return -1;
  if (answer.status != 101 && answer.status != 200 && answer.status != 204) return -1;
  if (command->detach) return 0;
  struct session session = {.command = command, .stream = &c, .signals = -1};
  relay(&session);
  return exit_code(command, id);
}
