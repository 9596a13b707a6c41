/* The container's log file: cuts output into lines as Docker does, batches them, rotates. */
#define _GNU_SOURCE
#include "log-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static int open_file(struct log *log, int flags) {
  struct stat st;
  log->fd = open(log->opt->log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | flags, 0640);
  if (log->fd < 0) return -1;
  log->size = fstat(log->fd, &st) == 0 ? st.st_size : 0;
  return 0;
}

struct log *log_open(const struct options *opt) {
  struct log *log = calloc(1, sizeof *log);
  if (log == NULL) return NULL;
  log->opt = opt;
  if (opt->log_buffer > 0 && (log->ring = ring_make(log, opt->log_buffer)) == NULL) {
    free(log);
    return NULL;
  }
  log->batch = malloc(BATCH); /* pages are touched only by a container that writes */
  if (log->batch == NULL || open_file(log, 0) != 0) {
    free(log->batch);
    ring_free(log->ring);
    free(log);
    return NULL;
  }
  return log;
}

/* A full disk must not stop the container: what does not fit is dropped, without leaving half a line in the file. */
void log_flush_batch(struct log *log) {
  size_t done = 0;
  while (log->fd >= 0 && done < log->used) {
    ssize_t n = write(log->fd, log->batch + done, log->used - done);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) {
      if (done > 0 && ftruncate(log->fd, log->size) != 0) log->size += (int64_t)done;
      done = 0;
      break;
    }
    done += (size_t)n;
  }
  log->size += (int64_t)done;
  log->used = 0;
}

void log_flush(struct log *log) {
  if (log->ring == NULL) log_flush_batch(log); /* a ring's writer does so when it has nothing left to write */
}

void log_reaped(struct log *log, pid_t pid) {
  if (log != NULL && log->gzip == pid) log->gzip = 0;
}

/* With a ring the poll loop may reap the same child first: then there is nothing to wait for. */
void log_wait(struct log *log) {
  pid_t gzip = log == NULL ? 0 : log->gzip;
  if (gzip <= 0) return;
  waitpid(gzip, NULL, 0);
  log->gzip = 0;
}

static void compress_file(struct log *log, const char *path) {
  pid_t pid = fork();
  if (pid == 0) {
    child_reset();
    int null = open("/dev/null", O_RDWR);
    for (int i = 0; i < 3; i++) dup2(null, i);
    execlp("gzip", "gzip", "-f", path, (char *)NULL);
    _exit(127);
  }
  if (pid > 0) log->gzip = pid;
}

/* FILE becomes FILE.1, FILE.1 becomes FILE.2 and so on (.gz behind it when compressed); max-file counts FILE itself. */
static void rotate(struct log *log) {
  const char *path = log->opt->log_path;
  const char *extension = log->opt->log_compress ? ".gz" : "";
  char from[4200], to[4200];
  log_wait(log);
  close_fd(&log->fd);
  if (log->opt->log_max_files < 2) {
    open_file(log, O_TRUNC);
    return;
  }
  for (int i = log->opt->log_max_files - 1; i > 1; i--) {
    snprintf(from, sizeof from, "%s.%d%s", path, i - 1, extension);
    snprintf(to, sizeof to, "%s.%d%s", path, i, extension);
    rename(from, to);
  }
  snprintf(to, sizeof to, "%s.1", path);
  rename(path, to);
  open_file(log, 0);
  if (log->opt->log_compress) compress_file(log, to);
}

void log_emit(struct log *log, const struct message *m) {
  bool json = log->opt->log_format == LOG_JSON_FILE;
  size_t bound = json ? log_json_bound(log, m->length) : log_local_bound(m->length);
  if (log->opt->log_max_size >= 0 && log->size + (int64_t)log->used >= log->opt->log_max_size) {
    log_flush_batch(log);
    rotate(log);
  }
  if (bound > BATCH - log->used) log_flush_batch(log);
  if (bound > BATCH) return; /* attrs of a quarter megabyte: refused by the client side */
  log->used += json ? log_json_encode(log, log->batch + log->used, m) : log_local_encode(log->batch + log->used, m);
}

/* One part of a line. `last`: the newline has come. */
static void part(struct log *log, int stream, const char *data, size_t n, bool last, uint64_t now) {
  struct line *l = &log->line[stream - 1];
  if (l->ordinal == 0) l->time_ns = now;
  bool split = !last || l->ordinal > 0;
  struct message m = {.stream = stream, .line = data, .length = n, .time_ns = l->time_ns, .partial = !last, .ordinal = split ? l->ordinal + 1 : 0};
  if (log->ring != NULL) ring_put(log->ring, &m);
  else log_emit(log, &m);
  l->ordinal = last ? 0 : l->ordinal + 1;
}

void log_write(struct log *log, int stream, const char *data, size_t n, uint64_t now) {
  struct line *l = &log->line[stream - 1];
  while (n > 0) {
    size_t window = LINE_LIMIT - l->length < n ? LINE_LIMIT - l->length : n;
    const char *newline = memchr(data, '\n', window);
    size_t take = newline != NULL ? (size_t)(newline - data) : window;
    bool full = newline == NULL && l->length + take == LINE_LIMIT;
    if (l->length > 0 || (newline == NULL && !full)) {
      if (l->data == NULL && (l->data = malloc(LINE_LIMIT)) == NULL) return;
      memcpy(l->data + l->length, data, take);
      l->length += take;
      if (newline != NULL || full) {
        part(log, stream, l->data, l->length, newline != NULL, now);
        l->length = 0;
      }
    } else {
      part(log, stream, data, take, newline != NULL, now);
    }
    take += newline != NULL;
    data += take;
    n -= take;
  }
}

/* After log_flush(). A ring's file is its writer's: where that stands says nothing of what was put out. */
void log_position(const struct log *log, uint64_t *inode, uint64_t *offset) {
  struct stat st;
  if (log->ring != NULL || log->fd < 0 || fstat(log->fd, &st) != 0) return;
  *inode = st.st_ino;
  *offset = (uint64_t)log->size;
}

size_t log_pending(const struct log *log, int stream, const char **data) {
  *data = log->line[stream - 1].data;
  return log->line[stream - 1].length;
}

void log_finish(struct log *log) {
  for (int stream = 1; stream <= 2; stream++) {
    struct line *l = &log->line[stream - 1];
    if (l->length > 0) part(log, stream, l->data, l->length, false, realtime_ns());
    l->length = 0;
  }
  if (log->ring != NULL) ring_drain(log->ring);
  else log_flush_batch(log);
}
