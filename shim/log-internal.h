/* What log.c shares with the encoders. */
#ifndef GANTRY_LOG_INTERNAL_H
#define GANTRY_LOG_INTERNAL_H

#include "shim.h"

#include <stdatomic.h>

#define LINE_LIMIT (16 * 1024) /* Docker splits longer lines */
#define BATCH (256 * 1024)

struct line {
  char *data; /* start of a line whose end has not come yet, LINE_LIMIT bytes, made on first use */
  size_t length;
  int ordinal;       /* parts already written */
  uint64_t time_ns;  /* of the first part; Docker gives it to all */
};

struct ring;

struct log {
  const struct options *opt;
  struct ring *ring; /* NULL in blocking mode; otherwise its thread alone uses what is below, but for line and gzip */
  int fd;
  int64_t size;      /* bytes in the file, batch excluded */
  char *batch;
  size_t used;
  struct line line[2];
  _Atomic pid_t gzip;
  /* json-file: the text behind a line, the same for all lines of one stream and instant */
  char *tail;
  size_t tail_length, tail_room;
  int tail_stream;
  uint64_t tail_time;
};

/* log.c: what a ring's writer does with a message */
void log_emit(struct log *log, const struct message *m);
void log_flush_batch(struct log *log);

/* log-ring.c */
struct ring *ring_make(struct log *log, size_t limit);
void ring_put(struct ring *r, const struct message *m); /* drops it when there is no room */
void ring_drain(struct ring *r);                        /* the end: until all is written, or the disk hangs too long */
void ring_free(struct ring *r);                         /* of one that was never used, or NULL */

#endif
