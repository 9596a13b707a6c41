#include "launcher.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void add(struct text *t, const char *bytes, size_t length) {
  if (t->length + length + 1 > t->room) {
    t->room = (t->length + length + 1) * 2;
    t->at = realloc(t->at, t->room);
    if (t->at == NULL) abort();
  }
  memcpy(t->at + t->length, bytes, length);
  t->length += length;
  t->at[t->length] = 0;
}

void add_string(struct text *t, const char *string) { add(t, string, strlen(string)); }

void add_json(struct text *t, const char *string) {
  add(t, "\"", 1);
  for (; *string; string++) {
    unsigned char c = (unsigned char)*string;
    char escape[8];
    if (c == '"' || c == '\\') {
      escape[0] = '\\';
      escape[1] = (char)c;
      add(t, escape, 2);
    } else if (c < 0x20) {
      add(t, escape, (size_t)snprintf(escape, sizeof escape, "\\u%04x", c));
    } else {
      add(t, string, 1);
    }
  }
  add(t, "\"", 1);
}

void add_encoded(struct text *t, const char *string) {
  for (; *string; string++) {
    unsigned char c = (unsigned char)*string;
    char escape[4];
    if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || strchr("-_.!~*'()", c)) add(t, string, 1);
    else add(t, escape, (size_t)snprintf(escape, sizeof escape, "%%%02X", c));
  }
}

/* Unicode standard, table 3-7. */
bool valid_utf8(const char *string) {
  const unsigned char *c = (const unsigned char *)string;
  while (*c) {
    int more;
    unsigned char low = 0x80, high = 0xbf;
    if (*c < 0x80) more = 0;
    else if (*c >= 0xc2 && *c <= 0xdf) more = 1;
    else if (*c >= 0xe0 && *c <= 0xef) {
      more = 2;
      if (*c == 0xe0) low = 0xa0;
      if (*c == 0xed) high = 0x9f;
    } else if (*c >= 0xf0 && *c <= 0xf4) {
      more = 3;
      if (*c == 0xf0) low = 0x90;
      if (*c == 0xf4) high = 0x8f;
    } else return false;
    c++;
    for (; more > 0; more--, c++) {
      if (*c < low || *c > high) return false;
      low = 0x80;
      high = 0xbf;
    }
  }
  return true;
}
