/* What log.c shares with the encoders. */
#ifndef GANTRY_LOG_INTERNAL_H
#define GANTRY_LOG_INTERNAL_H

#include "shim.h"

#define LINE_LIMIT (16 * 1024) /* Docker splits longer lines */
#define BATCH (256 * 1024)

struct line {
  char *data; /* start of a line whose end has not come yet, LINE_LIMIT bytes, made on first use */
  size_t length;
  int ordinal;       /* parts already written */
  uint64_t time_ns;  /* of the first part; Docker gives it to all */
};

struct log {
  const struct options *opt;
  int fd;
  int64_t size;      /* bytes in the file, batch excluded */
  char *batch;
  size_t used;
  struct line line[2];
  pid_t gzip;
  /* json-file: the text behind a line, the same for all lines of one stream and instant */
  char *tail;
  size_t tail_length, tail_room;
  int tail_stream;
  uint64_t tail_time;
};

#endif
