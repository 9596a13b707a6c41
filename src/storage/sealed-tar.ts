/**
 * A tar that ends with the checksum of all before it. The checksum stands in a global pax header (IEEE 1003.1, pax utility, typeflag g)
 * as a comment, so that every tar program unpacks the archive and passes over it.
 */
import { createHash, type Hash } from 'node:crypto';
import { lstatSync } from 'node:fs';
import { TarError } from '../tar/entry.ts';
import { BLOCK } from '../tar/header.ts';
import { HardLinks } from '../tar/stat.ts';
import { END_OF_ARCHIVE, encodeEntry, encodeRecords } from '../tar/writer.ts';
import { entryOf, membersOf, TarOutput } from './tree-tar.ts';

const KEY = 'comment';
const PREFIX = 'gantry sha256:';
/** Header, its one block of data, end of archive. */
const TAIL = 2 * BLOCK + END_OF_ARCHIVE.length;

/**
 * A directory and what is in it, sealed: owners, modes, times, links, devices, extended attributes. The directory may be in use; each
 * file is as it was when its turn came.
 */
export async function* sealedTree(directory: string): AsyncGenerator<Buffer> {
  yield* sealed(members(directory));
}

async function* members(directory: string): AsyncGenerator<Buffer> {
  const output = new TarOutput();
  const at = Buffer.from(`${directory}/.`);
  output.add(encodeEntry(entryOf('.', lstatSync(at, { bigint: true }), at, true)!));
  const rename = (path: string) => `./${path}`;
  yield* membersOf(output, directory, { exact: true, rename }, new HardLinks());
  yield output.take();
}

/** Members, without an end of archive, sealed. */
export async function* sealed(members: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const hash = createHash('sha256');
  for await (const bytes of members) {
    hash.update(bytes);
    yield bytes;
  }
  yield tail(hash);
}

function tail(hash: Hash): Buffer {
  const records = [{ key: KEY, value: `${PREFIX}${hash.digest('hex')}` }];
  return Buffer.concat([encodeRecords('g', 'pax_global_header', records), END_OF_ARCHIVE]);
}

/**
 * Hands an archive through and throws TarError at its end when the seal is missing or another one. The last bytes are held back until
 * then: who reads to the end without an error has what was sealed.
 */
export async function* unsealed(archive: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  const hash = createHash('sha256');
  let held = Buffer.alloc(0);
  for await (const bytes of archive) {
    held = held.length === 0 ? Buffer.from(bytes) : Buffer.concat([held, bytes]);
    if (held.length <= TAIL) continue;
    const body = held.subarray(0, held.length - TAIL);
    held = held.subarray(held.length - TAIL);
    hash.update(body);
    yield body;
  }
  if (!hasSeal(held)) {
    throw new TarError('the archive has no checksum at its end: it was cut short, or it is no backup of a volume');
  }
  if (!held.equals(tail(hash))) throw new TarError('the archive is damaged: its checksum is not that of its content');
  yield held;
}

/** Whether the bytes look like a seal, right or wrong. */
function hasSeal(bytes: Buffer): boolean {
  const data = bytes.toString('latin1', BLOCK, 2 * BLOCK);
  return bytes.length === TAIL && data.includes(`${KEY}=${PREFIX}`);
}
