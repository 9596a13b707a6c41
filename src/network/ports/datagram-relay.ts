import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import type { RelayTarget } from './stream-relay.ts';

/** A sender that is silent for so long is forgotten, as docker-proxy does. */
const IDLE_MS = 90_000;
/** Senders at a time: whoever makes up addresses must not take all descriptors. The one that was silent the longest makes room. */
const MOST_SENDERS = 4096;

interface Session {
  /** To the container, and the sender there. */
  backend: Socket;
  target: RelayTarget;
  timer: NodeJS.Timeout;
}

/** Carries datagrams of clients to containers, and the answers back by the socket that they came to. */
export class DatagramRelay {
  /** By sender and socket, the one that was silent the longest first. */
  readonly #sessions = new Map<string, Session>();

  /** The session of a sender, if there is one. */
  knows(key: string): boolean {
    return this.#sessions.has(key);
  }

  /**
   * @param key names the sender, and what it has sent to
   * @param target of a new session; an old one keeps its own
   */
  relay(key: string, message: Buffer, from: RemoteInfo, by: Socket, target: () => RelayTarget | undefined): void {
    const session = this.#sessions.get(key) ?? this.#open(key, from, by, target());
    if (session === undefined) return;
    session.timer.refresh();
    this.#sessions.delete(key);
    this.#sessions.set(key, session);
    session.backend.send(message, session.target.port, session.target.address, () => {});
  }

  /** Ends the sessions with a container's port: its next datagrams are looked up anew. */
  forget(target: RelayTarget): void {
    for (const [key, session] of [...this.#sessions]) if (session.target === target) this.#end(key);
  }

  close(): void {
    for (const key of [...this.#sessions.keys()]) this.#end(key);
  }

  #open(key: string, from: RemoteInfo, by: Socket, target: RelayTarget | undefined): Session | undefined {
    if (target === undefined) return undefined;
    for (const [oldest] of this.#sessions) {
      if (this.#sessions.size < MOST_SENDERS) break;
      this.#end(oldest);
    }
    const backend = datagramSocket(target.address);
    const session = { backend, target, timer: setTimeout(() => this.#end(key), IDLE_MS).unref() };
    backend.on('error', () => {});
    backend.on('message', (answer, { address, port }) => {
      if (address !== target.address || port !== target.port) return;
      // The client's socket may be closed meanwhile, its port taken back.
      if (this.#sessions.get(key) !== session) return;
      session.timer.refresh();
      by.send(answer, from.port, from.address, () => {});
    });
    backend.unref();
    this.#sessions.set(key, session);
    return session;
  }

  #end(key: string): void {
    const session = this.#sessions.get(key);
    if (session === undefined) return;
    this.#sessions.delete(key);
    clearTimeout(session.timer);
    session.backend.close();
  }
}

/** For the family of an address. Addresses need no look-up, which would put off each datagram to another turn of the event loop. */
export function datagramSocket(address: string): Socket {
  const ipv6 = isIPv6(address);
  return createSocket({
    type: ipv6 ? 'udp6' : 'udp4',
    lookup: (host, _options, done) => done(null, host, ipv6 ? 6 : 4),
  });
}
