/**
 * The record of a layer's tar: everything of the archive that the unpacked files do not hold (headers, padding, order), so that
 * the archive can be put together again byte for byte, as its digest demands. It is a zstd stream of three kinds of parts:
 *
 *   1 raw    u32 length, bytes
 *   2 file   u16 length of path, path, u48 offset, u48 length: content of the next file, to be read from the layer
 *   3 piece  u48 offset, u48 length: more content of the same file (sparse files)
 *
 * Files that a later member of the same archive replaced lie in `replaced/`; the layer's `moved` list tells which.
 */
import { createReadStream } from 'node:fs';
import type { Writable } from 'node:stream';
import { createZstdDecompress } from 'node:zlib';

const RAW = 1;
const FILE = 2;
const PIECE = 3;
const FLUSH_AT = 256 << 10;

export class RecordWriter {
  readonly #out: Writable;
  #buffer = Buffer.allocUnsafe(FLUSH_AT);
  #fill = 0;
  /** Where the length of the raw part being written stands, or -1. */
  #rawAt = -1;
  #path: Buffer | null = null;
  #offset = 0;
  #length = 0;
  #started = false;
  /** Bytes of the archive recorded so far. */
  total = 0;

  constructor(out: Writable) {
    this.#out = out;
  }

  /** Whether the output wants a pause; see Writable.write. */
  get full(): boolean {
    return this.#out.writableNeedDrain;
  }

  #room(bytes: number): void {
    if (this.#fill + bytes <= this.#buffer.length) return;
    if (this.#fill > 0) this.#out.write(this.#buffer.subarray(0, this.#fill));
    this.#buffer = Buffer.allocUnsafe(Math.max(FLUSH_AT, bytes));
    this.#fill = 0;
    this.#rawAt = -1;
  }

  raw(bytes: Buffer): void {
    if (bytes.length === 0) return;
    this.#endPiece();
    this.total += bytes.length;
    if (this.#rawAt < 0 || this.#fill + bytes.length > this.#buffer.length) {
      this.#room(bytes.length + 5);
      this.#buffer[this.#fill] = RAW;
      this.#rawAt = this.#fill + 1;
      this.#buffer.writeUInt32LE(0, this.#rawAt);
      this.#fill += 5;
    }
    bytes.copy(this.#buffer, this.#fill);
    this.#fill += bytes.length;
    this.#buffer.writeUInt32LE(this.#buffer.readUInt32LE(this.#rawAt) + bytes.length, this.#rawAt);
  }

  /** Content of a file comes next; the file's number is the count of calls before. */
  file(path: string): void {
    this.#path = Buffer.from(path, 'latin1');
    this.#started = false;
    this.#length = 0;
  }

  content(offset: number, length: number): void {
    this.total += length;
    if (this.#length > 0 && offset === this.#offset + this.#length) {
      this.#length += length;
      return;
    }
    this.#endPiece();
    this.#offset = offset;
    this.#length = length;
  }

  #endPiece(): void {
    if (this.#length === 0) return;
    const path = this.#path!;
    this.#room(path.length + 15);
    if (this.#started) {
      this.#buffer[this.#fill++] = PIECE;
    } else {
      this.#buffer[this.#fill++] = FILE;
      this.#buffer.writeUInt16LE(path.length, this.#fill);
      path.copy(this.#buffer, this.#fill + 2);
      this.#fill += 2 + path.length;
      this.#started = true;
    }
    this.#buffer.writeUIntLE(this.#offset, this.#fill, 6);
    this.#buffer.writeUIntLE(this.#length, this.#fill + 6, 6);
    this.#fill += 12;
    this.#length = 0;
    this.#rawAt = -1;
  }

  /** Ends a file that turned out to have no content on disk. */
  end(): void {
    this.#endPiece();
    if (this.#fill > 0) this.#out.write(this.#buffer.subarray(0, this.#fill));
    this.#fill = 0;
    this.#rawAt = -1;
    this.#out.end();
  }
}

export type RecordPart =
  | { kind: 'raw'; bytes: Buffer }
  | { kind: 'content'; file: number; path: string; offset: number; length: number };

/** Reads a record. Throws when it is damaged. */
export async function* readRecord(path: string): AsyncGenerator<RecordPart> {
  let pending: Buffer = Buffer.alloc(0);
  let file = -1;
  let name = '';
  const source = createReadStream(path, { highWaterMark: 64 << 10 });
  const stream = createZstdDecompress({ chunkSize: 256 << 10 });
  source.on('error', (error) => stream.destroy(error));
  source.pipe(stream);
  try {
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk]);
      let at = 0;
      for (;;) {
        const left = pending.length - at;
        if (left < 5) break;
        const kind = pending[at];
        if (kind === RAW) {
          const length = pending.readUInt32LE(at + 1);
          if (left < 5 + length) break;
          yield { kind: 'raw', bytes: pending.subarray(at + 5, at + 5 + length) };
          at += 5 + length;
        } else if (kind === FILE || kind === PIECE) {
          const pathLength = kind === FILE ? pending.readUInt16LE(at + 1) : 0;
          const start = kind === FILE ? at + 3 + pathLength : at + 1;
          if (pending.length < start + 12) break;
          if (kind === FILE) {
            file++;
            name = pending.toString('latin1', at + 3, start);
          }
          yield {
            kind: 'content',
            file,
            path: name,
            offset: pending.readUIntLE(start, 6),
            length: pending.readUIntLE(start + 6, 6),
          };
          at = start + 12;
        } else {
          throw new Error(`damaged layer record ${path}`);
        }
      }
      pending = pending.subarray(at);
    }
    if (pending.length > 0) throw new Error(`damaged layer record ${path}`);
  } finally {
    source.destroy();
    stream.destroy();
  }
}
