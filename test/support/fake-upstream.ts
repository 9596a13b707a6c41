import assert from 'node:assert/strict';
import { createSocket, type Socket as DatagramSocket } from 'node:dgram';
import { createServer, type Server } from 'node:net';
import { bindInet } from '../../src/linux/inet-socket.ts';
import { inNetworkNamespace } from '../../src/linux/namespace.ts';
import { addressBytes } from '../../src/network/dns/address.ts';
import { FrameReader, frame } from '../../src/network/dns/frames.ts';
import { makeReply, parseQuery, type Query, RCODE, TYPE, withId } from '../../src/network/dns/message.ts';

/** A name server on an address of a namespace ("" for this one). */
export class FakeUpstream {
  /** "udp ok.example 203.0.113.2": transport, name, address of the client. */
  readonly seen: string[] = [];
  /** Held back until released. */
  readonly #held: (() => void)[] = [];
  readonly #udp: DatagramSocket;
  readonly #tcp: Server;

  constructor(namespace: string, address: string, handle: (query: Query) => Promise<Buffer[]> | Buffer[]) {
    const open = () =>
      (['udp', 'tcp'] as const).map((kind) => bindInet(kind, { bytes: addressBytes(address)!, port: 53 }).fd);
    const [udp, tcp] = namespace === '' ? open() : inNetworkNamespace(namespace, open);
    const reply = async (transport: string, from: string, bytes: Buffer): Promise<Buffer[]> => {
      const parsed = parseQuery(bytes);
      assert.ok(parsed !== undefined && 'query' in parsed);
      this.seen.push(`${transport} ${parsed.query.name} ${from}`);
      if (parsed.query.name.startsWith('held')) await new Promise<void>((resolve) => this.#held.push(resolve));
      return handle(parsed.query);
    };
    this.#udp = createSocket('udp4').bind({ fd: udp!, exclusive: true });
    this.#udp.on('message', async (bytes, { address: from, port }) => {
      for (const answer of await reply('udp', from, bytes)) this.#udp.send(answer, port, from);
    });
    this.#tcp = createServer((client) => {
      const reader = new FrameReader();
      client.on('error', () => {});
      client.on('data', async (chunk: Buffer) => {
        for (const message of reader.push(chunk)) {
          for (const answer of await reply('tcp', client.remoteAddress!, message)) client.write(frame(answer));
        }
      });
    }).listen({ fd: tcp! });
  }

  take(): string[] {
    return this.seen.splice(0);
  }

  /** Lets go of what is held, once there are so many. */
  async release(count: number): Promise<void> {
    while (this.#held.length < count) await new Promise((resolve) => setImmediate(resolve));
    for (const go of this.#held.splice(0)) go();
  }

  close(): void {
    this.#udp.close();
    this.#tcp.close();
  }
}

/** A server that knows all names, its own number in their addresses, but for those that begin with a word of what goes wrong. */
export function knowing(last: number, { troubled = false } = {}): (query: Query) => Buffer[] {
  const address = (index: number) => ({ type: TYPE.A, ttl: 30, data: Uint8Array.of(192, 0, index, last) });
  return (query) => {
    const [word = ''] = query.name.split('.');
    if (troubled && word === 'mute') return [];
    if (troubled && word === 'fail') return [makeReply(query, 0xffff, [], RCODE.serverFailure)];
    if (word === 'nx') return [makeReply(query, 0xffff, [], 3)];
    const right = makeReply(
      query,
      0xffff,
      Array.from({ length: word === 'big' ? 100 : 1 }, (_, index) => address(index)),
    );
    // One that guesses the id comes first.
    return word === 'forged' ? [withId(makeReply(query, 512, [address(66)]), query.id ^ 1), right] : [right];
  };
}
