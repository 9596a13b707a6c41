/** Local files as a tar stream. Paths and names are byte strings, so that any name comes out as it is. */

import { closeSync, lstatSync, openSync, readdirSync, readlinkSync, readSync } from 'node:fs';
import { fromText, toBytes, toText } from '../../tar/entry.ts';
import { entryFromStat, HardLinks } from '../../tar/stat.ts';
import { END_OF_ARCHIVE, encodeEntry, paddingFor } from '../../tar/writer.ts';

const CHUNK = 1 << 18;

/** Yields the archive of `path`, whose entries are called `name` and `name/...`. */
export function* pack(path: string, name: string): Generator<Buffer> {
  yield* packEntry(fromText(path), fromText(name), new HardLinks());
  yield END_OF_ARCHIVE;
}

function* packEntry(path: string, name: string, links: HardLinks): Generator<Buffer> {
  const at = toBytes(path);
  const stat = lstatSync(at, { bigint: true });
  const entry = entryFromStat(name, stat);
  // Sockets have no place in an archive.
  if (entry === null) return;
  if (entry.type === 'symlink') entry.linkName = readlinkSync(at, 'latin1');
  links.apply(entry, stat);
  yield encodeEntry(entry);
  if (entry.type === 'file') yield* content(path, entry.size);
  if (entry.type === 'directory') {
    for (const child of readdirSync(at, 'latin1').sort()) {
      yield* packEntry(path.endsWith('/') ? path + child : `${path}/${child}`, `${name}/${child}`, links);
    }
  }
}

/** Exactly `size` bytes: a file that shrinks meanwhile is an error, what it grows by is left out. */
function* content(path: string, size: number): Generator<Buffer> {
  const fd = openSync(toBytes(path), 'r');
  try {
    let left = size;
    while (left > 0) {
      const buffer = Buffer.allocUnsafe(Math.min(CHUNK, left));
      const count = readSync(fd, buffer);
      if (count === 0) throw new Error(`${toText(path)}: file shrank while it was copied`);
      left -= count;
      yield buffer.subarray(0, count);
    }
    const padding = paddingFor(size);
    if (padding.length > 0) yield padding;
  } finally {
    closeSync(fd);
  }
}
