import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { closeSync } from 'node:fs';
import { Socket } from 'node:net';
import { networkInterfaces } from 'node:os';
import { connectInet, type InetAddress, sendDatagram } from '../../linux/inet-socket.ts';
import { inNetworkNamespace } from '../../linux/namespace.ts';
import { addressBytes } from './address.ts';
import { FrameReader, frame } from './frames.ts';
import { isReplyTo, type Query, withId } from './message.ts';

const PORT = 53;

export type Transport = 'udp' | 'tcp';

/** A server that knows the names that are not ours. */
export interface Upstream {
  /** An IP address, a link-local one with its zone. */
  address: string;
  /** Asked from the host's network namespace, not from the sandbox's: one on the host's loopback, for example. */
  fromHost: boolean;
}

export interface Question {
  transport: Transport;
  upstream: Upstream;
  /** Path of the sandbox's network namespace. */
  namespace: string;
  query: Query;
  /** Called once at most, with the reply under its own id or, when none can come any more, with undefined. */
  onEnd(reply: Buffer | undefined): void;
}

/**
 * Passes a query on, under an id and from a port of its own, so that nobody who does not see it can forge the reply (RFC 5452).
 * @returns gives the question up; without effect after its end
 * @throws SystemCallError, e.g. ENETUNREACH, when the server cannot be asked at all
 */
export function ask(question: Question): () => void {
  const { transport, upstream, namespace } = question;
  const address = addressOf(upstream);
  const open = (): number => connectInet(transport, address);
  const fd = upstream.fromHost ? open() : inNetworkNamespace(namespace, open);
  return transport === 'udp' ? askOverUdp(question, fd, address.bytes.length) : askOverTcp(question, fd);
}

function askOverUdp({ query, onEnd }: Question, fd: number, addressLength: number): () => void {
  const id = randomInt(0x10000);
  const socket = createSocket(addressLength === 4 ? 'udp4' : 'udp6');
  let ended = false;
  const end = (reply?: Buffer): void => {
    if (ended) return;
    ended = true;
    socket.close();
    onEnd(reply);
  };
  // An ICMP message that nobody listens there.
  socket.on('error', () => end());
  // What does not fit the query is a late or forged packet: the true one may still come.
  socket.on('message', (reply) => isReplyTo(query, id, reply) && end(reply));
  try {
    socket.bind({ fd, exclusive: true });
  } catch (error) {
    closeSync(fd);
    throw error;
  }
  try {
    sendDatagram(fd, withId(query.bytes, id));
  } catch (error) {
    ended = true;
    socket.close();
    throw error;
  }
  return () => {
    if (!ended) socket.close();
    ended = true;
  };
}

function askOverTcp({ query, onEnd }: Question, fd: number): () => void {
  const id = randomInt(0x10000);
  const socket = new Socket({ fd });
  const reader = new FrameReader();
  let ended = false;
  const end = (reply?: Buffer): void => {
    if (ended) return;
    ended = true;
    socket.destroy();
    onEnd(reply);
  };
  socket.on('error', () => end());
  socket.on('close', () => end());
  socket.on('data', (chunk: Buffer) => {
    const [reply] = reader.push(chunk);
    if (reply !== undefined) end(isReplyTo(query, id, reply) ? reply : undefined);
  });
  socket.write(frame(withId(query.bytes, id)));
  return () => {
    ended = true;
    socket.destroy();
  };
}

function addressOf({ address }: Upstream): InetAddress {
  const [, zone] = address.split('%');
  const bytes = addressBytes(address);
  if (bytes === undefined) throw new TypeError(`not an IP address: ${address}`);
  return { bytes, port: PORT, scope: zone === undefined ? 0 : scopeOf(zone) };
}

/** The index of an interface of the host; link-local servers come from its resolv.conf alone. */
function scopeOf(zone: string): number {
  if (/^\d+$/.test(zone)) return Number(zone);
  return networkInterfaces()[zone]?.find(({ scopeid }) => (scopeid ?? 0) !== 0)?.scopeid ?? 0;
}
