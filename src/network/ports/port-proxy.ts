import type { Socket as DatagramSocket } from 'node:dgram';
import { closeSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { networkInterfaces } from 'node:os';
import { errnoOf, messageOf } from '../../api/errors.ts';
import { openSocket } from '../../linux/port-socket.ts';
import type { NetworkLog } from '../log.ts';
import { addressBytes, isAny, isIpv6Address } from './address.ts';
import type { PublishedPort } from './contract.ts';
import { DatagramRelay, datagramSocket } from './datagram-relay.ts';
import { type RelayTarget, StreamRelay } from './stream-relay.ts';

/**
 * Published ports of an address family without rules (--iptables=false, --ip6tables=false): the daemon itself listens on each and carries
 * what comes to the container, as Docker has a process for each port do. Flows end with the daemon; the next one listens again.
 */
export class PortProxy {
  readonly #log: NetworkLog;
  readonly #streams = new StreamRelay();
  readonly #datagrams = new DatagramRelay();
  readonly #open = new Map<string, { target: RelayTarget; sockets: (Server | DatagramSocket)[] }>();

  constructor(log: NetworkLog) {
    this.#log = log;
  }

  /** Listens from now on. Throws SystemCallError, EADDRINUSE for one. */
  add(port: PublishedPort, target: RelayTarget): void {
    const { hostIp, hostPort } = port;
    const sockets: (Server | DatagramSocket)[] = [];
    const entry = { target, sockets };
    this.#open.set(keyOf(port), entry);
    try {
      if (port.protocol === 'tcp') sockets.push(this.#listen(hostIp, hostPort, target));
      else for (const address of bindAddresses(hostIp)) this.#receive(address, hostPort, entry);
    } catch (error) {
      this.remove(port);
      throw error;
    }
  }

  /** Connections that are being relayed go on. What is not there is no failure. */
  remove(port: PublishedPort): void {
    const entry = this.#open.get(keyOf(port));
    if (entry === undefined) return;
    this.#open.delete(keyOf(port));
    for (const socket of entry.sockets) socket.close();
    this.#datagrams.forget(entry.target);
  }

  close(): void {
    for (const { sockets } of this.#open.values()) for (const socket of sockets) socket.close();
    this.#open.clear();
    this.#streams.close();
    this.#datagrams.close();
  }

  #listen(hostIp: string, hostPort: number, target: RelayTarget): Server {
    const { fd } = openSocket(addressBytes(hostIp), 'tcp', hostPort);
    const server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (client) =>
      this.#streams.relay(client, target),
    );
    server.on('error', (error) => this.#failed(hostIp, hostPort, error));
    try {
      server.listen({ fd, exclusive: true });
    } catch (error) {
      closeSync(fd);
      throw error;
    }
    server.unref();
    return server;
  }

  #receive(address: string, hostPort: number, entry: { target: RelayTarget; sockets: unknown[] }): void {
    let fd: number;
    try {
      fd = openSocket(addressBytes(address), 'udp', hostPort).fd;
    } catch (error) {
      // An address that has gone meanwhile.
      if (errnoOf(error) === 'EADDRNOTAVAIL' && entry.sockets.length > 0) return;
      throw error;
    }
    const socket = datagramSocket(address);
    socket.on('error', (error) => this.#failed(address, hostPort, error));
    socket.on('message', (message, from) => {
      const key = `${address} ${hostPort} ${from.address} ${from.port}`;
      this.#datagrams.relay(key, message, from, socket, () => entry.target);
    });
    socket.bind({ fd, exclusive: true });
    socket.unref();
    entry.sockets.push(socket);
  }

  #failed(address: string, port: number, error: Error): void {
    this.#log.warn('a relayed port failed', { address, port, error: messageOf(error) });
  }
}

/**
 * Datagrams are answered from the address that they were sent to, so each of the host's has a socket; that of all addresses is there for
 * those that come later, where the kernel chooses.
 */
function bindAddresses(hostIp: string): string[] {
  if (!isAny(hostIp)) return [hostIp];
  const own = Object.values(networkInterfaces())
    .flatMap((list) => list ?? [])
    .filter(({ address, scopeid }) => isIpv6Address(address) === isIpv6Address(hostIp) && !scopeid)
    .map(({ address }) => address);
  return [hostIp, ...new Set(own)];
}

function keyOf({ hostIp, protocol, hostPort }: PublishedPort): string {
  return `${hostIp} ${protocol} ${hostPort}`;
}
