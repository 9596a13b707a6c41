import { Transform, type TransformCallback } from 'node:stream';

/** Stream numbers of Docker's multiplexed output (Engine API, ContainerAttach, "Stream format"). */
export const STDOUT = 1;
export const STDERR = 2;

const HEADER = 8;

/** One frame: stream number, three zeros, length as 32 bits big endian, then the bytes. */
export function frame(stream: number, bytes: Uint8Array): Buffer {
  const framed = Buffer.allocUnsafe(HEADER + bytes.length);
  framed.writeUInt32BE(stream << 24, 0);
  framed.writeUInt32BE(bytes.length, 4);
  framed.set(bytes, HEADER);
  return framed;
}

/** Puts all bytes into frames of one stream. */
export class Framer extends Transform {
  readonly #stream: number;

  constructor(stream: number) {
    super();
    this.#stream = stream;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    done(null, frame(this.#stream, chunk));
  }
}

/** Takes the frames' headers away: stdout and stderr in the order they came. Chunks may be cut anywhere. */
export class Unframer extends Transform {
  readonly #header = Buffer.alloc(HEADER);
  #headerLength = 0;
  /** Bytes that the current frame still has. */
  #left = 0;

  override _transform(chunk: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#left > 0) {
        const end = Math.min(at + this.#left, chunk.length);
        this.push(chunk.subarray(at, end));
        this.#left -= end - at;
        at = end;
        continue;
      }
      const copied = chunk.copy(this.#header, this.#headerLength, at, at + HEADER - this.#headerLength);
      this.#headerLength += copied;
      at += copied;
      if (this.#headerLength === HEADER) {
        this.#left = this.#header.readUInt32BE(4);
        this.#headerLength = 0;
      }
    }
    done();
  }
}
