import { closeSync } from 'node:fs';
import { check, declare } from './libc.ts';

const AF_UNIX = 1;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;
/** Of struct sockaddr_un: the family and 108 bytes of path. */
const MAX_PATH = 108;

const socket = declare('int socket(int domain, int type, int protocol)');
const sendto = declare(
  'long sendto(int fd, const void *buffer, size_t length, int flags, const void *address, unsigned int size)',
);

/**
 * Tells the service manager a state, e.g. "READY=1" (sd_notify(3)). `path`: the value of NOTIFY_SOCKET, where a leading "@"
 * names an abstract socket. Node has no unix datagram sockets. Throws SystemCallError.
 */
export function sdNotify(path: string, state: string): void {
  const name = Buffer.from(path.replace(/^@/, '\0'));
  if (name.length >= MAX_PATH) throw new RangeError(`NOTIFY_SOCKET is longer than ${MAX_PATH} bytes`);
  const address = Buffer.alloc(2 + name.length);
  address.writeUInt16LE(AF_UNIX, 0);
  name.copy(address, 2);
  const message = Buffer.from(state);
  const fd = check(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0), 'socket');
  try {
    check(sendto(fd, message, message.length, 0, address, address.length), 'sendto', path);
  } finally {
    closeSync(fd);
  }
}
