import { once } from 'node:events';
import { closeSync } from 'node:fs';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { errnoOf, messageOf } from '../../api/errors.ts';
import { openListener, originalDestination } from '../../linux/port-socket.ts';
import type { NetworkLog } from '../log.ts';
import { ANY_IPV6, addressBytes } from './address.ts';

export interface RelayTarget {
  address: string;
  port: number;
}

/**
 * What the kernel cannot translate, for TCP: from IPv6 to a container that has only IPv4, and from [::1]. One listener of the daemon's
 * for all ports, to which the rules redirect; where a connection was sent to is asked of the kernel. Docker has a process for each
 * port instead. Such connections end with the daemon; new ones find the next daemon's listener.
 */
export class PortRelay {
  readonly #server: Server;
  readonly #connections = new Set<Socket>();
  /** By port, then by address of the host in hex. */
  readonly #targets = new Map<number, Map<string, RelayTarget>>();
  readonly #log: NetworkLog;
  readonly port: number;

  /** @throws SystemCallError where the host has no IPv6 */
  constructor(log: NetworkLog) {
    this.#log = log;
    const { fd, port } = openListener(addressBytes(ANY_IPV6));
    this.port = port;
    this.#server = createServer({ allowHalfOpen: true, pauseOnConnect: true }, (client) => this.#relay(client));
    this.#server.on('error', (error) => log.warn('the relay of published ports failed', { error: messageOf(error) }));
    try {
      this.#server.listen({ fd });
    } catch (error) {
      closeSync(fd);
      throw error;
    }
    this.#server.unref();
  }

  add(hostIp: string, hostPort: number, target: RelayTarget): void {
    const targets = this.#targets.get(hostPort) ?? new Map<string, RelayTarget>();
    targets.set(addressKey(hostIp), target);
    this.#targets.set(hostPort, targets);
  }

  /** Connections that are being relayed go on, as translated ones do. */
  remove(hostIp: string, hostPort: number): void {
    const targets = this.#targets.get(hostPort);
    targets?.delete(addressKey(hostIp));
    if (targets?.size === 0) this.#targets.delete(hostPort);
  }

  /** The ports that are relayed on any address. */
  ports(): number[] {
    return [...this.#targets.keys()];
  }

  async close(): Promise<void> {
    for (const connection of this.#connections) connection.destroy();
    this.#server.close();
    await once(this.#server, 'close');
  }

  #relay(client: Socket): void {
    const target = this.#targetOf(client);
    if (target === undefined) {
      client.destroy();
      return;
    }
    const server = connect({ host: target.address, port: target.port, allowHalfOpen: true });
    for (const [one, other] of [
      [client, server],
      [server, client],
    ] as const) {
      this.#connections.add(one);
      // What one side does, the other is told of: the end of its data, and a connection that broke.
      one.on('error', () => other.resetAndDestroy());
      one.on('close', () => {
        this.#connections.delete(one);
        if (!one.readableEnded) other.destroy();
      });
      one.setNoDelay(true);
      one.pipe(other);
    }
  }

  #targetOf(client: Socket): RelayTarget | undefined {
    try {
      const descriptor = (client as unknown as { _handle: { fd: number } })._handle.fd;
      const { address, port } = originalDestination(descriptor);
      const targets = this.#targets.get(port);
      return targets?.get(address.toString('hex')) ?? targets?.get(addressKey(ANY_IPV6));
    } catch (error) {
      // Somebody who connects to the relay's own port.
      if (errnoOf(error) !== 'ENOENT') this.#log.warn('cannot relay a connection', { error: messageOf(error) });
      return undefined;
    }
  }
}

function addressKey(address: string): string {
  return addressBytes(address).toString('hex');
}
