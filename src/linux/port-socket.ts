/** Sockets on ports of the host: those that only hold one, so that nobody else gets it, and those that a relay serves. */
import { closeSync } from 'node:fs';
import { addressOf, check, declare } from './libc.ts';

const socket = declare('int socket(int domain, int type, int protocol)');
const setsockopt = declare('int setsockopt(int fd, int level, int name, const void *value, uint32_t length)');
const getsockopt = declare('int getsockopt(int fd, int level, int name, void *value, void *length)');
const bind = declare('int bind(int fd, const void *address, uint32_t length)');
const getsockname = declare('int getsockname(int fd, void *address, void *length)');
const listen = declare('int listen(int fd, int backlog)');

const AF_INET = 2;
const AF_INET6 = 10;
const SOCK_STREAM = 1;
const SOCK_DGRAM = 2;
const SOCK_CLOEXEC = 0o2000000;
const SOL_SOCKET = 1;
const SO_REUSEADDR = 2;
const SO_ATTACH_FILTER = 26;
const IPPROTO_IPV6 = 41;
const IPV6_V6ONLY = 26;
const IP6T_SO_ORIGINAL_DST = 80;

const BACKLOG = 511;

/** Protocol numbers of IANA. */
export const PROTOCOL_NUMBERS = { tcp: 6, udp: 17, sctp: 132 } as const;
export type PortProtocol = keyof typeof PROTOCOL_NUMBERS;

const ON = Buffer.from([1, 0, 0, 0]);
/** A socket filter (classic BPF) of one instruction: return 0, which drops every packet. */
const DROP_ALL = Buffer.from([0x06, 0, 0, 0, 0, 0, 0, 0]);

/**
 * Binds a socket to a port of the host and returns its descriptor; closing it gives the port back.
 * @param address 4 bytes for IPv4, 16 for IPv6
 * @param keep false when it is closed at once: what comes meanwhile need not be kept silent about, which is half the cost
 * @throws SystemCallError EADDRINUSE when somebody has it, EADDRNOTAVAIL for an address that is not the host's
 */
export function holdPort(address: Uint8Array, port: number, protocol: PortProtocol, keep = true): number {
  const fd = open(address, protocol);
  try {
    // Old connections of a server that has ended are no conflict; a server that listens is one, which only listen(2) finds out.
    if (protocol === 'tcp') check(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, ON, 4), 'setsockopt', 'SO_REUSEADDR');
    if (keep) dropAll(fd);
    const name = socketAddress(address, port);
    check(bind(fd, name, name.length), 'bind', protocol);
    if (protocol !== 'udp') check(listen(fd, 0), 'listen', protocol);
    return fd;
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

/**
 * Opens a TCP listener or a UDP socket that others of the same kind may share the port with on more exact addresses.
 * @param port 0 for one of the kernel's choice
 * @returns the descriptor, the caller's to close, and the port
 * @throws SystemCallError as holdPort()
 */
export function openSocket(address: Uint8Array, protocol: 'tcp' | 'udp', port: number): { fd: number; port: number } {
  const fd = open(address, protocol);
  try {
    check(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, ON, 4), 'setsockopt', 'SO_REUSEADDR');
    const name = socketAddress(address, port);
    check(bind(fd, name, name.length), 'bind', protocol);
    if (protocol === 'tcp') check(listen(fd, BACKLOG), 'listen', protocol);
    const length = Buffer.from([name.length, 0, 0, 0]);
    check(getsockname(fd, name, length), 'getsockname', protocol);
    return { fd, port: name.readUInt16BE(2) };
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

function open(address: Uint8Array, protocol: PortProtocol): number {
  const ipv6 = address.length === 16;
  const type = protocol === 'udp' ? SOCK_DGRAM : SOCK_STREAM;
  const family = ipv6 ? AF_INET6 : AF_INET;
  const fd = check(socket(family, type | SOCK_CLOEXEC, PROTOCOL_NUMBERS[protocol]), 'socket', protocol);
  // Each family has its own sockets. Never fails on a new one.
  if (ipv6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, ON, 4);
  return fd;
}

/** What reaches such a socket came while the rules were not in place: it must not look to its sender as if somebody had taken it. */
function dropAll(fd: number): void {
  // struct sock_fprog: number of instructions, padding, pointer to them.
  const program = Buffer.alloc(16);
  program.writeUInt16LE(DROP_ALL.length / 8);
  program.writeBigUInt64LE(addressOf(DROP_ALL), 8);
  check(setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, program, program.length), 'setsockopt', 'SO_ATTACH_FILTER');
}

/** Where a connection that a rule redirected to this host was sent to at first. Throws SystemCallError ENOENT for one that was not. */
export function originalDestination(fd: number): { address: Buffer; port: number } {
  const name = Buffer.alloc(28);
  const length = Buffer.from([28, 0, 0, 0]);
  check(getsockopt(fd, IPPROTO_IPV6, IP6T_SO_ORIGINAL_DST, name, length), 'getsockopt', 'original destination');
  return { address: Buffer.from(name.subarray(8, 24)), port: name.readUInt16BE(2) };
}

/** struct sockaddr_in or sockaddr_in6. */
function socketAddress(address: Uint8Array, port: number): Buffer {
  const ipv6 = address.length === 16;
  const name = Buffer.alloc(ipv6 ? 28 : 16);
  name.writeUInt16LE(ipv6 ? AF_INET6 : AF_INET, 0);
  name.writeUInt16BE(port, 2);
  name.set(address, ipv6 ? 8 : 4);
  return name;
}
