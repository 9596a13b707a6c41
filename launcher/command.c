/*
 * The command line, as far as this program understands it: flags as src/cli/flags/parse.ts reads them, but only those whose value goes into
 * the request as it is. Whatever else stands there makes it the whole CLI's, which also reports every mistake.
 */
#include "launcher.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct flag {
  const char *name;
  char letter;
  bool *on;           /* exactly one of the three */
  const char **value;
  struct words *list;
};

static void push(struct words *words, const char *word) {
  words->at = realloc(words->at, sizeof *words->at * (size_t)(words->count + 2));
  if (words->at == NULL) abort();
  words->at[words->count++] = word;
  words->at[words->count] = NULL;
}

static void take(const struct flag *flag, const char *value) {
  if (flag->list) push(flag->list, value);
  else *flag->value = value;
}

static const struct flag *by_name(const struct flag *flags, const char *name, size_t length) {
  for (; flags->name; flags++)
    if (strlen(flags->name) == length && memcmp(flags->name, name, length) == 0) return flags;
  return NULL;
}

static const struct flag *by_letter(const struct flag *flags, char letter) {
  for (; flags->name; flags++)
    if (flags->letter == letter) return flags;
  return NULL;
}

/* Reads flags from argv[at] on; returns where they end, or -1 when there is one that is not in the table. */
static int read_flags(const struct flag *flags, char **argv, int argc, int at) {
  while (at < argc) {
    const char *word = argv[at];
    if (word[0] != '-' || word[1] == 0) return at;
    at++;
    if (word[1] == '-') {
      if (word[2] == 0) return at;
      const char *equals = strchr(word, '=');
      const struct flag *flag = by_name(flags, word + 2, equals ? (size_t)(equals - word - 2) : strlen(word + 2));
      if (flag == NULL) return -1;
      if (flag->on) {
        if (equals) return -1;
        *flag->on = true;
      } else if (equals) take(flag, equals + 1);
      else if (at < argc) take(flag, argv[at++]);
      else return -1;
      continue;
    }
    for (const char *letters = word + 1; *letters;) {
      const struct flag *flag = by_letter(flags, *letters++);
      if (flag == NULL || letters[0] == '=') return -1;
      if (flag->on) {
        *flag->on = true;
        continue;
      }
      if (*letters) take(flag, letters);
      else if (at < argc) take(flag, argv[at++]);
      else return -1;
      break;
    }
  }
  return at;
}

static const char *variable(const char *name) {
  const char *value = getenv(name);
  return value && *value ? value : NULL;
}

/* Settings of the configuration file that change what these commands do. A file that cannot be judged so is the whole CLI's. */
static bool plain_configuration(void) {
  const char *directory = variable("GANTRY_CONFIG");
  if (directory == NULL) directory = variable("DOCKER_CONFIG");
  char path[4096];
  int length;
  if (directory) length = snprintf(path, sizeof path, "%s/config.json", directory);
  else length = snprintf(path, sizeof path, "%s/.docker/config.json", variable("HOME") ? variable("HOME") : "/root");
  if (length >= (int)sizeof path) return false;
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0) return access(path, F_OK) != 0;
  static char content[64 * 1024];
  ssize_t n = read(fd, content, sizeof content - 1);
  close(fd);
  if (n < 0 || n == (ssize_t)sizeof content - 1) return false;
  content[n] = 0;
  static const char *const matter[] = {"currentContext", "detachKeys", "HttpHeaders", "proxies", "\\u"};
  for (size_t i = 0; i < sizeof matter / sizeof *matter; i++)
    if (strstr(content, matter[i])) return false;
  return true;
}

/* The path of a unix socket: from -H, the environment, or the first default one that exists. NULL for any other address. */
static const char *engine_socket(const char *host) {
  if (host == NULL) host = variable("GANTRY_HOST");
  if (host == NULL) host = variable("DOCKER_HOST");
  if (host) return strncmp(host, "unix:///", 8) == 0 ? host + 7 : NULL;
  static const char *const usual[] = {"/run/gantry/gantry.sock", "/var/run/docker.sock"};
  for (size_t i = 0; i < 2; i++)
    if (access(usual[i], F_OK) == 0) return usual[i];
  return NULL;
}

static bool sound_values(const struct command *c) {
  for (int i = 0; i < c->env.count; i++)
    if (c->env.at[i][0] == 0 || c->env.at[i][0] == '=') return false;
  for (int i = 0; i < c->labels.count; i++)
    if (c->labels.at[i][0] == 0 || c->labels.at[i][0] == '=') return false;
  for (int i = 0; i < c->volumes.count; i++) {
    /* source:destination[:options] with an absolute source or a name; what is relative or incomplete is left to the CLI. */
    const char *volume = c->volumes.at[i], *colon = strchr(volume, ':');
    if (colon == NULL || colon == volume || volume[0] == '.' || colon[1] == 0 || colon[1] == ':') return false;
    for (int j = 0; j < i; j++)
      if (strcmp(volume, c->volumes.at[j]) == 0) return false;
  }
  /* Fields as name=...,alias=... are the CLI's. */
  if (c->network && (c->network[0] == 0 || strpbrk(c->network, "=, \t\n"))) return false;
  return true;
}

bool read_command(int argc, char **argv, struct command *c) {
  for (int i = 1; i < argc; i++)
    if (!valid_utf8(argv[i])) return false;
  const char *host = NULL;
  struct words hosts = {0};
  const struct flag global[] = {{"host", 'H', NULL, NULL, &hosts}, {0}};
  int at = read_flags(global, argv, argc, 1);
  if (at < 0 || at >= argc || hosts.count > 1) return false;
  if (hosts.count == 1) host = hosts.at[0];
  c->name_of_command = NULL;
  bool long_form = strcmp(argv[at], "container") == 0;
  if (long_form && ++at >= argc) return false;
  if (strcmp(argv[at], "run") == 0) {
    c->verb = RUN;
    c->name_of_command = long_form ? "container run" : "run";
  } else if (strcmp(argv[at], "exec") == 0) {
    c->verb = EXEC;
    c->name_of_command = long_form ? "container exec" : "exec";
  } else return false;
  at++;

  bool quiet; /* about pulling, of which there is none here */
  const struct flag run[] = {
    {"detach", 'd', &c->detach, NULL, NULL},
    {"entrypoint", 0, NULL, &c->entrypoint, NULL},
    {"env", 'e', NULL, NULL, &c->env},
    {"hostname", 'h', NULL, &c->hostname, NULL},
    {"init", 0, &c->init, NULL, NULL},
    {"interactive", 'i', &c->interactive, NULL, NULL},
    {"label", 'l', NULL, NULL, &c->labels},
    {"name", 0, NULL, &c->name, NULL},
    {"network", 0, NULL, &c->network, NULL},
    {"privileged", 0, &c->privileged, NULL, NULL},
    {"quiet", 'q', &quiet, NULL, NULL},
    {"read-only", 0, &c->read_only, NULL, NULL},
    {"rm", 0, &c->remove, NULL, NULL},
    {"user", 'u', NULL, &c->user, NULL},
    {"volume", 'v', NULL, NULL, &c->volumes},
    {"workdir", 'w', NULL, &c->workdir, NULL},
    {0},
  };
  const struct flag exec[] = {
    {"detach", 'd', &c->detach, NULL, NULL},
    {"env", 'e', NULL, NULL, &c->env},
    {"interactive", 'i', &c->interactive, NULL, NULL},
    {"privileged", 0, &c->privileged, NULL, NULL},
    {"user", 'u', NULL, &c->user, NULL},
    {"workdir", 'w', NULL, &c->workdir, NULL},
    {0},
  };
  at = read_flags(c->verb == RUN ? run : exec, argv, argc, at);
  if (at < 0 || at >= argc || argv[at][0] == 0) return false;
  c->object = argv[at++];
  for (; at < argc; at++) push(&c->args, argv[at]);
  if (c->verb == EXEC && c->args.count == 0) return false;
  if (!sound_values(c)) return false;

  if (variable("GANTRY_API_VERSION") || variable("DOCKER_API_VERSION") || variable("DOCKER_DEFAULT_PLATFORM")) return false;
  if (host == NULL && !variable("GANTRY_HOST") && !variable("DOCKER_HOST") && (variable("GANTRY_CONTEXT") || variable("DOCKER_CONTEXT")))
    return false;
  c->socket = engine_socket(host);
  return c->socket != NULL && plain_configuration();
}
