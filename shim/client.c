/*
 * Connections: the daemon's control connections and the attach clients. Each has one queue of bytes it has not taken yet; a
 * client's slowness shows as the length of its queue and nowhere else.
 */
#define _GNU_SOURCE
#include "shim.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

enum client_kind { HELLO, ATTACH, CONTROL };

#define WANT_STDIN 1
#define WANT_STDOUT 2
#define WANT_STDERR 4
#define WANT_MARK 8

struct client {
  struct client *next;
  int fd;                /* -1: to be freed */
  enum client_kind kind;
  bool owner;            /* the daemon that spawned us: its end before START undoes everything */
  unsigned want;
  bool in_ended;         /* nothing more comes from it */
  bool closing;          /* nothing more goes to it but its queue */
  char *queue;
  size_t head, length, room;
  uint64_t progress;     /* last time it took bytes, or its queue began */
  unsigned char in[512];
  size_t in_length;
};

int clients_listen(struct shim *s) {
  /* Relative to our directory, whose full path may be too long for a socket address. */
  struct sockaddr_un a = {.sun_family = AF_UNIX, .sun_path = "shim.sock"};
  unlink(a.sun_path);
  s->listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (s->listen_fd < 0) return -1;
  mode_t mask = umask(0177);
  int r = bind(s->listen_fd, (struct sockaddr *)&a, sizeof a);
  umask(mask);
  return r != 0 ? -1 : listen(s->listen_fd, 128);
}

void clients_add(struct shim *s, int fd, bool owner) {
  struct client *c = calloc(1, sizeof *c);
  if (c == NULL) {
    close(fd);
    return;
  }
  c->fd = fd;
  c->owner = owner;
  c->kind = owner ? CONTROL : HELLO;
  struct client **end = &s->clients;
  while (*end != NULL) end = &(*end)->next;
  *end = c;
}

static void drop(struct shim *s, struct client *c) {
  if (c->fd < 0) return;
  close_fd(&c->fd);
  if (c->owner) command_abandon(s);
}

/* Writes what the socket takes. */
static void flush(struct shim *s, struct client *c) {
  while (c->fd >= 0 && c->length > 0) {
    ssize_t n = send(c->fd, c->queue + c->head, c->length, MSG_NOSIGNAL);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return;
    if (n < 0) {
      drop(s, c);
      return;
    }
    c->head += (size_t)n;
    c->length -= (size_t)n;
    c->progress = monotonic_ns();
  }
  c->head = 0;
  if (c->room > CHUNK) { /* an idle shim stays small */
    free(c->queue);
    c->queue = NULL;
    c->room = 0;
  }
  if (c->closing) drop(s, c);
}

static bool enqueue(struct client *c, const char *data, size_t n) {
  if (n == 0) return true;
  if (c->length == 0) c->progress = monotonic_ns();
  if (c->head + c->length + n > c->room) {
    if (c->length > 0 && c->head > 0) memmove(c->queue, c->queue + c->head, c->length);
    c->head = 0;
    if (c->length + n > c->room) {
      size_t room = c->room == 0 ? 4096 : c->room;
      while (room < c->length + n) room *= 2;
      char *queue = realloc(c->queue, room);
      if (queue == NULL) return false;
      c->queue = queue;
      c->room = room;
    }
  }
  memcpy(c->queue + c->head + c->length, data, n);
  c->length += n;
  return true;
}

void control_send_one(struct client *c, char type, const char *payload, size_t n) {
  char header[5] = {type, (char)(n >> 24), (char)(n >> 16), (char)(n >> 8), (char)n};
  enqueue(c, header, sizeof header);
  enqueue(c, payload, n);
}

void control_send(struct shim *s, char type, const char *payload, size_t n) {
  for (struct client *c = s->clients; c != NULL; c = c->next) {
    if (c->fd < 0 || c->kind != CONTROL) continue;
    control_send_one(c, type, payload, n);
    flush(s, c);
  }
}

/* `data` has HEADER bytes of room in front of it. */
void clients_output(struct shim *s, int stream, char *data, size_t n) {
  unsigned want = stream == STREAM_STDOUT ? WANT_STDOUT : WANT_STDERR;
  if (!s->opt.tty) {
    char *h = data - HEADER;
    memset(h, 0, HEADER);
    h[0] = (char)stream;
    for (int i = 0; i < 4; i++) h[4 + i] = (char)(n >> (24 - 8 * i));
    data = h;
    n += HEADER;
  }
  for (struct client *c = s->clients; c != NULL; c = c->next) {
    if (c->fd < 0 || c->kind != ATTACH || c->closing || (c->want & want) == 0) continue;
    size_t sent = 0;
    if (c->length == 0) {
      ssize_t r = send(c->fd, data, n, MSG_NOSIGNAL);
      if (r < 0 && errno != EAGAIN && errno != EINTR) {
        drop(s, c);
        continue;
      }
      if (r > 0) sent = (size_t)r;
    }
    if (!enqueue(c, data + sent, n - sent)) drop(s, c);
  }
}

/* No more output comes: attach clients are closed as soon as they have taken what is theirs. */
void clients_end_output(struct shim *s) {
  for (struct client *c = s->clients; c != NULL; c = c->next) {
    if (c->kind == CONTROL || c->fd < 0) continue;
    c->closing = true;
    flush(s, c);
  }
}

bool clients_blocked(const struct shim *s, size_t limit) {
  for (const struct client *c = s->clients; c != NULL; c = c->next)
    if (c->fd >= 0 && c->kind == ATTACH && c->length >= limit) return true;
  return false;
}

bool clients_pending(const struct shim *s) {
  for (const struct client *c = s->clients; c != NULL; c = c->next)
    if (c->fd >= 0 && c->kind != CONTROL) return true;
  return false;
}

bool clients_control(const struct shim *s) {
  for (const struct client *c = s->clients; c != NULL; c = c->next)
    if (c->fd >= 0 && c->kind == CONTROL) return true;
  return false;
}

void clients_stalled(struct shim *s) {
  uint64_t now = monotonic_ns();
  size_t limit = s->phase >= DRAINING ? 1 : QUEUE_LIMIT;
  for (struct client *c = s->clients; c != NULL; c = c->next)
    if (c->fd >= 0 && c->kind == ATTACH && c->length >= limit && now - c->progress > STALL_NS) drop(s, c);
}

static void stdin_ended(struct shim *s, struct client *c) {
  c->in_ended = true;
  if ((c->want & WANT_STDIN) == 0) return;
  /* As Docker: StdinOnce without a terminal hands the end on to the process; otherwise the end of a client's stdin ends its attach. */
  if (s->opt.stdin_once && !s->opt.tty) stdin_end(s);
  else c->closing = true;
}

static void handle_frame(struct shim *s, char type, const char *payload) {
  int rows, columns;
  switch (type) {
    case 'S': command_start(s); break;
    case 'A': command_abandon(s); break;
    case 'I': stdin_end(s); break;
    case 'R':
      if (sscanf(payload, "%d %d", &rows, &columns) == 2) console_resize(s, rows, columns);
      break;
  }
}

static void read_control(struct shim *s, struct client *c) {
  ssize_t n = recv(c->fd, c->in + c->in_length, sizeof c->in - 1 - c->in_length, 0);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n <= 0) {
    drop(s, c);
    return;
  }
  c->in_length += (size_t)n;
  while (c->fd >= 0 && c->in_length >= 5) {
    size_t length = (size_t)c->in[1] << 24 | (size_t)c->in[2] << 16 | (size_t)c->in[3] << 8 | c->in[4];
    if (length > sizeof c->in - 6) {
      drop(s, c); /* no command is that long */
      return;
    }
    if (c->in_length < 5 + length) return;
    char payload[sizeof c->in];
    memcpy(payload, c->in + 5, length);
    payload[length] = 0;
    char type = (char)c->in[0];
    c->in_length -= 5 + length;
    memmove(c->in, c->in + 5 + length, c->in_length);
    handle_frame(s, type, payload);
  }
}

static void read_attach(struct shim *s, struct client *c) {
  static char buffer[CHUNK];
  bool wanted = (c->want & WANT_STDIN) != 0;
  size_t room = wanted ? stdin_room(s) : sizeof buffer;
  if (room == 0) return;
  ssize_t n = recv(c->fd, buffer, room, 0);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n < 0) {
    stdin_ended(s, c);
    drop(s, c);
  } else if (n == 0) {
    stdin_ended(s, c);
  } else if (wanted) {
    stdin_accept(s, buffer, (size_t)n);
  }
}

static void enqueue_number(struct client *c, uint64_t value) {
  char bytes[8];
  for (int i = 0; i < 8; i++) bytes[i] = (char)(value >> (56 - 8 * i));
  enqueue(c, bytes, sizeof bytes);
}

/* Where the log stands, and what was put out but is not in it yet: what a client needs to go on from the log without a gap. */
static void mark(struct shim *s, struct client *c) {
  uint64_t inode = 0, offset = 0;
  if (s->log != NULL) log_position(s->log, &inode, &offset);
  enqueue_number(c, inode);
  enqueue_number(c, offset);
  enqueue_number(c, realtime_ns());
  for (int stream = STREAM_STDOUT; s->log != NULL && stream <= STREAM_STDERR; stream++) {
    const char *data;
    size_t n = log_pending(s->log, stream, &data);
    if (n == 0 || (c->want & (stream == STREAM_STDOUT ? WANT_STDOUT : WANT_STDERR)) == 0) continue;
    char header[HEADER] = {(char)stream};
    for (int i = 0; i < 4; i++) header[4 + i] = (char)(n >> (24 - 8 * i));
    if (!s->opt.tty) enqueue(c, header, sizeof header);
    enqueue(c, data, n);
  }
  flush(s, c);
}

/* The first two bytes say what the connection is: 'A' and the wanted streams, or 'C' and 0. */
static void read_hello(struct shim *s, struct client *c) {
  unsigned char hello[2];
  ssize_t n = recv(c->fd, hello + 0, 2 - c->in_length, 0);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n <= 0) {
    drop(s, c);
    return;
  }
  memcpy(c->in + c->in_length, hello, (size_t)n);
  c->in_length += (size_t)n;
  if (c->in_length < 2) return;
  c->in_length = 0;
  if (c->in[0] == 'C') {
    c->kind = CONTROL;
    report_state(s, c);
    flush(s, c);
  } else if (c->in[0] == 'A') {
    c->kind = ATTACH;
    c->want = c->in[1];
    if (c->want & WANT_MARK) mark(s, c);
    if (s->exit_known && c->fd >= 0) {
      c->closing = true;
      flush(s, c);
    }
  } else {
    drop(s, c);
  }
}

/* Also called before START is obeyed: who connected before the daemon sent it must see the first byte of output. */
void clients_accept(struct shim *s) {
  int fd;
  while (s->listen_fd >= 0 && (fd = accept4(s->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0)
    clients_add(s, fd, false);
  for (struct client *c = s->clients; c != NULL; c = c->next)
    if (c->fd >= 0 && c->kind == HELLO) read_hello(s, c);
}

void poll_add(struct pollfd **fds, int *count, int *room, int fd, short events) {
  if (*count == *room) {
    *room = *room == 0 ? 16 : *room * 2;
    *fds = realloc(*fds, sizeof **fds * (size_t)*room);
    if (*fds == NULL) abort();
  }
  (*fds)[(*count)++] = (struct pollfd){.fd = fd, .events = events};
}

void clients_poll(struct shim *s, struct pollfd **fds, int *count, int *room) {
  struct client **p = &s->clients;
  while (*p != NULL) {
    struct client *c = *p;
    if (c->fd < 0) {
      *p = c->next;
      free(c->queue);
      free(c);
      continue;
    }
    p = &c->next;
    short events = c->length > 0 ? POLLOUT : 0;
    bool full = c->kind == ATTACH && !c->in_ended && (c->want & WANT_STDIN) != 0 && stdin_room(s) == 0;
    if (!full && !c->in_ended) events |= POLLIN;
    /* poll() reports a hang-up whether asked or not: a client whose last words we cannot take yet is left out. */
    if (full && events == 0) continue;
    poll_add(fds, count, room, c->fd, events);
  }
}

void clients_handle(struct shim *s, const struct pollfd *fds, int count) {
  for (int i = 0; i < count; i++) {
    if (fds[i].revents == 0) continue;
    struct client *c = s->clients;
    while (c != NULL && c->fd != fds[i].fd) c = c->next;
    if (c == NULL) continue;
    if (fds[i].revents & POLLOUT) flush(s, c);
    if (c->fd < 0) continue;
    if (fds[i].revents & (POLLIN | POLLHUP | POLLERR)) {
      if (c->kind == CONTROL) read_control(s, c);
      else if (c->kind == HELLO) read_hello(s, c);
      else if (!c->in_ended) read_attach(s, c);
      else if (fds[i].revents & (POLLHUP | POLLERR)) drop(s, c);
    }
    if (c->fd >= 0 && c->closing && c->length == 0) drop(s, c);
  }
}
