/* Docker's json-file: {"log":"...\n","stream":"stdout","attrs":{...},"time":"RFC 3339 with nanoseconds"} a line. */
#include "log-internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/*
 * Escapes as Docker's writer does: beyond what JSON asks for, < > & and U+2028/9, and U+FFFD for what is no UTF-8. The
 * table says which bytes go through as they are.
 */
static bool safe[256];

static void fill_safe(void) {
  for (int c = 0x20; c < 0x80; c++) safe[c] = c != '"' && c != '\\' && c != '<' && c != '>' && c != '&';
}

/* Length of the UTF-8 sequence at p (RFC 3629: no overlong forms, no surrogates, up to U+10FFFF), 0 when it is none. */
static size_t sequence(const unsigned char *p, size_t n) {
  unsigned char c = p[0], low = 0x80, high = 0xbf;
  size_t length = c >= 0xc2 && c <= 0xdf ? 2 : c >= 0xe0 && c <= 0xef ? 3 : c >= 0xf0 && c <= 0xf4 ? 4 : 0;
  if (length == 0 || n < length) return 0;
  if (c == 0xe0) low = 0xa0;
  if (c == 0xed) high = 0x9f;
  if (c == 0xf0) low = 0x90;
  if (c == 0xf4) high = 0x8f;
  if (p[1] < low || p[1] > high) return 0;
  for (size_t i = 2; i < length; i++)
    if (p[i] < 0x80 || p[i] > 0xbf) return 0;
  return length;
}

static char *put(char *out, const char *text, size_t n) {
  memcpy(out, text, n);
  return out + n;
}

static char *escape(char *out, const unsigned char *p, size_t n) {
  static const char hex[] = "0123456789abcdef";
  size_t start = 0, i = 0;
  while (i < n) {
    unsigned char c = p[i];
    if (safe[c]) {
      i++;
      continue;
    }
    size_t length = c < 0x80 ? 1 : sequence(p + i, n - i);
    bool separator = length == 3 && c == 0xe2 && p[i + 1] == 0x80 && (p[i + 2] & 0xfe) == 0xa8;
    if (length > 1 && !separator) {
      i += length;
      continue;
    }
    out = put(out, (const char *)p + start, i - start);
    if (separator) out = put(out, p[i + 2] == 0xa8 ? "\\u2028" : "\\u2029", 6);
    else if (length == 0) out = put(out, "\\ufffd", 6);
    else if (c == '"' || c == '\\') *out++ = '\\', *out++ = (char)c;
    else if (c == '\r') out = put(out, "\\r", 2);
    else if (c == '\n') out = put(out, "\\n", 2);
    else {
      out = put(out, "\\u00", 4);
      *out++ = hex[c >> 4];
      *out++ = hex[c & 15];
    }
    i += length == 0 ? 1 : length;
    start = i;
  }
  return put(out, (const char *)p + start, n - start);
}

/* RFC 3339 in UTC; trailing zeros of the fraction are left away, as Go's RFC3339Nano does. */
static size_t format_time(char *out, size_t size, uint64_t ns) {
  time_t seconds = (time_t)(ns / 1000000000ull);
  struct tm tm;
  gmtime_r(&seconds, &tm);
  size_t n = strftime(out, size, "%Y-%m-%dT%H:%M:%S", &tm);
  unsigned fraction = (unsigned)(ns % 1000000000ull);
  if (fraction != 0) {
    n += (size_t)snprintf(out + n, size - n, ".%09u", fraction);
    while (out[n - 1] == '0') n--;
  }
  out[n++] = 'Z';
  return n;
}

static void make_tail(struct log *log, int stream, uint64_t ns) {
  const char *attrs = log->opt->log_attrs;
  if (log->tail == NULL) {
    fill_safe();
    log->tail_room = 128 + (attrs == NULL ? 0 : strlen(attrs));
    log->tail = malloc(log->tail_room);
    if (log->tail == NULL) abort();
  } else if (log->tail_stream == stream && log->tail_time == ns) {
    return;
  }
  char time[64];
  size_t n = format_time(time, sizeof time, ns);
  log->tail_length = (size_t)snprintf(log->tail, log->tail_room, "\",\"stream\":\"%s\",%s%s%s\"time\":\"%.*s\"}\n",
                                      stream == STREAM_STDOUT ? "stdout" : "stderr", attrs == NULL ? "" : "\"attrs\":",
                                      attrs == NULL ? "" : attrs, attrs == NULL ? "" : ",", (int)n, time);
  log->tail_stream = stream;
  log->tail_time = ns;
}

/* Bytes that a line of this length can take at most: each byte may become \u00xx. */
size_t log_json_bound(const struct log *log, size_t length) {
  return 6 * length + 160 + (log->opt->log_attrs == NULL ? 0 : strlen(log->opt->log_attrs));
}

size_t log_json_encode(struct log *log, char *out, const struct message *m) {
  make_tail(log, m->stream, m->time_ns);
  char *p = put(out, "{\"log\":\"", 8);
  p = escape(p, (const unsigned char *)m->line, m->length);
  if (!m->partial) p = put(p, "\\n", 2);
  p = put(p, log->tail, log->tail_length);
  return (size_t)(p - out);
}
