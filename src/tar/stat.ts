/** From what the kernel says of a file to the entry that describes it. */
import type { BigIntStats } from 'node:fs';
import { splitDevice } from '../api/device-number.ts';
import { newEntry, type TarEntry, type TarEntryType } from './entry.ts';

/** The entry of a file, all but a link's target and extended attributes; null for sockets, which tar cannot hold. */
export function entryFromStat(name: string, stat: BigIntStats): TarEntry | null {
  const type = typeOf(stat);
  if (type === null) return null;
  const entry = newEntry(name, type);
  entry.mode = Number(stat.mode) & 0o7777;
  entry.uid = Number(stat.uid);
  entry.gid = Number(stat.gid);
  entry.mtimeNs = Number(((stat.mtimeNs % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n);
  entry.mtime = Number((stat.mtimeNs - BigInt(entry.mtimeNs)) / 1_000_000_000n);
  if (type === 'file') entry.size = Number(stat.size);
  if (type === 'char' || type === 'block') {
    const { major, minor } = splitDevice(stat.rdev);
    entry.devMajor = major;
    entry.devMinor = minor;
  }
  return entry;
}

function typeOf(stat: BigIntStats): TarEntryType | null {
  if (stat.isFile()) return 'file';
  if (stat.isDirectory()) return 'directory';
  if (stat.isSymbolicLink()) return 'symlink';
  if (stat.isCharacterDevice()) return 'char';
  if (stat.isBlockDevice()) return 'block';
  if (stat.isFIFO()) return 'fifo';
  return null;
}

/** Remembers where a file with several names was first seen. */
export class HardLinks {
  readonly #seen = new Map<string, string>();

  /** Makes the entry a link to an earlier one that is the same file, if there is one. */
  apply(entry: TarEntry, stat: BigIntStats): void {
    if (stat.nlink < 2n || entry.type === 'directory') return;
    const key = `${stat.dev}:${stat.ino}`;
    const first = this.#seen.get(key);
    if (first === undefined) {
      this.#seen.set(key, entry.name);
      return;
    }
    entry.type = 'hardlink';
    entry.linkName = first;
    entry.size = 0;
    entry.xattrs.clear();
  }
}
