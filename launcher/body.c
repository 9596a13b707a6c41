/* Members that the bodies of run and exec share. */
#include "launcher.h"

#include <stdlib.h>
#include <string.h>

void add_member(struct text *t, const char *key, const char *value) {
  if (value == NULL || *value == 0) return;
  add_string(t, ",\"");
  add_string(t, key);
  add_string(t, "\":");
  add_json(t, value);
}

void add_list(struct text *t, const char *key, const struct words *words) {
  add_string(t, ",\"");
  add_string(t, key);
  add_string(t, "\":[");
  for (int i = 0; i < words->count; i++) {
    if (i > 0) add(t, ",", 1);
    add_json(t, words->at[i]);
  }
  add(t, "]", 1);
}

/* A name without a value takes it from our own environment; without one there it goes as it is. */
void add_environment(struct text *t, const struct command *c) {
  if (c->env.count == 0) return;
  struct words lines = {malloc(sizeof(char *) * (size_t)c->env.count), c->env.count};
  if (lines.at == NULL) abort();
  for (int i = 0; i < c->env.count; i++) {
    const char *given = c->env.at[i], *value = strchr(given, '=') ? NULL : getenv(given);
    lines.at[i] = given;
    if (value == NULL) continue;
    struct text line = {0};
    add_string(&line, given);
    add(&line, "=", 1);
    add_string(&line, value);
    lines.at[i] = line.at;
  }
  add_list(t, "Env", &lines);
}
