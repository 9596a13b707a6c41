import type { Socket as DatagramSocket, RemoteInfo } from 'node:dgram';
import { once } from 'node:events';
import { closeSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { networkInterfaces } from 'node:os';
import { errnoOf, messageOf } from '../../api/errors.ts';
import { originalOf } from '../../linux/netlink/conntrack.ts';
import { openSocket, originalDestination, PROTOCOL_NUMBERS } from '../../linux/port-socket.ts';
import type { NetworkLog } from '../log.ts';
import { ANY_IPV6, addressBytes } from './address.ts';
import type { PublishedPort } from './contract.ts';
import { DatagramRelay, datagramSocket } from './datagram-relay.ts';
import { type RelayTarget, StreamRelay } from './stream-relay.ts';

/** The kernel chooses a port that is free for TCP; the same must be free for UDP. */
const ATTEMPTS = 20;

/**
 * What the kernel cannot translate: TCP and UDP from IPv6 to a container that has only IPv4, and from [::1]. One listener and one socket
 * of the daemon's for all ports, to which the rules redirect; what the client had sent to is asked of the kernel. Docker has a process
 * for each port instead. Such flows end with the daemon; new ones find the next daemon's.
 */
export class PortRelay {
  readonly port: number;
  readonly #server: Server;
  readonly #streams = new StreamRelay();
  readonly #datagrams = new DatagramRelay();
  /** By the host's address that datagrams are redirected to, "::" for those that have no socket of their own yet. */
  readonly #sockets = new Map<string, DatagramSocket>();
  /** By protocol and port, then by address of the host in hex. */
  readonly #targets = new Map<string, Map<string, RelayTarget>>();
  readonly #log: NetworkLog;

  /** @throws SystemCallError where the host has no IPv6 */
  constructor(log: NetworkLog) {
    this.#log = log;
    const { tcp, udp, port } = openBoth();
    this.port = port;
    this.#server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (client) => {
      const target = this.#targetOf('tcp', () =>
        originalDestination((client as unknown as { _handle: { fd: number } })._handle.fd),
      );
      // Somebody who connects to the relay's own port.
      if (target === undefined) client.destroy();
      else this.#streams.relay(client as Socket, target);
    });
    this.#server.on('error', (error) => log.warn('the relay of published ports failed', { error: messageOf(error) }));
    try {
      this.#server.listen({ fd: tcp });
      this.#serveDatagrams(ANY_IPV6, udp);
    } catch (error) {
      closeSync(tcp);
      closeSync(udp);
      throw error;
    }
    this.#server.unref();
  }

  add({ hostIp, protocol, hostPort }: PublishedPort, target: RelayTarget): void {
    const key = `${protocol}/${hostPort}`;
    const targets = this.#targets.get(key) ?? new Map<string, RelayTarget>();
    targets.set(addressKey(hostIp), target);
    this.#targets.set(key, targets);
  }

  /** Connections that are being relayed go on, as translated ones do. */
  remove({ hostIp, protocol, hostPort }: PublishedPort): void {
    const key = `${protocol}/${hostPort}`;
    const targets = this.#targets.get(key);
    const target = targets?.get(addressKey(hostIp));
    if (targets === undefined || target === undefined) return;
    targets.delete(addressKey(hostIp));
    if (targets.size === 0) this.#targets.delete(key);
    if (protocol === 'udp') this.#datagrams.forget(target);
  }

  /** Whether a port is relayed on any address. */
  has({ protocol, hostPort }: Pick<PublishedPort, 'protocol' | 'hostPort'>): boolean {
    return this.#targets.has(`${protocol}/${hostPort}`);
  }

  async close(): Promise<void> {
    this.#streams.close();
    this.#datagrams.close();
    for (const socket of this.#sockets.values()) socket.close();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #serveDatagrams(address: string, fd: number): DatagramSocket {
    const socket = datagramSocket(address);
    socket.on('error', (error) => this.#log.warn('the relay of published ports failed', { error: messageOf(error) }));
    socket.on('message', (message, from) => {
      if (address === ANY_IPV6) this.#firstDatagram(message, from);
      else this.#datagram(address, message, from);
    });
    socket.bind({ fd, exclusive: true });
    socket.unref();
    this.#sockets.set(address, socket);
    return socket;
  }

  /** Which address of the host it was redirected to is not known; the answer must come from there. Later ones find a socket of that address. */
  #firstDatagram(message: Buffer, from: RemoteInfo): void {
    for (const address of hostAddresses()) {
      if (this.#sockets.has(address) || this.#originalOf(address, from) === undefined) continue;
      try {
        const { fd } = openSocket(addressBytes(address), 'udp', this.port);
        this.#serveDatagrams(address, fd);
        this.#datagram(address, message, from);
      } catch (error) {
        this.#log.warn('cannot relay a datagram', { error: messageOf(error) });
      }
      return;
    }
  }

  #datagram(address: string, message: Buffer, from: RemoteInfo): void {
    const socket = this.#sockets.get(address)!;
    const key = `${address} ${from.address} ${from.port}`;
    this.#datagrams.relay(key, message, from, socket, () =>
      this.#targetOf('udp', () => this.#originalOf(address, from)),
    );
  }

  #originalOf(address: string, from: RemoteInfo): { address: Buffer; port: number } | undefined {
    // A link-local sender is named with its interface, which the kernel's table does not know.
    if (from.address.includes('%')) return undefined;
    return originalOf({
      protocol: PROTOCOL_NUMBERS.udp,
      source: addressBytes(address),
      sourcePort: this.port,
      destination: addressBytes(from.address),
      destinationPort: from.port,
    });
  }

  #targetOf(
    protocol: 'tcp' | 'udp',
    ask: () => { address: Buffer; port: number } | undefined,
  ): RelayTarget | undefined {
    try {
      const original = ask();
      if (original === undefined) return undefined;
      const targets = this.#targets.get(`${protocol}/${original.port}`);
      return targets?.get(original.address.toString('hex')) ?? targets?.get(addressKey(ANY_IPV6));
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') this.#log.warn('cannot relay', { error: messageOf(error) });
      return undefined;
    }
  }
}

function openBoth(): { tcp: number; udp: number; port: number } {
  const any = addressBytes(ANY_IPV6);
  for (let attempt = 1; ; attempt++) {
    const { fd: tcp, port } = openSocket(any, 'tcp', 0);
    try {
      return { tcp, udp: openSocket(any, 'udp', port).fd, port };
    } catch (error) {
      closeSync(tcp);
      if (attempt === ATTEMPTS) throw error;
    }
  }
}

function hostAddresses(): string[] {
  return Object.values(networkInterfaces())
    .flatMap((list) => list ?? [])
    .filter(({ family, scopeid }) => family === 'IPv6' && scopeid === 0)
    .map(({ address }) => address);
}

function addressKey(address: string): string {
  return addressBytes(address).toString('hex');
}
