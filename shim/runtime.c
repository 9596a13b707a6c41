/* Calls of the OCI runtime: create, start, exec, delete. The caller waits for s->runtime_pid in the poll loop. */
#define _GNU_SOURCE
#include "shim.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <unistd.h>

/* The shim must be the last to go when memory runs out; what it starts must not inherit that. */
static char inherited_oom_score_adj[16] = "";

void runtime_setup(void) {
  int fd = open("/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC);
  if (fd < 0) return;
  ssize_t n = read(fd, inherited_oom_score_adj, sizeof inherited_oom_score_adj - 1);
  inherited_oom_score_adj[n > 0 ? n : 0] = 0;
  /* -998 and not -1000, so that a shim gone wild can still be killed. Fails without CAP_SYS_RESOURCE: no harm. */
  if (write(fd, "-998", 4) != 4) inherited_oom_score_adj[0] = 0;
  close(fd);
}

void child_reset(void) {
  sigset_t none;
  sigemptyset(&none);
  for (int sig = 1; sig < 32; sig++) signal(sig, SIG_DFL);
  sigprocmask(SIG_SETMASK, &none, NULL);
  if (inherited_oom_score_adj[0] != 0) {
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd >= 0) {
      if (write(fd, inherited_oom_score_adj, strlen(inherited_oom_score_adj)) < 0) { /* stays as it is */ }
      close(fd);
    }
  }
}

/*
 * On a host with cgroup v1 and a v2 mount that holds controllers, crun and runc refuse `create`. In a mount namespace of its
 * own without that mount they see plain v1. Only /sys/fs/cgroup becomes private: were it `/`, the container's own mount
 * propagation would change.
 */
static void hide_unified(void) {
  if (unshare(CLONE_NEWNS) != 0) return;
  if (mount("", "/sys/fs/cgroup", NULL, MS_PRIVATE, NULL) == 0) umount2("/sys/fs/cgroup/unified", MNT_DETACH);
}

struct command {
  const char *argv[64];
  int argc;
};

static void add(struct command *c, const char *arg) {
  if (c->argc < 63) c->argv[c->argc++] = arg;
}

static void begin(struct shim *s, struct command *c, char *log_path, size_t size) {
  c->argc = 0;
  add(c, s->opt.runtime);
  for (int i = 0; i < s->opt.runtime_argc; i++) add(c, s->opt.runtime_args[i]);
  snprintf(log_path, size, "%s/runtime.log", s->opt.dir);
  add(c, "--log");
  add(c, log_path);
  add(c, "--log-format");
  add(c, "json");
}

/* With `fds`, the call's stdio is what the process will have; otherwise /dev/null and a memfd for its complaints. */
static int run(struct shim *s, struct command *c, const int *fds, bool hide) {
  c->argv[c->argc] = NULL;
  close_fd(&s->runtime_err);
  s->runtime_err = memfd_create("runtime-stderr", MFD_CLOEXEC);
  pid_t pid = fork();
  if (pid < 0) return -1;
  if (pid == 0) {
    child_reset();
    /* A call that outlives us would leave what nobody knows of; the process it made has no part in this. */
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (hide) hide_unified();
    int null = open("/dev/null", O_RDWR);
    int from[3] = {null, null, s->runtime_err >= 0 ? s->runtime_err : null};
    for (int i = 0; i < 3; i++) dup2(fds != NULL && fds[i] >= 0 ? fds[i] : from[i], i);
    if (null > 2) close(null);
    execv(s->opt.runtime, (char *const *)c->argv);
    dprintf(2, "exec %s: %s\n", s->opt.runtime, strerror(errno));
    _exit(127);
  }
  s->runtime_pid = pid;
  return 0;
}

/* The console socket is named through /proc: a path below s->opt.dir may exceed the 107 bytes of a socket address. */
static void add_console(struct shim *s, struct command *c, char *path, size_t size) {
  if (!s->opt.tty) return;
  snprintf(path, size, "/proc/%d/cwd/console.sock", (int)getpid());
  add(c, "--console-socket");
  add(c, path);
}

static void add_pid_file(struct shim *s, struct command *c, char *path, size_t size) {
  snprintf(path, size, "%s/pid", s->opt.dir);
  add(c, "--pid-file");
  add(c, path);
}

int runtime_create(struct shim *s) {
  struct command c;
  char log[4200], console[64], pid[4200];
  begin(s, &c, log, sizeof log);
  add(&c, "create");
  add(&c, "--bundle");
  add(&c, s->opt.bundle);
  add_pid_file(s, &c, pid, sizeof pid);
  add_console(s, &c, console, sizeof console);
  add(&c, s->opt.id);
  return run(s, &c, s->opt.tty ? NULL : s->child_fd, s->opt.hide_unified);
}

int runtime_start(struct shim *s) {
  struct command c;
  char log[4200];
  begin(s, &c, log, sizeof log);
  add(&c, "start");
  add(&c, s->opt.id);
  return run(s, &c, NULL, false);
}

int runtime_exec(struct shim *s) {
  struct command c;
  char log[4200], console[64], pid[4200];
  begin(s, &c, log, sizeof log);
  add(&c, "exec");
  add(&c, "--process");
  add(&c, s->opt.process);
  add_pid_file(s, &c, pid, sizeof pid);
  add_console(s, &c, console, sizeof console);
  add(&c, "--detach");
  add(&c, s->opt.id);
  return run(s, &c, s->opt.tty ? NULL : s->child_fd, false);
}

/* Without a log: the daemon looks there for the reason of a failure, and may have removed our directory. */
int runtime_delete(struct shim *s) {
  struct command c = {.argc = 0};
  add(&c, s->opt.runtime);
  for (int i = 0; i < s->opt.runtime_argc; i++) add(&c, s->opt.runtime_args[i]);
  add(&c, "delete");
  add(&c, "--force");
  add(&c, s->opt.id);
  return run(s, &c, NULL, false);
}

size_t runtime_error(struct shim *s, char *out, size_t size) {
  ssize_t n = s->runtime_err < 0 ? 0 : pread(s->runtime_err, out, size, 0);
  /* Without a terminal the runtime wrote to what would have been the process's stderr. */
  if (n <= 0 && s->out_fd[1] >= 0) n = read(s->out_fd[1], out, size);
  return n > 0 ? (size_t)n : 0;
}
