/* The life of the monitor: options, phases, the poll loop. */
#define _GNU_SOURCE
#include "shim.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define CONTROL_FD 3

static struct shim shim;

/* The daemon is told once a delete in progress is done: what it does next (another create) would meet what is left. */
static void fail(struct shim *s, const char *stage, const char *text, size_t n) {
  int length = snprintf(s->failure, sizeof s->failure, "%s\n%.*s", stage, (int)(n > 4096 ? 4096 : n), text);
  s->failure_length = (size_t)length;
  stdio_close_child(s);
  for (int i = 0; i < 2; i++) close_fd(&s->out_fd[i]);
  stdin_drop(s);
  s->phase = FAILING;
}

static void tell_failure(struct shim *s) {
  control_send(s, 'F', s->failure, s->failure_length);
  s->failure_length = 0;
  /* Attach clients stay until the daemon has read why: it may have a message for them. */
  s->deadline = monotonic_ns() + DRAIN_NS;
}

static void fail_errno(struct shim *s, const char *stage, const char *what) {
  char text[256];
  int n = snprintf(text, sizeof text, "%s: %s", what, strerror(errno));
  fail(s, stage, text, (size_t)n);
}

static void begin_delete(struct shim *s) {
  s->phase = DELETING;
  if (s->opt.kind == KIND_CONTAINER && runtime_delete(s) == 0) return;
  s->runtime_pid = 0;
}

static void linger(struct shim *s) {
  s->phase = LINGERING;
  s->deleted = true;
  unlink("shim.sock");
  clients_accept(s); /* who came too late gets an end, not a broken connection */
  close_fd(&s->listen_fd);
  clients_end_output(s);
  control_send(s, 'D', "", 0);
}

void command_abandon(struct shim *s) {
  if (s->ordered_start || s->phase > CREATED) return;
  s->abandoned = true;
  if (s->phase == CREATING && s->runtime_pid != 0) return; /* seen to when the runtime is done: see runtime_done */
  if (s->opt.kind == KIND_EXEC) linger(s);
  else begin_delete(s);
}

void command_start(struct shim *s) {
  if (s->phase != CREATED || s->ordered_start) return;
  clients_accept(s);
  s->ordered_start = true;
  s->phase = STARTING;
  s->asked_ns = realtime_ns();
  if (s->opt.kind == KIND_EXEC && stdio_open(s) != 0) fail_errno(s, "exec", "stdio");
  else if ((s->opt.kind == KIND_EXEC ? runtime_exec(s) : runtime_start(s)) != 0) fail_errno(s, "start", "fork");
  if (s->opt.kind == KIND_EXEC) stdio_close_child(s);
}

/* What a control client that comes later has missed. */
void report_state(struct shim *s, struct client *c) {
  char text[128];
  int n = snprintf(text, sizeof text, "%d %d %llu", (int)getpid(), (int)s->pid, (unsigned long long)s->created_ns);
  if (s->phase >= CREATED && s->created_ns != 0) control_send_one(c, 'C', text, (size_t)n);
  if (s->started_ns != 0) {
    n = snprintf(text, sizeof text, "%d %llu", (int)s->pid, (unsigned long long)s->started_ns);
    control_send_one(c, 'S', text, (size_t)n);
  }
  if (s->exit_known) {
    int code = WIFSIGNALED(s->status) ? 128 + WTERMSIG(s->status) : WEXITSTATUS(s->status);
    int sig = WIFSIGNALED(s->status) ? WTERMSIG(s->status) : 0;
    n = snprintf(text, sizeof text, "%d %d %d %llu", code, sig, s->oom_killed, (unsigned long long)s->finished_ns);
    control_send_one(c, 'E', text, (size_t)n);
  }
  if (s->deleted) control_send_one(c, 'D', "", 0);
  control_send_one(c, 'R', s->ordered_start ? "1" : "0", 1);
}

static void took_exit(struct shim *s, int status, uint64_t ns) {
  s->exited = true;
  s->status = status;
  s->finished_ns = ns;
}

/* The runtime has left the pid of its child, now ours (we are a subreaper), in the pid file. */
static int take_pid(struct shim *s) {
  char text[32] = "";
  int fd = open("pid", O_RDONLY | O_CLOEXEC);
  if (fd < 0) return -1;
  ssize_t n = read(fd, text, sizeof text - 1);
  close(fd);
  if (n <= 0 || (s->pid = atoi(text)) <= 0) return -1;
  for (int i = 0; i < s->early_count; i++)
    if (s->early[i].pid == s->pid) took_exit(s, s->early[i].status, s->early[i].ns);
  return 0;
}

static void send_created(struct shim *s) {
  char text[64];
  s->phase = CREATED;
  s->created_ns = realtime_ns();
  int n = snprintf(text, sizeof text, "%d %d %llu", (int)getpid(), (int)s->pid, (unsigned long long)s->created_ns);
  control_send(s, 'C', text, (size_t)n);
}

static void send_started(struct shim *s) {
  char text[64];
  s->phase = RUNNING;
  /* No later than the first output: clients ask for the log since the start. */
  s->started_ns = s->asked_ns;
  snprintf(text, sizeof text, "%d %llu\n", (int)getpid(), (unsigned long long)s->started_ns);
  write_file("started", text);
  int n = snprintf(text, sizeof text, "%d %llu", (int)s->pid, (unsigned long long)s->started_ns);
  control_send(s, 'S', text, (size_t)n);
}

static void runtime_done(struct shim *s, int status) {
  bool ok = WIFEXITED(status) && WEXITSTATUS(status) == 0;
  const char *stage = s->phase == CREATING ? "create" : s->opt.kind == KIND_EXEC ? "exec" : "start";
  s->runtime_pid = 0;
  if (s->phase >= DELETING) return; /* the main loop goes on from here, whatever came of it */
  bool makes = s->phase == CREATING || (s->phase == STARTING && s->opt.kind == KIND_EXEC);
  if (!ok) {
    char text[4096];
    size_t n = runtime_error(s, text, sizeof text);
    if (n == 0 && WIFSIGNALED(status)) n = (size_t)snprintf(text, sizeof text, "the runtime was killed by signal %d", WTERMSIG(status));
    /* One that fails in create cleans up after itself, unless it was killed. */
    if (s->opt.kind == KIND_CONTAINER && (s->phase == STARTING || WIFSIGNALED(status))) runtime_delete(s);
    fail(s, stage, text, n);
    return;
  }
  if (makes && (take_pid(s) != 0 || console_receive(s) != 0)) {
    if (s->opt.kind == KIND_CONTAINER) runtime_delete(s);
    fail_errno(s, stage, s->pid > 0 ? "no terminal from the runtime" : "no pid from the runtime");
    return;
  }
  close_fd(&s->runtime_err);
  if (s->phase == CREATING) {
    /* Whoever else is connected by now (a daemon that came after) did not ask for this and waits for its end. */
    if (s->abandoned) {
      s->phase = CREATED;
      command_abandon(s);
      return;
    }
    send_created(s);
    oom_open(s);
  } else {
    send_started(s);
  }
}

static void reap(struct shim *s) {
  struct signalfd_siginfo info;
  while (read(s->signal_fd, &info, sizeof info) == sizeof info) {
  }
  int status;
  pid_t pid;
  while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
    if (pid == s->runtime_pid) runtime_done(s, status);
    else if (pid == s->pid) took_exit(s, status, realtime_ns());
    else {
      log_reaped(s->log, pid);
      if (s->pid == 0 && s->early_count < 16) {
        s->early[s->early_count].pid = pid;
        s->early[s->early_count].status = status;
        s->early[s->early_count++].ns = realtime_ns();
      }
    }
  }
}

static void read_output(struct shim *s, int i) {
  static char buffer[HEADER + CHUNK];
  ssize_t n = read(s->out_fd[i], buffer + HEADER, CHUNK);
  if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
  if (n <= 0) { /* a terminal ends with EIO */
    close_fd(&s->out_fd[i]);
    if (s->opt.tty) stdin_drop(s);
    return;
  }
  if (s->log != NULL) {
    log_write(s->log, i + 1, buffer + HEADER, (size_t)n, realtime_ns());
    log_flush(s->log);
  }
  clients_output(s, i + 1, buffer + HEADER, (size_t)n);
}

static void finish(struct shim *s) {
  char text[128];
  for (int i = 0; i < 2; i++) close_fd(&s->out_fd[i]);
  stdin_drop(s);
  /* v1's eventfd fires before the kill and is told of by now; v2's POLLPRI may come after the exit. */
  if (oom_check(s) && s->oom_event_fd < 0) control_send(s, 'O', "", 0);
  close_fd(&s->oom_event_fd);
  close_fd(&s->oom_fd);
  if (s->log != NULL) log_finish(s->log);
  int code = WIFSIGNALED(s->status) ? 128 + WTERMSIG(s->status) : WEXITSTATUS(s->status);
  int sig = WIFSIGNALED(s->status) ? WTERMSIG(s->status) : 0;
  int n = snprintf(text, sizeof text, "%d %d %d %llu", code, sig, s->oom_killed, (unsigned long long)s->finished_ns);
  write_file("exit", text);
  s->exit_known = true;
  clients_end_output(s);
  control_send(s, 'E', text, (size_t)n);
  begin_delete(s);
}

/* Moves along the phases as far as what happened allows. */
static void advance(struct shim *s) {
  if ((s->phase == RUNNING || s->phase == CREATED) && s->exited) {
    s->phase = DRAINING;
    s->deadline = monotonic_ns() + DRAIN_NS;
  }
  if (s->phase == DRAINING && ((s->out_fd[0] < 0 && s->out_fd[1] < 0) || monotonic_ns() >= s->deadline)) finish(s);
  if (s->phase == DELETING && s->runtime_pid == 0) linger(s);
  if (s->phase == FAILING && s->runtime_pid == 0 && s->failure_length > 0) tell_failure(s);
  if (s->phase == FAILING && s->runtime_pid == 0 && (!clients_control(s) || monotonic_ns() >= s->deadline)) linger(s);
  if (s->phase == LINGERING && !clients_pending(s)) s->phase = DONE;
}

static int timeout_ms(const struct shim *s) {
  if (s->phase == DRAINING || (s->phase == FAILING && s->failure_length == 0)) {
    uint64_t now = monotonic_ns();
    return now >= s->deadline ? 0 : (int)((s->deadline - now) / 1000000) + 1;
  }
  return clients_blocked(s, s->phase == LINGERING ? 1 : QUEUE_LIMIT) ? 1000 : -1;
}

static void turn(struct shim *s) {
  static struct pollfd *fds;
  static int room;
  int count = 0, out_at[2] = {-1, -1}, stdin_at = -1, oom_at = -1;
  poll_add(&fds, &count, &room, s->signal_fd, POLLIN);
  poll_add(&fds, &count, &room, s->listen_fd, POLLIN);
  /* Before an exec is known to run, what is in its pipes may be the runtime's own complaint. */
  bool readable = s->phase != CREATING && !(s->phase == STARTING && s->opt.kind == KIND_EXEC);
  if (readable && !clients_blocked(s, s->phase == DRAINING ? 2 * QUEUE_LIMIT : QUEUE_LIMIT)) {
    for (int i = 0; i < 2; i++) {
      if (s->out_fd[i] < 0) continue;
      out_at[i] = count;
      poll_add(&fds, &count, &room, s->out_fd[i], POLLIN);
    }
  }
  if (s->stdin_fd >= 0 && s->stdin_len > 0) {
    stdin_at = count;
    poll_add(&fds, &count, &room, s->stdin_fd, POLLOUT);
  }
  if (s->phase == RUNNING && (s->oom_event_fd >= 0 || s->oom_fd >= 0)) {
    oom_at = count;
    if (s->oom_event_fd >= 0) poll_add(&fds, &count, &room, s->oom_event_fd, POLLIN);
    else poll_add(&fds, &count, &room, s->oom_fd, POLLPRI);
  }
  int clients_at = count;
  clients_poll(s, &fds, &count, &room);

  if (poll(fds, (nfds_t)count, timeout_ms(s)) < 0) {
    if (errno == EINTR) return;
    abort();
  }
  if (fds[1].revents != 0) clients_accept(s);
  if (oom_at >= 0 && fds[oom_at].revents != 0) {
    if (oom_event(s)) control_send(s, 'O', "", 0);
    else if (s->oom_event_fd < 0 && (fds[oom_at].revents & POLLPRI) == 0) close_fd(&s->oom_fd);
  }
  for (int i = 0; i < 2; i++)
    if (out_at[i] >= 0 && fds[out_at[i]].revents != 0) read_output(s, i);
  if (stdin_at >= 0 && fds[stdin_at].revents != 0) stdin_flush(s);
  clients_handle(s, fds + clients_at, count - clients_at);
  if (fds[0].revents != 0) reap(s);
  clients_stalled(s);
}

enum { O_KIND = 1, O_ID, O_DIR, O_RUNTIME, O_RUNTIME_ARG, O_BUNDLE, O_PROCESS, O_TTY, O_STDIN, O_STDIN_ONCE, O_SIZE, O_HIDE,
       O_LOG_FORMAT, O_LOG_PATH, O_LOG_SIZE, O_LOG_FILES, O_LOG_COMPRESS, O_LOG_ATTRS, O_LOG_BUFFER,
       O_OOM };

static const struct option long_options[] = {
    {"kind", 1, 0, O_KIND}, {"id", 1, 0, O_ID}, {"dir", 1, 0, O_DIR}, {"runtime", 1, 0, O_RUNTIME},
    {"runtime-arg", 1, 0, O_RUNTIME_ARG}, {"bundle", 1, 0, O_BUNDLE}, {"process", 1, 0, O_PROCESS}, {"tty", 0, 0, O_TTY},
    {"stdin", 0, 0, O_STDIN}, {"stdin-once", 0, 0, O_STDIN_ONCE}, {"size", 1, 0, O_SIZE}, {"hide-unified", 0, 0, O_HIDE},
    {"log-format", 1, 0, O_LOG_FORMAT}, {"log-path", 1, 0, O_LOG_PATH}, {"log-max-size", 1, 0, O_LOG_SIZE},
    {"log-max-files", 1, 0, O_LOG_FILES}, {"log-compress", 0, 0, O_LOG_COMPRESS}, {"log-attrs", 1, 0, O_LOG_ATTRS},
    {"log-buffer", 1, 0, O_LOG_BUFFER}, {"oom-file", 1, 0, O_OOM}, {0, 0, 0, 0}};

static int parse(struct options *o, int argc, char **argv) {
  int c;
  o->log_max_size = -1;
  o->log_max_files = 1;
  while ((c = getopt_long(argc, argv, "", long_options, NULL)) != -1) {
    switch (c) {
      case O_KIND: o->kind = strcmp(optarg, "exec") == 0 ? KIND_EXEC : KIND_CONTAINER; break;
      case O_ID: o->id = optarg; break;
      case O_DIR: o->dir = optarg; break;
      case O_RUNTIME: o->runtime = optarg; break;
      case O_RUNTIME_ARG:
        if (o->runtime_argc == 32) return -1;
        o->runtime_args[o->runtime_argc++] = optarg;
        break;
      case O_BUNDLE: o->bundle = optarg; break;
      case O_PROCESS: o->process = optarg; break;
      case O_TTY: o->tty = true; break;
      case O_STDIN: o->open_stdin = true; break;
      case O_STDIN_ONCE: o->stdin_once = true; break;
      case O_SIZE: if (sscanf(optarg, "%dx%d", &o->rows, &o->columns) != 2) return -1; break;
      case O_HIDE: o->hide_unified = true; break;
      case O_LOG_FORMAT: o->log_format = strcmp(optarg, "local") == 0 ? LOG_LOCAL : LOG_JSON_FILE; break;
      case O_LOG_PATH: o->log_path = optarg; break;
      case O_LOG_SIZE: o->log_max_size = strtoll(optarg, NULL, 10); break;
      case O_LOG_FILES: o->log_max_files = atoi(optarg); break;
      case O_LOG_COMPRESS: o->log_compress = true; break;
      case O_LOG_ATTRS: o->log_attrs = optarg; break;
      case O_LOG_BUFFER: o->log_buffer = strtoull(optarg, NULL, 10); break;
      case O_OOM: o->oom_file = optarg; break;
      default: return -1;
    }
  }
  if (o->id == NULL || o->dir == NULL || o->runtime == NULL) return -1;
  return (o->kind == KIND_EXEC ? o->process : o->bundle) == NULL ? -1 : 0;
}

static int setup(struct shim *s) {
  sigset_t chld;
  sigemptyset(&chld);
  sigaddset(&chld, SIGCHLD);
  sigprocmask(SIG_BLOCK, &chld, NULL);
  /* A service manager that stops the daemon may signal its whole group: containers outlive that. */
  const int ignored[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGPIPE, SIGUSR1, SIGUSR2};
  for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++) signal(ignored[i], SIG_IGN);
  syscall(SYS_close_range, CONTROL_FD + 1, ~0u, 0);
  fcntl(CONTROL_FD, F_SETFD, FD_CLOEXEC);
  nonblocking(CONTROL_FD);
  prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
  runtime_setup();
  if (chdir(s->opt.dir) != 0) return -1;
  s->signal_fd = signalfd(-1, &chld, SFD_CLOEXEC | SFD_NONBLOCK);
  return s->signal_fd < 0 ? -1 : clients_listen(s);
}

int main(int argc, char **argv) {
  struct shim *s = &shim;
  s->signal_fd = s->listen_fd = s->console_fd = s->stdin_fd = s->oom_fd = s->oom_event_fd = s->runtime_err = -1;
  for (int i = 0; i < 3; i++) s->child_fd[i] = -1;
  for (int i = 0; i < 2; i++) s->out_fd[i] = -1;
  if (parse(&s->opt, argc, argv) != 0) {
    dprintf(2, "gantry-shim is started by gantryd; see PROTOCOL.md\n");
    return 2;
  }
  if (fcntl(CONTROL_FD, F_GETFD) < 0) return 2;
  clients_add(s, CONTROL_FD, true);
  if (setup(s) != 0) fail_errno(s, "setup", s->opt.dir);
  else if (s->opt.log_path != NULL && (s->log = log_open(&s->opt)) == NULL) fail_errno(s, "setup", s->opt.log_path);
  else if (s->opt.kind == KIND_EXEC) send_created(s);
  else if (stdio_open(s) != 0) fail_errno(s, "setup", "stdio");
  else if (runtime_create(s) != 0) fail_errno(s, "setup", "fork");
  stdio_close_child(s);
  while (advance(s), s->phase != DONE) turn(s);
  log_wait(s->log);
  return 0;
}
