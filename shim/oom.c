/* Whether the kernel killed processes of the memory cgroup, and a word at the moment it does. */
#define _GNU_SOURCE
#include "shim.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* v1 memory.oom_control and v2 memory.events both hold a line "oom_kill N". */
static int64_t kills(struct shim *s) {
  char text[512];
  ssize_t n = s->oom_fd < 0 ? -1 : pread(s->oom_fd, text, sizeof text - 1, 0);
  if (n <= 0) return -1;
  text[n] = 0;
  const char *p = strstr(text, "oom_kill ");
  return p == NULL ? -1 : strtoll(p + 9, NULL, 10);
}

/* v1 announces through an eventfd registered in cgroup.event_control; v2 raises POLLPRI on memory.events itself. */
void oom_open(struct shim *s) {
  if (s->opt.oom_file == NULL) return;
  s->oom_fd = open(s->opt.oom_file, O_RDONLY | O_CLOEXEC);
  if (s->oom_fd < 0) return;
  int64_t n = kills(s);
  s->oom_last = n > 0 ? (uint64_t)n : 0;
  const char *slash = strrchr(s->opt.oom_file, '/');
  if (slash == NULL || strcmp(slash, "/memory.oom_control") != 0) return;
  char path[4200], text[32];
  snprintf(path, sizeof path, "%.*s/cgroup.event_control", (int)(slash - s->opt.oom_file), s->opt.oom_file);
  int control = open(path, O_WRONLY | O_CLOEXEC);
  if (control < 0) return;
  s->oom_event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  int length = snprintf(text, sizeof text, "%d %d", s->oom_event_fd, s->oom_fd);
  if (write(control, text, (size_t)length) != length) close_fd(&s->oom_event_fd);
  close(control);
}

bool oom_check(struct shim *s) {
  int64_t n = kills(s);
  if (n < 0 || (uint64_t)n <= s->oom_last) return false;
  s->oom_last = (uint64_t)n;
  s->oom_killed = true;
  return true;
}

/* v1's eventfd also fires when the cgroup is removed, and before the kill is counted: it only means "look again". */
bool oom_event(struct shim *s) {
  uint64_t count;
  if (s->oom_event_fd >= 0 && read(s->oom_event_fd, &count, sizeof count) != sizeof count) return false;
  return s->oom_event_fd >= 0 ? access(s->opt.oom_file, F_OK) == 0 : oom_check(s);
}
