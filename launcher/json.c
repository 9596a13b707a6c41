/* Reads what the engine answers: valid JSON, of which a few members matter. */
#include "launcher.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

static const char *blank(const char *p) {
  while (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r') p++;
  return p;
}

/* Behind the string that begins at p; NULL when it does not end. */
static const char *past_string(const char *p) {
  for (p++; *p && *p != '"'; p++)
    if (*p == '\\' && p[1]) p++;
  return *p ? p + 1 : NULL;
}

static const char *past_value(const char *p) {
  if (*p == '"') return past_string(p);
  if (*p != '{' && *p != '[') {
    const char *end = p + strcspn(p, ",]} \t\r\n");
    return end == p ? NULL : end;
  }
  int depth = 0;
  while (*p) {
    if (*p == '"') {
      p = past_string(p);
      if (p == NULL) return NULL;
      continue;
    }
    if (*p == '{' || *p == '[') depth++;
    if ((*p == '}' || *p == ']') && --depth == 0) return p + 1;
    p++;
  }
  return NULL;
}

bool json_member(const char *object, const char *key, struct json *value) {
  const char *p = blank(object);
  if (*p != '{') return false;
  p = blank(p + 1);
  while (*p == '"') {
    const char *name = p + 1;
    p = past_string(p);
    if (p == NULL) return false;
    bool found = strlen(key) == (size_t)(p - 1 - name) && memcmp(name, key, strlen(key)) == 0;
    p = blank(p);
    if (*p != ':') return false;
    p = blank(p + 1);
    const char *end = past_value(p);
    if (end == NULL) return false;
    if (found) {
      *value = (struct json){p, (size_t)(end - p)};
      return true;
    }
    p = blank(end);
    if (*p == ',') p = blank(p + 1);
  }
  return false;
}

bool json_element(struct json array, int n, struct json *value) {
  if (array.length < 2 || *array.at != '[') return false;
  const char *p = blank(array.at + 1);
  while (p < array.at + array.length && *p != ']') {
    const char *end = past_value(p);
    if (end == NULL) return false;
    if (n-- == 0) {
      *value = (struct json){p, (size_t)(end - p)};
      return true;
    }
    p = blank(end);
    if (*p == ',') p = blank(p + 1);
  }
  return false;
}

static uint32_t hex4(const char *p) {
  char digits[5] = {p[0], p[1], p[2], p[3], 0};
  return (uint32_t)strtoul(digits, NULL, 16);
}

static void add_rune(struct text *t, uint32_t rune) {
  char bytes[4];
  if (rune < 0x80) {
    bytes[0] = (char)rune;
    add(t, bytes, 1);
  } else if (rune < 0x800) {
    bytes[0] = (char)(0xc0 | rune >> 6);
    bytes[1] = (char)(0x80 | (rune & 63));
    add(t, bytes, 2);
  } else if (rune < 0x10000) {
    bytes[0] = (char)(0xe0 | rune >> 12);
    bytes[1] = (char)(0x80 | (rune >> 6 & 63));
    bytes[2] = (char)(0x80 | (rune & 63));
    add(t, bytes, 3);
  } else {
    bytes[0] = (char)(0xf0 | rune >> 18);
    bytes[1] = (char)(0x80 | (rune >> 12 & 63));
    bytes[2] = (char)(0x80 | (rune >> 6 & 63));
    bytes[3] = (char)(0x80 | (rune & 63));
    add(t, bytes, 4);
  }
}

char *json_text(struct json value) {
  struct text t = {0};
  if (*value.at != '"') {
    add(&t, value.at, value.length);
    return t.at;
  }
  add(&t, "", 0);
  const char *end = value.at + value.length - 1;
  for (const char *p = value.at + 1; p < end; p++) {
    if (*p != '\\') {
      add(&t, p, 1);
      continue;
    }
    p++;
    const char *from = "bfnrt", *to = "\b\f\n\r\t", *plain;
    if (*p == 'u' && end - p > 4) {
      uint32_t rune = hex4(p + 1);
      p += 4;
      if (rune >= 0xd800 && rune < 0xdc00 && end - p > 6 && p[1] == '\\' && p[2] == 'u') {
        rune = 0x10000 + ((rune - 0xd800) << 10) + (hex4(p + 3) - 0xdc00);
        p += 6;
      }
      add_rune(&t, rune);
    } else if ((plain = strchr(from, *p)) != NULL) {
      add(&t, to + (plain - from), 1);
    } else {
      add(&t, p, 1);
    }
  }
  return t.at;
}
