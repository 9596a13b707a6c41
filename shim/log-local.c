/*
 * The "local" driver's file, as Docker's: each entry is a protobuf LogEntry between two copies of its length (4 bytes, big
 * endian), so that it can be read from either end.
 *   LogEntry { source = 1 string; time_nano = 2 int64; line = 3 bytes; partial = 4 bool;
 *              partial_log_metadata = 5 { last = 1 bool; ordinal = 3 int32 } }
 */
#include "log-internal.h"

#include <string.h>

static char *varint(char *out, uint64_t v) {
  for (; v >= 0x80; v >>= 7) *out++ = (char)(v | 0x80);
  *out++ = (char)v;
  return out;
}

static char *big_endian(char *out, uint32_t v) {
  for (int shift = 24; shift >= 0; shift -= 8) *out++ = (char)(v >> shift);
  return out;
}

size_t log_local_bound(size_t length) { return length + 80; }

size_t log_local_encode(char *out, const struct message *m) {
  char *p = out + 4;
  *p++ = 1 << 3 | 2;
  *p++ = 6;
  memcpy(p, m->stream == STREAM_STDOUT ? "stdout" : "stderr", 6);
  p += 6;
  *p++ = 2 << 3;
  p = varint(p, m->time_ns);
  *p++ = 3 << 3 | 2;
  p = varint(p, m->length);
  memcpy(p, m->line, m->length);
  p += m->length;
  if (m->ordinal > 0) {
    *p++ = 4 << 3;
    *p++ = 1;
    char inner[16], *q = inner;
    if (!m->partial) *q++ = 1 << 3, *q++ = 1;
    *q++ = 3 << 3;
    q = varint(q, (uint64_t)m->ordinal);
    *p++ = 5 << 3 | 2;
    p = varint(p, (uint64_t)(q - inner));
    memcpy(p, inner, (size_t)(q - inner));
    p += q - inner;
  }
  uint32_t length = (uint32_t)(p - out - 4);
  big_endian(out, length);
  p = big_endian(p, length);
  return (size_t)(p - out);
}
