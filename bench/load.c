/*
 * What the bench puts load on networks with, so that neither side's client is the slow one: no library but libc, one static file.
 *
 *   load serve PORT                          accepts connections (IPv4 and IPv6), sends a byte, closes; never ends
 *   load connect ADDRESS PORT COUNT TOTAL    makes TOTAL connections to the COUNT ports from PORT on; prints connections a second
 *   load dns ADDRESS QUERIES WINDOW NAME...  asks for the A records of the names in turn, WINDOW at a time; prints queries a second,
 *                                            then the median and the 99th percentile of their times in microseconds
 *
 * A connection ends by the client's reset: no side is left with a socket in TIME_WAIT, so that runs do not disturb one another.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* Connections under way, and processes that accept them. */
#define WORKERS 8
#define SERVERS 2
#define LOST_MS 1000

static void die(const char *what) {
  fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
  exit(1);
}

static uint64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (uint64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

static struct sockaddr_storage address_of(const char *text, int port, socklen_t *length) {
  struct sockaddr_storage storage = {0};
  struct sockaddr_in *v4 = (struct sockaddr_in *)&storage;
  struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&storage;
  if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
    *length = sizeof *v4;
  } else if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
    *length = sizeof *v6;
  } else {
    errno = EINVAL;
    die(text);
  }
  return storage;
}

static _Noreturn void serve(int port) {
  int server = socket(AF_INET6, SOCK_STREAM, 0);
  int on = 1, off = 0;
  setsockopt(server, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  setsockopt(server, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  struct sockaddr_in6 name = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
  if (server < 0 || bind(server, (struct sockaddr *)&name, sizeof name) || listen(server, 4096)) die("listen");
  signal(SIGPIPE, SIG_IGN);
  for (int i = 1; i < SERVERS; i++)
    if (fork() == 0) break;
  for (;;) {
    int client = accept(server, NULL, NULL);
    if (client < 0) continue;
    if (write(client, "", 1) < 0) perror("load: write");
    close(client);
  }
}

static void connect_once(const char *address, int port) {
  socklen_t length;
  struct sockaddr_storage to = address_of(address, port, &length);
  struct linger reset = {.l_onoff = 1, .l_linger = 0};
  char byte;
  int fd = socket(to.ss_family, SOCK_STREAM, 0);
  if (fd < 0 || connect(fd, (struct sockaddr *)&to, length)) die("connect");
  if (read(fd, &byte, 1) != 1) die("read");
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  close(fd);
}

static int connect_many(const char *address, int port, int count, int total) {
  uint64_t started = now();
  for (int worker = 0; worker < WORKERS; worker++) {
    if (fork() > 0) continue;
    for (int i = worker; i < total; i += WORKERS) connect_once(address, port + i % count);
    exit(0);
  }
  int status, failed = 0;
  while (wait(&status) > 0) failed |= status;
  if (failed) return 1;
  printf("%.1f\n", total * 1e9 / (now() - started));
  return 0;
}

/* A question for the A record of a name; returns its length. */
static int question(uint8_t *message, const char *name) {
  static const uint8_t header[12] = {0, 0, 1, 0, 0, 1};
  memcpy(message, header, sizeof header);
  int at = sizeof header;
  while (*name != '\0') {
    size_t label = strcspn(name, ".");
    message[at++] = label;
    memcpy(message + at, name, label);
    at += label;
    name += label + (name[label] == '.');
  }
  static const uint8_t tail[5] = {0, 0, 1, 0, 1};
  memcpy(message + at, tail, sizeof tail);
  return at + sizeof tail;
}

static int by_size(const void *one, const void *other) {
  uint32_t a = *(const uint32_t *)one, b = *(const uint32_t *)other;
  return (a > b) - (a < b);
}

static int ask(const char *address, int queries, int window, char **names, int name_count) {
  socklen_t length;
  struct sockaddr_storage to = address_of(address, 53, &length);
  int fd = socket(to.ss_family, SOCK_DGRAM, 0);
  if (fd < 0 || connect(fd, (struct sockaddr *)&to, length)) die("connect");
  uint64_t *sent_at = calloc(window, sizeof *sent_at);
  uint32_t *times = calloc(queries, sizeof *times);
  uint8_t message[512];
  int sent = 0, answered = 0, wrong = 0;
  uint64_t started = now();
  /* A slot, its number the query's ID, has one query under way. */
  for (int slot = -1; answered < queries;) {
    if (slot < 0 && sent < window && sent < queries) slot = sent;
    if (slot >= 0) {
      int size = question(message, names[sent % name_count]);
      message[0] = slot >> 8;
      message[1] = slot;
      sent_at[slot] = now();
      if (send(fd, message, size, 0) != size) die("send");
      sent++;
      slot = -1;
      if (sent < window) continue;
    }
    struct pollfd waiting = {.fd = fd, .events = POLLIN};
    ssize_t size = recv(fd, message, sizeof message, MSG_DONTWAIT);
    if (size < 0 && errno == EAGAIN) {
      errno = ETIMEDOUT;
      if (poll(&waiting, 1, LOST_MS) == 0) die("a reply");
      continue;
    }
    if (size < 12) die("recv");
    int id = message[0] << 8 | message[1];
    if (id >= window || (message[3] & 15) != 0 || (message[6] << 8 | message[7]) == 0) wrong++;
    times[answered++] = (now() - sent_at[id % window]) / 1000;
    if (sent < queries) slot = id % window;
  }
  uint64_t nanoseconds = now() - started;
  qsort(times, queries, sizeof *times, by_size);
  if (wrong > 0) {
    fprintf(stderr, "load: %d of %d replies have no address\n", wrong, queries);
    return 1;
  }
  printf("%.1f %u %u\n", queries * 1e9 / nanoseconds, times[queries / 2], times[queries - 1 - queries / 100]);
  return 0;
}

int main(int argc, char **argv) {
  if (argc == 3 && strcmp(argv[1], "serve") == 0) serve(atoi(argv[2]));
  if (argc == 6 && strcmp(argv[1], "connect") == 0)
    return connect_many(argv[2], atoi(argv[3]), atoi(argv[4]), atoi(argv[5]));
  if (argc > 5 && strcmp(argv[1], "dns") == 0)
    return ask(argv[2], atoi(argv[3]), atoi(argv[4]), argv + 5, argc - 5);
  fprintf(stderr, "usage: see load.c\n");
  return 2;
}
