import { createSocket, type Socket as DatagramSocket } from 'node:dgram';
import { closeSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import type { DatagramBatch } from '../../linux/datagram-batch.ts';
import { bindInet, socketAddress } from '../../linux/inet-socket.ts';
import { SystemCallError } from '../../linux/libc.ts';
import { inNetworkNamespace } from '../../linux/namespace.ts';
import { rewritePorts, rewrittenPorts } from '../../linux/netlink/port-rewrite.ts';
import type { NetworkLog } from '../log.ts';
import { addressBytes } from './address.ts';
import { OWN_ADDRESS } from './forwarder.ts';
import { FrameReader, frame } from './frames.ts';
import type { Transport } from './upstream.ts';

const PORT = 53;
const TABLE = 'gantry_dns';
const ADDRESS = addressBytes(OWN_ADDRESS)!;
const MAX_CONNECTIONS = 64;
/** Longer than a question may take that is passed on. */
const IDLE_MS = 15_000;
/** Queries of one connection that wait for their replies, and bytes of replies that the client has not read. */
const MAX_OPEN = 64;
const MAX_UNREAD = 1 << 20;

/** Gets each message. `reply` is to be called once, at any time; undefined leaves the message unanswered. */
export type MessageHandler = (
  transport: Transport,
  message: Buffer,
  reply: (message: Buffer | undefined) => void,
) => void;

/** Descriptors of two bound sockets. */
interface Bound {
  udp: number;
  tcp: number;
}

/**
 * The two sockets of a sandbox, at 127.0.0.11, port 53, inside its network namespace. In truth they have ports of their own, and two nftables
 * rules there exchange the numbers, as in Docker: a name server in the container can listen on port 53 of all addresses. On a kernel
 * without nf_tables they take port 53 itself, and such a server finds it in use.
 */
export class Listener {
  readonly #udp: DatagramSocket;
  readonly #tcp: Server;
  readonly #handle: MessageHandler;
  /** Shared by all listeners: only one of them is at work at a time. */
  readonly #batch: DatagramBatch;
  /** Of the UDP socket; -1 once it is closed, when the number may be another's. */
  #fd: number;
  /** Replies are being collected. */
  #collecting = false;
  readonly #connections = new Set<Socket>();

  /**
   * Opens both at once: a query sent after this is answered.
   * @throws SystemCallError: EADDRINUSE when there can be no rules and the container has taken port 53 while no daemon ran
   */
  constructor(namespace: string, handle: MessageHandler, batch: DatagramBatch, log: NetworkLog) {
    const { udp, tcp } = inNetworkNamespace(namespace, bindSockets);
    this.#handle = handle;
    this.#batch = batch;
    this.#fd = udp;
    this.#udp = createSocket('udp4');
    this.#tcp = createServer({ allowHalfOpen: true });
    try {
      this.#udp.bind({ fd: udp, exclusive: true });
    } catch (error) {
      closeAll({ udp, tcp });
      throw error;
    }
    this.#tcp.listen({ fd: tcp, exclusive: true });
    this.#udp.on('message', (message, { port, address }) =>
      this.#collect(message, socketAddress({ bytes: addressBytes(address)!, port })),
    );
    for (const socket of [this.#udp, this.#tcp]) {
      socket.on('error', (error: Error) => log.warn('embedded DNS', { namespace, error: error.message }));
    }
    this.#tcp.maxConnections = MAX_CONNECTIONS;
    this.#tcp.on('connection', (connection: Socket) => {
      this.#connections.add(connection);
      connection.on('close', () => this.#connections.delete(connection));
      serve(connection, handle);
    });
  }

  close(): void {
    this.#fd = -1;
    this.#udp.close();
    this.#tcp.close();
    for (const connection of this.#connections) connection.destroy();
  }

  /** Node tells of one datagram; what waits behind it is answered together with it, by two system calls for 16 of them. */
  #collect(message: Buffer, from: Buffer): void {
    this.#collecting = true;
    try {
      this.#handleDatagram(message, from);
      if (this.#fd === -1) return;
      for (const { data, address } of this.#batch.receive(this.#fd)) this.#handleDatagram(data, address);
    } finally {
      this.#collecting = false;
      this.#batch.send(this.#fd);
    }
  }

  #handleDatagram(message: Buffer, from: Buffer): void {
    this.#handle('udp', message, (reply) => {
      if (this.#fd === -1 || reply === undefined) return;
      const datagram = { data: reply, address: from };
      if (!this.#batch.add(datagram)) {
        this.#batch.send(this.#fd);
        this.#batch.add(datagram);
      }
      if (!this.#collecting) this.#batch.send(this.#fd);
    });
  }
}

function bindSockets(): Bound {
  try {
    return bindBehindRules();
  } catch (error) {
    // No nf_tables in this kernel, or a table that belongs to somebody in the container.
    if (!(error instanceof SystemCallError)) throw error;
    return bindBoth(PORT, PORT).fds;
  }
}

function bindBehindRules(): Bound {
  // The daemon's predecessor left the rules: with its ports they need no change.
  const kept = rewrittenPorts(TABLE);
  if (kept !== undefined) {
    try {
      return bindBoth(kept.udp, kept.tcp).fds;
    } catch (error) {
      // Taken meanwhile.
      if (!(error instanceof SystemCallError)) throw error;
    }
  }
  const { fds, ports } = bindBoth(0, 0);
  try {
    rewritePorts(TABLE, { address: ADDRESS, port: PORT, ...ports });
    return fds;
  } catch (error) {
    closeAll(fds);
    throw error;
  }
}

function bindBoth(udpPort: number, tcpPort: number): { fds: Bound; ports: Bound } {
  const udp = bindInet('udp', { bytes: ADDRESS, port: udpPort });
  try {
    const tcp = bindInet('tcp', { bytes: ADDRESS, port: tcpPort });
    return { fds: { udp: udp.fd, tcp: tcp.fd }, ports: { udp: udp.port, tcp: tcp.port } };
  } catch (error) {
    closeSync(udp.fd);
    throw error;
  }
}

function closeAll({ udp, tcp }: Bound): void {
  closeSync(udp);
  closeSync(tcp);
}

/** One client over TCP: any number of queries, replies in the order in which they come (RFC 7766). */
function serve(connection: Socket, handle: MessageHandler): void {
  const reader = new FrameReader();
  let open = 0;
  let ended = false;
  connection.setTimeout(IDLE_MS, () => connection.destroy());
  // The client is gone, 'close' follows.
  connection.on('error', () => {});
  connection.on('data', (chunk: Buffer) => {
    for (const message of reader.push(chunk)) {
      open++;
      handle('tcp', message, (reply) => {
        open--;
        if (!connection.writable) return;
        if (reply !== undefined) connection.write(frame(reply));
        if (connection.writableLength > MAX_UNREAD) connection.destroy();
        else if (ended && open === 0) connection.end();
        else if (open < MAX_OPEN) connection.resume();
      });
    }
    if (open >= MAX_OPEN) connection.pause();
  });
  connection.on('end', () => {
    ended = true;
    if (open === 0) connection.end();
  });
}
