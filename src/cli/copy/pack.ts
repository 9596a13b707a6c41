/** Local files as a tar stream. */

import { type BigIntStats, closeSync, lstatSync, openSync, readdirSync, readlinkSync, readSync } from 'node:fs';
import { END_OF_ARCHIVE, encodeEntry, paddingFor, type TarEntry } from './tar.ts';

const CHUNK = 1 << 18;

/** Yields the archive of `path`, whose entries are called `name` and `name/...`. */
export function* pack(path: string, name: string): Generator<Buffer> {
  yield* packEntry(path, name, new Map());
  yield END_OF_ARCHIVE;
}

function* packEntry(path: string, name: string, links: Map<string, string>): Generator<Buffer> {
  const stat = lstatSync(path, { bigint: true });
  const entry = describe(path, name, stat);
  if (!entry) return;
  if (entry.type === 'file' && stat.nlink > 1n) {
    const key = `${stat.dev}:${stat.ino}`;
    const first = links.get(key);
    if (first !== undefined) {
      entry.type = 'hardlink';
      entry.linkName = first;
      entry.size = 0;
    } else {
      links.set(key, name);
    }
  }
  yield encodeEntry(entry);
  if (entry.type === 'file') yield* content(path, entry.size);
  if (entry.type === 'directory') {
    for (const child of readdirSync(path).sort()) {
      yield* packEntry(path.endsWith('/') ? path + child : `${path}/${child}`, `${name}/${child}`, links);
    }
  }
}

function describe(path: string, name: string, stat: BigIntStats): TarEntry | undefined {
  const type = stat.isDirectory()
    ? 'directory'
    : stat.isFile()
      ? 'file'
      : stat.isSymbolicLink()
        ? 'symlink'
        : stat.isFIFO()
          ? 'fifo'
          : stat.isCharacterDevice()
            ? 'char'
            : stat.isBlockDevice()
              ? 'block'
              : undefined;
  // Sockets have no place in an archive.
  if (!type) return undefined;
  return {
    name,
    type,
    mode: Number(stat.mode) & 0o7777,
    uid: Number(stat.uid),
    gid: Number(stat.gid),
    size: type === 'file' ? Number(stat.size) : 0,
    mtime: Number(stat.mtimeNs / 1_000_000n) / 1000,
    linkName: type === 'symlink' ? readlinkSync(path) : '',
    // The C library's encoding of a device number (makedev(3)).
    devMajor: Number(((stat.rdev >> 8n) & 0xfffn) | ((stat.rdev >> 32n) & ~0xfffn)),
    devMinor: Number((stat.rdev & 0xffn) | ((stat.rdev >> 12n) & ~0xffn)),
  };
}

/** Exactly `size` bytes: a file that shrinks meanwhile is an error, what it grows by is left out. */
function* content(path: string, size: number): Generator<Buffer> {
  const fd = openSync(path, 'r');
  try {
    let left = size;
    while (left > 0) {
      const buffer = Buffer.allocUnsafe(Math.min(CHUNK, left));
      const count = readSync(fd, buffer);
      if (count === 0) throw new Error(`${path}: file shrank while it was copied`);
      left -= count;
      yield buffer.subarray(0, count);
    }
    const padding = paddingFor(size);
    if (padding.length > 0) yield padding;
  } finally {
    closeSync(fd);
  }
}
