/** One log file on disk and the set that rotation makes of it: path, path.1, path.2.gz, ... from new to old. */
import { createReadStream } from 'node:fs';
import { type FileHandle, open, readdir, stat } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { createGunzip } from 'node:zlib';
import { errnoOf } from '../../api/errors.ts';
import type { LogEntry } from './contract.ts';

export interface LogFormat {
  /** Whole entries at the start of `data`, and how many bytes they took. */
  decode(data: Buffer): { entries: LogEntry[]; consumed: number };
  /** Where the last `count` entries of a plain file begin, and how many there are (fewer when the file has fewer). */
  startOfLast(
    read: (offset: number, length: number) => Promise<Buffer>,
    size: number,
    count: number,
  ): Promise<{ offset: number; count: number }>;
}

const CHUNK = 256 * 1024;

/** An open log file; keeps reading the same file when rotation renames it. */
export class LogFile {
  readonly handle: FileHandle;
  readonly inode: bigint;
  readonly compressed: boolean;
  readonly #format: LogFormat;
  /** Plain files: where the next read begins. */
  position = 0;
  /** Compressed files: entries not given. */
  skip = 0;
  /** Compressed files never grow: read once. */
  #finished = false;
  #rest: Buffer = Buffer.alloc(0);

  constructor(handle: FileHandle, inode: bigint, compressed: boolean, format: LogFormat) {
    this.handle = handle;
    this.inode = inode;
    this.compressed = compressed;
    this.#format = format;
  }

  /** null when there is no such file. */
  static async open(path: string, format: LogFormat): Promise<LogFile | null> {
    let handle: FileHandle;
    try {
      handle = await open(path, 'r');
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return null;
      throw error;
    }
    const { ino } = await handle.stat({ bigint: true });
    return new LogFile(handle, ino, path.endsWith('.gz'), format);
  }

  async size(): Promise<number> {
    return (await this.handle.stat()).size;
  }

  /** Whether another open file is this one, or what compression made of it. */
  async isSameAs(other: LogFile): Promise<boolean> {
    if (other.inode === this.inode) return true;
    if (!other.compressed || this.compressed) return false;
    // gzip keeps the time of the last write, and has the length at its end (RFC 1952, MTIME and ISIZE).
    const mine = await this.handle.stat({ bigint: true });
    const its = await other.handle.stat({ bigint: true });
    if (mine.mtimeNs !== its.mtimeNs || its.size < 4n) return false;
    const { buffer } = await other.handle.read(Buffer.alloc(4), 0, 4, Number(its.size) - 4);
    return buffer.readUInt32LE() === Number(mine.size & 0xffff_ffffn);
  }

  /** Moves to the last `count` entries; returns how many there are. */
  async seekLast(count: number): Promise<number> {
    if (this.compressed) {
      let total = 0;
      for await (const entries of this.#gunzipped()) total += entries.length;
      this.skip = Math.max(0, total - count);
      return Math.min(total, count);
    }
    const read = async (offset: number, length: number) => {
      const buffer = Buffer.allocUnsafe(length);
      const { bytesRead } = await this.handle.read(buffer, 0, length, offset);
      return buffer.subarray(0, bytesRead);
    };
    const found = await this.#format.startOfLast(read, await this.size(), count);
    this.position = found.offset;
    return found.count;
  }

  /**
   * Entries from the position to the file's present end, or of a plain file to `end`. May be called again for what was written
   * since.
   */
  async *entries(end = Number.POSITIVE_INFINITY): AsyncGenerator<LogEntry[]> {
    if (this.compressed) {
      if (this.#finished) return;
      for await (const entries of this.#gunzipped()) {
        const given = entries.slice(this.skip);
        this.skip = Math.max(0, this.skip - entries.length);
        if (given.length > 0) yield given;
      }
      this.#finished = true;
      return;
    }
    // Truncated from outside: what is there now is new.
    if ((await this.size()) < this.position) {
      this.position = 0;
      this.#rest = Buffer.alloc(0);
    }
    for (;;) {
      // A new buffer each time: entries are views of it.
      const length = Math.min(CHUNK, end - this.position);
      if (length <= 0) return;
      const buffer = Buffer.allocUnsafe(length);
      const { bytesRead } = await this.handle.read(buffer, 0, length, this.position);
      if (bytesRead === 0) return;
      this.position += bytesRead;
      const data =
        this.#rest.length === 0
          ? buffer.subarray(0, bytesRead)
          : Buffer.concat([this.#rest, buffer.subarray(0, bytesRead)]);
      const { entries, consumed } = this.#format.decode(data);
      this.#rest = data.subarray(consumed);
      if (entries.length > 0) yield entries;
    }
  }

  async *#gunzipped(): AsyncGenerator<LogEntry[]> {
    const source = createReadStream('', { fd: this.handle.fd, start: 0, autoClose: false });
    let rest: Buffer = Buffer.alloc(0);
    const gunzip = createGunzip();
    source.on('error', (error) => gunzip.destroy(error));
    for await (const chunk of source.pipe(gunzip)) {
      const data = Buffer.concat([rest, chunk as Buffer]);
      const { entries, consumed } = this.#format.decode(data);
      rest = data.subarray(consumed);
      yield entries;
    }
  }

  async close(): Promise<void> {
    await this.handle.close();
  }
}

/** Opens the whole set, oldest first. The last one is the live one, or was a moment ago. */
export async function openLogFiles(path: string, format: LogFormat): Promise<LogFile[]> {
  const files: LogFile[] = [];
  for await (const file of newestFirst(path, format)) {
    // It has moved since it came first, perhaps behind newer ones: where it is now is its place among those that come after.
    for (const [index, taken] of files.entries()) {
      if (!(await taken.isSameAs(file))) continue;
      await taken.close();
      files.splice(index, 1);
      break;
    }
    files.unshift(file);
  }
  return files;
}

/**
 * The file written after `current` (after none: the oldest), or null while `current` is the live one. `certain` is false when `current` is in
 * the set no more: then the oldest one comes next, and the caller skips by time what it might have seen.
 */
export async function nextLogFile(
  path: string,
  format: LogFormat,
  current: LogFile | null,
): Promise<{ file: LogFile; certain: boolean } | null> {
  let newer: LogFile | null = null;
  for await (const file of newestFirst(path, format)) {
    if (current !== null && (await current.isSameAs(file))) {
      await file.close();
      return newer === null ? null : { file: newer, certain: true };
    }
    await newer?.close();
    newer = file;
  }
  return newer === null ? null : { file: newer, certain: current === null };
}

/**
 * Opens the set one by one; who takes a file closes it. Rotation goes on meanwhile and moves each file to a higher number, which is where this walks
 * to: a file can come twice, but none can be missed.
 */
async function* newestFirst(path: string, format: LogFormat): AsyncGenerator<LogFile> {
  const highest = await highestNumber(path);
  // Between two steps of a rotation one number is free; behind the highest one known another free one is the end.
  for (let number = 0, free = 0; free < 2; number++) {
    const file = await openNumbered(path, number, format);
    if (file !== null) {
      free = 0;
      yield file;
    } else if (number > highest) free++;
  }
}

async function openNumbered(path: string, number: number, format: LogFormat): Promise<LogFile | null> {
  if (number === 0) return LogFile.open(path, format);
  for (;;) {
    const plain = await LogFile.open(`${path}.${number}`, format);
    if (plain !== null) return plain;
    const compressed = await LogFile.open(`${path}.${number}.gz`, format);
    // While both are there the compressed one is not whole.
    if (compressed === null || !(await exists(`${path}.${number}`))) return compressed;
    await compressed.close();
  }
}

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false;
    throw error;
  }
}

/** Of the rotated files that are there; 0 without one. */
async function highestNumber(path: string): Promise<number> {
  const base = basename(path);
  try {
    const names = (await readdir(dirname(path))).filter((name) => name.startsWith(`${base}.`));
    return Math.max(0, ...names.map((name) => Number(/^\.(\d+)(?:\.gz)?$/.exec(name.slice(base.length))?.[1] ?? 0)));
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return 0;
    throw error;
  }
}
