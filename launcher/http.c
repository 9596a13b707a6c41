/* HTTP/1.1 (RFC 9112) on a unix socket, as much of it as run and exec need. */
#define _GNU_SOURCE
#include "launcher.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

int open_engine(const char *socket_path) {
  struct sockaddr_un address = {.sun_family = AF_UNIX};
  if (strlen(socket_path) >= sizeof address.sun_path) return -1;
  strcpy(address.sun_path, socket_path);
  int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  if (connect(fd, (struct sockaddr *)&address, sizeof address) == 0) return fd;
  close(fd);
  return -1;
}

struct connection connection_on(int fd) { return (struct connection){.fd = fd}; }

bool write_all(int fd, const char *bytes, size_t length) {
  while (length > 0) {
    ssize_t n = write(fd, bytes, length);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) {
      struct pollfd ready = {fd, POLLOUT, 0};
      poll(&ready, 1, -1);
      continue;
    }
    if (n < 0) return false;
    bytes += n;
    length -= (size_t)n;
  }
  return true;
}

void print(int fd, const char *bytes, size_t length) {
  if (!write_all(fd, bytes, length) && errno == EPIPE) _exit(128 + 13);
}

bool send_request(struct connection *c, const char *method, const char *path, const char *body, bool upgrade) {
  struct text t = {0};
  char length[64];
  add_string(&t, method);
  add(&t, " ", 1);
  add_string(&t, path);
  add_string(&t, " HTTP/1.1\r\nHost: api.moby.localhost\r\nUser-Agent: Gantry-Launcher/" GANTRY_VERSION " (linux)\r\n");
  if (upgrade) add_string(&t, "Connection: Upgrade\r\nUpgrade: tcp\r\n");
  if (body) add_string(&t, "Content-Type: application/json\r\n");
  if (body || strcmp(method, "GET") != 0) {
    snprintf(length, sizeof length, "Content-Length: %zu\r\n", body ? strlen(body) : 0);
    add_string(&t, length);
  }
  add_string(&t, "\r\n");
  if (body) add_string(&t, body);
  return write_all(c->fd, t.at, t.length);
}

long fill(struct connection *c) {
  if (c->start == c->end) c->start = c->end = 0;
  if (c->room - c->end < 65536) {
    c->room = c->end + 131072;
    c->buffer = realloc(c->buffer, c->room + 1);
    if (c->buffer == NULL) abort();
  }
  ssize_t n;
  do n = read(c->fd, c->buffer + c->end, c->room - c->end);
  while (n < 0 && errno == EINTR);
  if (n > 0) c->end += (size_t)n;
  c->buffer[c->end] = 0;
  return n;
}

/* The line's value when it is that header. */
static const char *header(const char *line, const char *name) {
  size_t length = strlen(name);
  if (strncasecmp(line, name, length) != 0 || line[length] != ':') return NULL;
  line += length + 1;
  return line + strspn(line, " \t");
}

bool read_head(struct connection *c, struct answer *answer) {
  for (;;) {
    const char *head = c->buffer ? c->buffer + c->start : NULL;
    const char *end = head ? memmem(head, c->end - c->start, "\r\n\r\n", 4) : NULL;
    if (end == NULL) {
      if (fill(c) <= 0) return false;
      continue;
    }
    if (strncmp(head, "HTTP/1.", 7) != 0 || end - head < 12) return false;
    *answer = (struct answer){.status = atoi(head + 9), .length = -1};
    for (const char *line = strstr(head, "\r\n"); line && line < end; line = strstr(line, "\r\n")) {
      line += 2;
      const char *value = header(line, "Content-Length");
      if (value) answer->length = atol(value);
      value = header(line, "Transfer-Encoding");
      if (value && strncasecmp(value, "chunked", 7) == 0) answer->chunked = true;
    }
    c->start = (size_t)(end + 4 - c->buffer);
    if (answer->status >= 200 || answer->status == 101) break;
  }
  if (answer->status == 204 || answer->status == 304 || answer->status == 101) answer->length = 0;
  return true;
}

char *body_so_far(const struct connection *c, const struct answer *answer) {
  struct text t = {0};
  add(&t, "", 0);
  const char *p = c->buffer + c->start, *end = c->buffer + c->end;
  if (!answer->chunked) {
    if (answer->length < 0 || end - p < answer->length) return NULL;
    add(&t, p, (size_t)answer->length);
    return t.at;
  }
  for (;;) {
    const char *line = memmem(p, (size_t)(end - p), "\r\n", 2);
    if (line == NULL) return NULL;
    long size = strtol(p, NULL, 16);
    p = line + 2;
    if (size < 0 || end - p < size + 2) return NULL;
    if (size == 0) return t.at;
    add(&t, p, (size_t)size);
    p += size + 2;
  }
}

char *read_body(struct connection *c, const struct answer *answer) {
  if (c->buffer == NULL && fill(c) < 0) return NULL;
  for (;;) {
    char *body = body_so_far(c, answer);
    if (body) {
      /* One exchange at a time: what came with it is all of it. */
      c->start = c->end;
      return body;
    }
    if (fill(c) > 0) continue;
    if (answer->chunked || answer->length >= 0) return NULL;
    struct text t = {0};
    add(&t, c->buffer + c->start, c->end - c->start);
    return t.at;
  }
}
