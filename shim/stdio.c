/* The process's stdin, stdout and stderr: real pipes, or a terminal whose master the runtime sends over a socket. */
#define _GNU_SOURCE
#include "shim.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

#define STDIN_LIMIT CHUNK
#define PIPE_SIZE (256 * 1024) /* fewer turns of the loop for a busy writer; the kernel fills it with pages only when used */

static int console_listen(struct shim *s) {
  struct sockaddr_un a = {.sun_family = AF_UNIX, .sun_path = "console.sock"};
  unlink(a.sun_path);
  s->console_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (s->console_fd < 0) return -1;
  if (bind(s->console_fd, (struct sockaddr *)&a, sizeof a) != 0) return -1;
  return listen(s->console_fd, 4);
}

/* Pipes and not socket pairs: a process may open /dev/stdout, which a socket refuses with ENXIO. */
int stdio_open(struct shim *s) {
  if (s->opt.tty) return console_listen(s);
  int p[2];
  if (s->opt.open_stdin) {
    if (pipe2(p, O_CLOEXEC) != 0) return -1;
    s->child_fd[0] = p[0];
    s->stdin_fd = p[1];
    nonblocking(p[1]);
  }
  for (int i = 0; i < 2; i++) {
    if (pipe2(p, O_CLOEXEC) != 0) return -1;
    fcntl(p[0], F_SETPIPE_SZ, PIPE_SIZE);
    s->out_fd[i] = p[0];
    s->child_fd[i + 1] = p[1];
    nonblocking(p[0]);
  }
  return 0;
}

void stdio_close_child(struct shim *s) {
  for (int i = 0; i < 3; i++) close_fd(&s->child_fd[i]);
}

/* Takes the pty master that the runtime has sent; call it after the runtime ended well. */
int console_receive(struct shim *s) {
  if (!s->opt.tty) return 0;
  struct pollfd p = {.fd = s->console_fd, .events = POLLIN};
  int master = -1;
  if (poll(&p, 1, 2000) == 1) {
    int c = accept4(s->console_fd, NULL, NULL, SOCK_CLOEXEC);
    p.fd = c;
    if (c >= 0 && poll(&p, 1, 2000) == 1) {
      char name[256], control[CMSG_SPACE(sizeof(int))];
      struct iovec v = {.iov_base = name, .iov_len = sizeof name};
      struct msghdr m = {.msg_iov = &v, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
      if (recvmsg(c, &m, MSG_CMSG_CLOEXEC) >= 0) {
        struct cmsghdr *h = CMSG_FIRSTHDR(&m);
        if (h != NULL && h->cmsg_level == SOL_SOCKET && h->cmsg_type == SCM_RIGHTS) memcpy(&master, CMSG_DATA(h), sizeof master);
      }
    }
    if (c >= 0) close(c);
  }
  close_fd(&s->console_fd);
  unlink("console.sock");
  if (master < 0) return -1;
  nonblocking(master);
  s->out_fd[0] = master;
  if (s->opt.open_stdin) s->stdin_fd = fcntl(master, F_DUPFD_CLOEXEC, 3);
  if (s->opt.rows > 0 && s->opt.columns > 0) console_resize(s, s->opt.rows, s->opt.columns);
  return 0;
}

void console_resize(struct shim *s, int rows, int columns) {
  struct winsize w = {.ws_row = (unsigned short)rows, .ws_col = (unsigned short)columns};
  s->opt.rows = rows; /* for an exec resized before its terminal exists */
  s->opt.columns = columns;
  if (s->opt.tty && s->out_fd[0] >= 0) ioctl(s->out_fd[0], TIOCSWINSZ, &w);
}

size_t stdin_room(const struct shim *s) {
  return s->stdin_fd < 0 || s->stdin_eof ? CHUNK : STDIN_LIMIT - s->stdin_len; /* without a reader it is thrown away */
}

/* At most stdin_room() bytes. */
void stdin_accept(struct shim *s, const char *data, size_t n) {
  if (s->stdin_fd < 0 || s->stdin_eof) return;
  if (s->stdin_buf == NULL && (s->stdin_buf = malloc(STDIN_LIMIT)) == NULL) return;
  if (s->stdin_head + s->stdin_len + n > STDIN_LIMIT) {
    memmove(s->stdin_buf, s->stdin_buf + s->stdin_head, s->stdin_len);
    s->stdin_head = 0;
  }
  memcpy(s->stdin_buf + s->stdin_head + s->stdin_len, data, n);
  s->stdin_len += n;
  stdin_flush(s);
}

void stdin_drop(struct shim *s) {
  close_fd(&s->stdin_fd);
  free(s->stdin_buf);
  s->stdin_buf = NULL;
  s->stdin_head = s->stdin_len = 0;
}

void stdin_flush(struct shim *s) {
  while (s->stdin_fd >= 0 && s->stdin_len > 0) {
    ssize_t n = write(s->stdin_fd, s->stdin_buf + s->stdin_head, s->stdin_len);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == EAGAIN) return;
    if (n < 0) {
      stdin_drop(s); /* EPIPE: the process closed its stdin */
      return;
    }
    s->stdin_head += (size_t)n;
    s->stdin_len -= (size_t)n;
  }
  s->stdin_head = 0;
  if (s->stdin_eof) stdin_drop(s);
}

void stdin_end(struct shim *s) {
  s->stdin_eof = true;
  stdin_flush(s);
}
