/*
 * Non-blocking mode: what the process says waits in a ring of bounded size for a thread that writes the log. When the disk cannot
 * keep up and the ring is full, new lines are dropped, so that a slow disk never slows the process down. The thread is the one
 * thing of the monitor besides its poll loop; it begins with the first line.
 */
#define _GNU_SOURCE
#include "log-internal.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define DRAIN_SECONDS 10 /* Docker's, for a log that does not come to its end */
#define STACK_SIZE (128 * 1024)

struct record {
  uint64_t time_ns;
  uint32_t length; /* of the line, which follows */
  int32_t ordinal;
  uint8_t stream, partial;
};

struct ring {
  struct log *log;
  pthread_mutex_t lock;
  pthread_cond_t changed; /* for the writer: more to write, or the end; for ring_drain(): done */
  pthread_t thread;
  bool running, ending, done;
  char *data;
  size_t size, head, used; /* in bytes */
  char line[LINE_LIMIT];   /* the writer's copy of what it writes now */
};

struct ring *ring_make(struct log *log, size_t limit) {
  struct ring *r = calloc(1, sizeof *r);
  if (r == NULL) return NULL;
  r->log = log;
  /* One line always fits, however small the bound. Pages are touched only when used. */
  r->size = limit > LINE_LIMIT + sizeof(struct record) ? limit : LINE_LIMIT + sizeof(struct record);
  r->data = malloc(r->size);
  if (r->data == NULL) {
    free(r);
    return NULL;
  }
  pthread_condattr_t monotonic;
  pthread_condattr_init(&monotonic);
  pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
  pthread_mutex_init(&r->lock, NULL);
  pthread_cond_init(&r->changed, &monotonic);
  return r;
}

void ring_free(struct ring *r) {
  if (r == NULL) return;
  free(r->data);
  free(r);
}

static void push(struct ring *r, const void *from, size_t n) {
  size_t tail = (r->head + r->used) % r->size;
  size_t first = r->size - tail < n ? r->size - tail : n;
  memcpy(r->data + tail, from, first);
  memcpy(r->data, (const char *)from + first, n - first);
  r->used += n;
}

static void pull(struct ring *r, void *to, size_t n) {
  size_t first = r->size - r->head < n ? r->size - r->head : n;
  memcpy(to, r->data + r->head, first);
  memcpy((char *)to + first, r->data, n - first);
  r->head = (r->head + n) % r->size;
  r->used -= n;
}

static void *write_all(void *argument) {
  struct ring *r = argument;
  pthread_mutex_lock(&r->lock);
  for (;;) {
    while (r->used == 0 && !r->ending) pthread_cond_wait(&r->changed, &r->lock);
    if (r->used == 0) break;
    struct record record;
    pull(r, &record, sizeof record);
    pull(r, r->line, record.length);
    bool last = r->used == 0;
    pthread_mutex_unlock(&r->lock);
    struct message m = {.stream = record.stream, .line = r->line, .length = record.length, .time_ns = record.time_ns,
                        .partial = record.partial, .ordinal = record.ordinal};
    log_emit(r->log, &m);
    if (last) log_flush_batch(r->log);
    pthread_mutex_lock(&r->lock);
  }
  r->done = true;
  pthread_cond_signal(&r->changed);
  pthread_mutex_unlock(&r->lock);
  return NULL;
}

static bool begin(struct ring *r) {
  pthread_attr_t attributes;
  pthread_attr_init(&attributes);
  pthread_attr_setstacksize(&attributes, STACK_SIZE);
  r->running = pthread_create(&r->thread, &attributes, write_all, r) == 0;
  pthread_attr_destroy(&attributes);
  return r->running;
}

void ring_put(struct ring *r, const struct message *m) {
  if (!r->running && !begin(r)) return;
  struct record record = {.time_ns = m->time_ns, .length = (uint32_t)m->length, .ordinal = m->ordinal,
                          .stream = (uint8_t)m->stream, .partial = m->partial};
  pthread_mutex_lock(&r->lock);
  if (sizeof record + m->length <= r->size - r->used) {
    push(r, &record, sizeof record);
    push(r, m->line, m->length);
    pthread_cond_signal(&r->changed);
  }
  pthread_mutex_unlock(&r->lock);
}

void ring_drain(struct ring *r) {
  if (!r->running) return;
  struct timespec deadline;
  clock_gettime(CLOCK_MONOTONIC, &deadline);
  deadline.tv_sec += DRAIN_SECONDS;
  pthread_mutex_lock(&r->lock);
  r->ending = true;
  pthread_cond_signal(&r->changed);
  int late = 0;
  while (!r->done && late == 0) late = pthread_cond_timedwait(&r->changed, &r->lock, &deadline);
  pthread_mutex_unlock(&r->lock);
}
