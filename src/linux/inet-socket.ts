import { closeSync } from 'node:fs';
import { constants } from 'node:os';
import { check, declare, errno } from './libc.ts';

// socket(2), ip(7), ipv6(7)
const AF_INET = 2;
const AF_INET6 = 10;
const TYPES = { udp: 2, tcp: 1 };
const SOCK_NONBLOCK = 0o4000;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const SO_RCVBUFFORCE = 33;
const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;
const { EINPROGRESS } = constants.errno;

const socket = declare('int socket(int domain, int type, int protocol)');
const setsockopt = declare('int setsockopt(int fd, int level, int name, const void *value, uint32_t length)');
const bind = declare('int bind(int fd, const void *address, uint32_t length)');
const connect = declare('int connect(int fd, const void *address, uint32_t length)');
const getsockname = declare('int getsockname(int fd, void *address, void *length)');
const send = declare('long send(int fd, const void *data, size_t length, int flags)');

export interface InetAddress {
  /** 4 or 16 bytes. */
  bytes: Uint8Array;
  port: number;
  /** Index of the interface of a link-local IPv6 address, 0 for none. */
  scope?: number;
}

/**
 * A socket bound to an address of the calling thread's present network namespace, to which it belongs from then on: close-on-exec, not blocking,
 * not yet listening. Port 0 takes a free one. Node's own sockets cannot be had at a given moment: some of their steps wait for the next turn
 * of the event loop, when the thread is elsewhere.
 * @returns the descriptor, the caller's to close, and the port
 * @throws SystemCallError, e.g. EADDRINUSE
 */
export function bindInet(kind: keyof typeof TYPES, address: InetAddress): { fd: number; port: number } {
  return prepared(kind, address, (fd, name) => {
    // TCP: not to be kept from a port by the last connections of the socket before. UDP: shares it with a wildcard that does the same.
    check(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, Buffer.from([1, 0, 0, 0]), 4), 'setsockopt', 'SO_REUSEADDR');
    // For bursts of datagrams; the default of 208 KB is some 270 of them. Only with CAP_NET_ADMIN, and no more than a comfort.
    if (kind === 'udp') setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, Buffer.from([0, 0, 16, 0]), 4);
    check(bind(fd, name, name.length), 'bind', `port ${address.port}`);
    const length = Buffer.from([name.length, 0, 0, 0]);
    check(getsockname(fd, name, length), 'getsockname');
    return { fd, port: name.readUInt16BE(2) };
  });
}

/**
 * A socket connected to an address from within the present network namespace, likewise. TCP's handshake goes on behind: its outcome shows
 * at the first write or read.
 * @throws SystemCallError, e.g. ENETUNREACH
 */
export function connectInet(kind: keyof typeof TYPES, address: InetAddress): number {
  return prepared(kind, address, (fd, name) => {
    const result = connect(fd, name, name.length);
    if (result === -1 && errno() !== EINPROGRESS) check(result, 'connect', `port ${address.port}`);
    return fd;
  });
}

/** Sends one datagram on a connected socket, at once. Throws SystemCallError. */
export function sendDatagram(fd: number, data: Uint8Array): void {
  check(send(fd, data, data.length, MSG_DONTWAIT | MSG_NOSIGNAL), 'send');
}

function prepared<T>(kind: keyof typeof TYPES, address: InetAddress, work: (fd: number, name: Buffer) => T): T {
  const name = socketAddress(address);
  const type = TYPES[kind] | SOCK_NONBLOCK | SOCK_CLOEXEC;
  const fd = check(socket(name.readUInt16LE(0), type, 0), 'socket', kind);
  try {
    return work(fd, name);
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/** struct sockaddr_in or sockaddr_in6. */
export function socketAddress({ bytes, port, scope = 0 }: InetAddress): Buffer {
  const ipv6 = bytes.length === 16;
  const name = Buffer.alloc(ipv6 ? 28 : 16);
  name.writeUInt16LE(ipv6 ? AF_INET6 : AF_INET, 0);
  name.writeUInt16BE(port, 2);
  name.set(bytes, ipv6 ? 8 : 4);
  if (ipv6) name.writeUInt32LE(scope, 24);
  return name;
}
