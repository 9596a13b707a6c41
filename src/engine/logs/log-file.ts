/** One log file on disk and the set that rotation makes of it: path, path.1, path.2.gz, ... from new to old. */
import { createReadStream } from 'node:fs';
import { type FileHandle, open, readdir, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
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

  /** Whether the file at a path is this one, or what compression made of it. False when nothing is there. */
  async isAt(path: string): Promise<boolean> {
    const there = await LogFile.open(path, this.#format);
    if (there === null) return false;
    try {
      if (there.inode === this.inode) return true;
      if (!there.compressed || this.compressed) return false;
      // gzip keeps the time of the last write, and has the length at its end (RFC 1952, MTIME and ISIZE).
      const mine = await this.handle.stat({ bigint: true });
      const its = await there.handle.stat({ bigint: true });
      if (mine.mtimeNs !== its.mtimeNs || its.size < 4n) return false;
      const { buffer } = await there.handle.read(Buffer.alloc(4), 0, 4, Number(its.size) - 4);
      return buffer.readUInt32LE() === Number(mine.size & 0xffff_ffffn);
    } finally {
      await there.close();
    }
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

/** Rotations that may come in between while files of a set are opened; then what there is is taken. */
export const OPEN_TRIES = 20;

/** Opens the whole set, oldest first, as it was at one moment: rotation moves and removes files meanwhile. */
export async function openLogFiles(path: string, format: LogFormat): Promise<LogFile[]> {
  for (let tries = 1; ; tries++) {
    const set = await listLogFiles(path);
    const files: LogFile[] = [];
    for (const name of set.names) {
      const file = await LogFile.open(name, format);
      if (file !== null) files.unshift(file);
    }
    if (tries >= OPEN_TRIES || (await unchanged(path, set))) return files;
    for (const file of files) await file.close();
  }
}

export interface LogFileSet {
  /** Inode of the live file; null while there is none. */
  live: bigint | null;
  /** Paths, newest first. */
  names: string[];
}

export async function listLogFiles(path: string): Promise<LogFileSet> {
  const live = await inodeOf(path);
  return { live, names: await rotatedNames(path) };
}

/** Whether nothing was rotated or compressed since `set` was listed: what was opened by its names is what they meant. */
export async function unchanged(path: string, set: LogFileSet): Promise<boolean> {
  const now = await listLogFiles(path);
  return now.live === set.live && now.names.join('\n') === set.names.join('\n');
}

async function inodeOf(path: string): Promise<bigint | null> {
  try {
    return (await stat(path, { bigint: true })).ino;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return null;
    throw error;
  }
}

/** Paths of the live file and its rotated ones, newest first. */
async function rotatedNames(path: string): Promise<string[]> {
  const directory = dirname(path);
  const base = basename(path);
  let names: string[];
  try {
    names = await readdir(directory);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return [];
    throw error;
  }
  const numbered: { number: number; name: string }[] = [{ number: 0, name: base }];
  for (const name of names) {
    const match = name.startsWith(`${base}.`) ? /^\.(\d+)(?:\.gz)?$/.exec(name.slice(base.length)) : null;
    if (match !== null) numbered.push({ number: Number(match[1]), name });
  }
  // While a rotated file is being compressed both forms are there for a moment; the plain one is whole.
  const kept = numbered.filter(
    ({ number, name }) =>
      !(name.endsWith('.gz') && numbered.some((other) => other.number === number && other.name !== name)),
  );
  return kept.sort((a, b) => a.number - b.number).map(({ name }) => join(directory, name));
}
