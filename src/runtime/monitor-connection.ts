import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import type { Duplex } from 'node:stream';

/** Frames of shim/PROTOCOL.md: one byte of type, four of length (big endian), payload. */
export interface Frame {
  type: string;
  payload: string;
}

const HEADER = 5;

/** Cuts a byte stream into frames. */
export class FrameReader {
  #rest: Buffer = Buffer.alloc(0);

  push(chunk: Buffer): Frame[] {
    let data = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    const frames: Frame[] = [];
    while (data.length >= HEADER) {
      const end = HEADER + data.readUInt32BE(1);
      if (data.length < end) break;
      frames.push({ type: String.fromCharCode(data[0]!), payload: data.toString('utf8', HEADER, end) });
      data = data.subarray(end);
    }
    this.#rest = data;
    return frames;
  }
}

export function encodeFrame(type: string, payload = ''): Buffer {
  const body = Buffer.from(payload);
  const frame = Buffer.alloc(HEADER + body.length);
  frame.write(type, 0, 'latin1');
  frame.writeUInt32BE(body.length, 1);
  body.copy(frame, HEADER);
  return frame;
}

/** Longest path in a unix socket address, sun_path without its NUL (unix(7)). */
const MAX_SOCKET_PATH = 107;

/**
 * Connects to the monitor's socket in `dir` and says what the connection is for. Resolves once the hello is in the socket:
 * from then on the monitor counts this client before any later START. Rejects with ENOENT or ECONNREFUSED when the monitor is gone.
 */
export function connectMonitor(dir: string, hello: Buffer): Promise<net.Socket> {
  let directory: number | null = null;
  let address = path.join(dir, 'shim.sock');
  if (Buffer.byteLength(address) > MAX_SOCKET_PATH) {
    directory = fs.openSync(dir, fs.constants.O_RDONLY | fs.constants.O_DIRECTORY);
    address = `/proc/self/fd/${directory}/shim.sock`;
  }
  return new Promise<net.Socket>((resolve, reject) => {
    const socket = net.connect({ path: address, allowHalfOpen: true });
    socket.once('error', reject);
    socket.once('connect', () => {
      socket.write(hello, (error) => {
        if (error) return; // 'error' follows
        socket.off('error', reject);
        resolve(socket);
      });
    });
  }).finally(() => {
    if (directory !== null) fs.closeSync(directory);
  });
}

/** The first `length` bytes of a stream that nobody reads yet; the rest stays in it. Rejects when it ends before. */
export async function readExactly(stream: Duplex, length: number): Promise<Buffer> {
  for (;;) {
    const bytes: Buffer | null = stream.read(length);
    if (bytes !== null && bytes.length === length) return bytes;
    if (bytes !== null || stream.destroyed || stream.readableEnded) throw new Error('the monitor ended its stream');
    await new Promise<void>((resolve) => {
      const events = ['readable', 'end', 'close'];
      const wake = () => {
        for (const event of events) stream.off(event, wake);
        resolve();
      };
      for (const event of events) stream.on(event, wake);
    });
  }
}
