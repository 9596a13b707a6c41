/* Between an attached process and the standard streams. */
#include "launcher.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define PATIENCE 3 /* INT or TERM that change nothing, then the client gives up */

static const char *signal_name(unsigned number) {
  switch (number) {
    case SIGHUP: return "HUP";
    case SIGINT: return "INT";
    case SIGQUIT: return "QUIT";
    case SIGTERM: return "TERM";
    case SIGUSR1: return "USR1";
    case SIGUSR2: return "USR2";
    case SIGCONT: return "CONT";
    case SIGTSTP: return "TSTP";
    case SIGTTIN: return "TTIN";
    case SIGTTOU: return "TTOU";
    case SIGALRM: return "ALRM";
    case SIGPWR: return "PWR";
    default: return NULL;
  }
}

static void pass_signal(const struct session *s, int *urgent) {
  struct signalfd_siginfo info;
  if (read(s->signals, &info, sizeof info) != sizeof info) return;
  const char *name = signal_name(info.ssi_signo);
  if (name == NULL) return;
  if ((info.ssi_signo == SIGINT || info.ssi_signo == SIGTERM) && ++*urgent >= PATIENCE) {
    static const char enough[] = "\ngot 3 SIGTERM/SIGINTs, forcefully exiting\n";
    print(2, enough, sizeof enough - 1);
    _exit(1);
  }
  struct connection c = connection_on(open_engine(s->command->socket));
  if (c.fd < 0) return;
  struct text path = {0};
  add_string(&path, "/containers/");
  add_string(&path, s->container);
  add_string(&path, "/kill?signal=");
  add_string(&path, name);
  struct answer answer;
  if (send_request(&c, "POST", path.at, NULL, false)) read_head(&c, &answer);
  close(c.fd);
}

/* Writes every whole frame (Engine API, "Stream format": stream, 0 0 0, big-endian length) and as much of the last one as is there. */
static void demultiplex(struct connection *c, size_t *left, int *fd) {
  for (;;) {
    size_t have = c->end - c->start;
    const unsigned char *p = (const unsigned char *)c->buffer + c->start;
    if (*left == 0) {
      if (have < 8) break;
      *fd = p[0] == 2 ? 2 : 1;
      *left = (size_t)p[4] << 24 | (size_t)p[5] << 16 | (size_t)p[6] << 8 | p[7];
      c->start += 8;
      continue;
    }
    size_t n = have < *left ? have : *left;
    if (n == 0) break;
    print(*fd, (const char *)p, n);
    c->start += n;
    *left -= n;
  }
  /* Less than a header is left: moved to the front, so that the buffer does not grow. */
  if (c->start > 0) {
    memmove(c->buffer, c->buffer + c->start, c->end - c->start);
    c->end -= c->start;
    c->start = 0;
  }
}

char *relay(struct session *s) {
  static char input[65536];
  size_t input_from = 0, input_to = 0, left = 0;
  int to = 1, urgent = 0;
  bool reading = s->stream && s->command->interactive, streaming = s->stream != NULL;
  if (streaming) demultiplex(s->stream, &left, &to);
  char *result = s->wait ? body_so_far(s->wait, &s->wait_answer) : NULL;
  bool waiting = s->wait && result == NULL;
  while (streaming || waiting) {
    bool full = input_to > input_from;
    struct pollfd polls[] = {
      {streaming ? s->stream->fd : -1, (short)(POLLIN | (full ? POLLOUT : 0)), 0},
      {reading && streaming && !full ? 0 : -1, POLLIN, 0},
      {waiting ? s->wait->fd : -1, POLLIN, 0},
      {s->signals, POLLIN, 0},
    };
    if (poll(polls, 4, -1) < 0) continue;
    if (polls[3].revents) pass_signal(s, &urgent);
    if (polls[2].revents) {
      long n = fill(s->wait);
      result = body_so_far(s->wait, &s->wait_answer);
      waiting = result == NULL && n > 0;
    }
    if (polls[0].revents & (POLLIN | POLLHUP | POLLERR)) {
      if (fill(s->stream) > 0) demultiplex(s->stream, &left, &to);
      else streaming = false;
    }
    if (full && streaming && (polls[0].revents & POLLOUT)) {
      ssize_t n = send(s->stream->fd, input + input_from, input_to - input_from, MSG_DONTWAIT | MSG_NOSIGNAL);
      if (n > 0) input_from += (size_t)n;
    }
    if (polls[1].revents) {
      ssize_t n = read(0, input, sizeof input);
      input_from = 0;
      input_to = n > 0 ? (size_t)n : 0;
      if (n <= 0) {
        reading = false;
        shutdown(s->stream->fd, SHUT_WR);
      }
    }
  }
  return result;
}
