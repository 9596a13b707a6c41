/** One log file on disk and the set that rotation makes of it: path, path.1, path.2.gz, ... from new to old. */
import { createReadStream } from 'node:fs';
import { type FileHandle, open, readdir } from 'node:fs/promises';
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

  /** Entries from the position to the file's present end. May be called again for what was written since. */
  async *entries(): AsyncGenerator<LogEntry[]> {
    if (this.compressed) {
      for await (const entries of this.#gunzipped()) {
        const given = entries.slice(this.skip);
        this.skip = Math.max(0, this.skip - entries.length);
        if (given.length > 0) yield given;
      }
      return;
    }
    // Truncated from outside: what is there now is new.
    if ((await this.size()) < this.position) {
      this.position = 0;
      this.#rest = Buffer.alloc(0);
    }
    for (;;) {
      // A new buffer each time: entries are views of it.
      const buffer = Buffer.allocUnsafe(CHUNK);
      const { bytesRead } = await this.handle.read(buffer, 0, CHUNK, this.position);
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

/** Opens the whole set, oldest first. Files that rotation moves meanwhile are neither missed nor opened twice. */
export async function openLogFiles(path: string, format: LogFormat): Promise<LogFile[]> {
  const files: LogFile[] = [];
  const seen = new Set<bigint>();
  // From new to old: a rename under way moves files in this direction, so none can slip through.
  for (const name of await rotatedNames(path)) {
    const file = await LogFile.open(name, format);
    if (file === null) continue;
    if (seen.has(file.inode)) await file.close();
    else {
      seen.add(file.inode);
      files.unshift(file);
    }
  }
  return files;
}

/** Paths of the live file and its rotated ones, newest first. */
export async function rotatedNames(path: string): Promise<string[]> {
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
