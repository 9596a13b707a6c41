import type { LogEntry } from './contract.ts';
import type { LogFormat } from './log-file.ts';

/** Bytes around each message: its length, big endian, before and after. */
const FRAME = 4;
/** Longer messages than this are damage, not messages: monitors split lines at 16 kB. */
const MAX_MESSAGE = 1024 * 1024;

/**
 * The form of Docker's "local" driver: each entry a protobuf message LogEntry {source=1 string, time_nano=2 int64,
 * line=3 bytes, partial=4 bool, partial_log_metadata=5 {last=1 bool, id=2 string, ordinal=3 int32}}, with its length in
 * front and behind so that it can be read from the end.
 */
export const localFormat: LogFormat = {
  decode(data) {
    const entries: LogEntry[] = [];
    let at = 0;
    while (at + FRAME <= data.length) {
      const length = data.readUInt32BE(at);
      const end = at + FRAME + length;
      if (length > MAX_MESSAGE || (end + FRAME <= data.length && data.readUInt32BE(end) !== length)) {
        // Torn by a killed monitor: look for the next place where both lengths agree.
        at++;
        continue;
      }
      if (end + FRAME > data.length) {
        // Either still being written, or torn with the next run's messages behind it.
        const next = wholeMessagesAfter(data, at + 1);
        if (next === null) break;
        at = next;
        continue;
      }
      const entry = parseMessage(data.subarray(at + FRAME, end));
      if (entry !== null) entries.push(entry);
      at = end + FRAME;
    }
    return { entries, consumed: at };
  },

  async startOfLast(read, size, count) {
    let end = size;
    let found = 0;
    // Whole blocks, walked by the trailing lengths; a block that begins within a message gives the rest to the next one.
    let block: Buffer = Buffer.alloc(0);
    let blockStart = size;
    while (end > 0 && found < count) {
      if (end - FRAME < blockStart) ({ block, blockStart } = await load(read, end, FRAME));
      const length = block.readUInt32BE(end - FRAME - blockStart);
      const start = end - 2 * FRAME - length;
      if (length > MAX_MESSAGE || start < 0) return { offset: end, count: found };
      if (start < blockStart) ({ block, blockStart } = await load(read, end, end - start));
      if (block.readUInt32BE(start - blockStart) !== length) return { offset: end, count: found };
      end = start;
      found++;
    }
    return { offset: end, count: found };
  },
};

/**
 * First offset from which whole messages reach exactly to the end of `data`, or null. Text that looks like a message
 * inside one that is still being written does not pass for one, as it would have to fill the rest.
 */
function wholeMessagesAfter(data: Buffer, from: number): number | null {
  for (let start = from; start + 2 * FRAME < data.length; start++) {
    let at = start;
    while (at + 2 * FRAME < data.length) {
      const length = data.readUInt32BE(at);
      const end = at + FRAME + length;
      if (length === 0 || end + FRAME > data.length || data.readUInt32BE(end) !== length) break;
      at = end + FRAME;
    }
    if (at === data.length) return start;
  }
  return null;
}

async function load(read: (offset: number, length: number) => Promise<Buffer>, end: number, least: number) {
  const blockStart = Math.max(0, end - Math.max(least, 64 * 1024));
  return { block: await read(blockStart, end - blockStart), blockStart };
}

function parseMessage(data: Buffer): LogEntry | null {
  const entry: LogEntry = { stream: 'stdout', timeNs: 0n, line: Buffer.alloc(0), partial: false, attrs: {} };
  const reader = new FieldReader(data);
  let lastPart = false;
  try {
    for (let field = reader.next(); field !== null; field = reader.next()) {
      if (field.number === 1) entry.stream = field.bytes.toString() === 'stderr' ? 'stderr' : 'stdout';
      else if (field.number === 2) entry.timeNs = BigInt.asIntN(64, field.value);
      else if (field.number === 3) entry.line = field.bytes;
      else if (field.number === 4) entry.partial = field.value !== 0n;
      else if (field.number === 5) {
        const inner = new FieldReader(field.bytes);
        for (let part = inner.next(); part !== null; part = inner.next()) {
          if (part.number === 1) lastPart = part.value !== 0n;
        }
      }
    }
  } catch {
    return null;
  }
  if (lastPart) entry.partial = false;
  // The line is kept without its newline.
  if (!entry.partial) entry.line = Buffer.concat([entry.line, Buffer.from('\n')]);
  return entry;
}

/** Fields of a protobuf message: varints in `value`, length-delimited ones in `bytes`. Throws RangeError when cut off. */
class FieldReader {
  readonly #data: Buffer;
  #at = 0;

  constructor(data: Buffer) {
    this.#data = data;
  }

  next(): { number: number; value: bigint; bytes: Buffer } | null {
    if (this.#at >= this.#data.length) return null;
    const key = Number(this.#varint());
    const number = key >>> 3;
    switch (key & 7) {
      case 0:
        return { number, value: this.#varint(), bytes: Buffer.alloc(0) };
      case 1:
        return { number, value: this.#take(8).readBigUInt64LE(), bytes: Buffer.alloc(0) };
      case 2:
        return { number, value: 0n, bytes: this.#take(Number(this.#varint())) };
      case 5:
        return { number, value: BigInt(this.#take(4).readUInt32LE()), bytes: Buffer.alloc(0) };
      default:
        throw new RangeError('unknown wire type');
    }
  }

  #take(length: number): Buffer {
    if (this.#at + length > this.#data.length) throw new RangeError('cut off');
    const bytes = this.#data.subarray(this.#at, this.#at + length);
    this.#at += length;
    return bytes;
  }

  #varint(): bigint {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.#take(1)[0]!;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    throw new RangeError('varint too long');
  }
}
