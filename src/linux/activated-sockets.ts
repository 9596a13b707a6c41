import { check, declare } from './libc.ts';

const getsockopt = declare('int getsockopt(int fd, int level, int name, void *value, void *length)');
const fcntl = declare('int fcntl(int fd, int command, int argument)');

const SOL_SOCKET = 1;
const SO_DOMAIN = 39;
const AF_UNIX = 1;
const F_SETFD = 2;
const FD_CLOEXEC = 1;

/** sd_listen_fds(3): the first descriptor that a service manager passes. */
const FIRST = 3;

export interface ActivatedSocket {
  fd: number;
  /** A unix socket; otherwise one of a network. */
  local: boolean;
}

/**
 * The sockets that the service manager opened for this process (sd_listen_fds(3)), none when there are no such. Once taken, the
 * variables are gone and the descriptors are closed in what this process starts, so that nobody takes them for his own.
 * Throws SystemCallError for a descriptor that is no socket.
 */
export function takeActivatedSockets(): ActivatedSocket[] {
  const { LISTEN_PID, LISTEN_FDS } = process.env;
  for (const name of ['LISTEN_PID', 'LISTEN_FDS', 'LISTEN_FDNAMES']) delete process.env[name];
  if (LISTEN_PID !== String(process.pid) || !/^\d+$/.test(LISTEN_FDS ?? '')) return [];
  return Array.from({ length: Number(LISTEN_FDS) }, (_, index) => {
    const fd = FIRST + index;
    check(fcntl(fd, F_SETFD, FD_CLOEXEC), 'fcntl', `descriptor ${fd}`);
    const domain = Buffer.alloc(4);
    const length = Buffer.from([4, 0, 0, 0]);
    check(getsockopt(fd, SOL_SOCKET, SO_DOMAIN, domain, length), 'getsockopt', `descriptor ${fd}`);
    return { fd, local: domain.readInt32LE(0) === AF_UNIX };
  });
}
