/** Writes directory trees as tar: the difference that a commit records, and whole file systems for export. */
import fs from 'node:fs';
import { nextData } from '../linux/file.ts';
import { getXattr, listXattrs } from '../linux/xattr.ts';
import { newEntry, type SparsePiece, type TarEntry } from '../tar/entry.ts';
import { entryFromStat, HardLinks } from '../tar/stat.ts';
import { END_OF_ARCHIVE, encodeEntry, encodeSparse, paddingFor } from '../tar/writer.ts';
import { isOpaque, isWhiteout } from './overlay.ts';
import { type TreeEntry, Turns, walkTree } from './tree.ts';

const READ_SIZE = 1 << 20;
/** Of the map of one file. */
const MAX_PIECES = 10_000;

export interface TreeTarOptions {
  /** Write overlayfs's whiteouts and opaque directories as a layer has them (image-spec layer.md). */
  whiteouts?: boolean;
  /** Nanoseconds of times, all extended attributes and holes too: Docker's archives have whole seconds, few attributes and zeros. */
  exact?: boolean;
  /** Name in the archive for a path in the tree; null leaves the entry and all below it out. */
  rename?: (path: string) => string | null;
}

/** The whole entry of the file at `at`; null for sockets. Times are whole seconds, as Docker writes them, unless `exact`. */
export function entryOf(name: string, stat: fs.BigIntStats, at: Buffer, exact = false): TarEntry | null {
  const entry = entryFromStat(name, stat);
  if (entry === null) return null;
  if (!exact) entry.mtimeNs = 0;
  if (entry.type === 'symlink') entry.linkName = (fs.readlinkSync(at, 'buffer') as Buffer).toString('latin1');
  if (entry.type === 'file' || entry.type === 'directory') {
    for (const xattr of listXattrs(at)) {
      if (!exact && xattr !== 'security.capability' && !xattr.startsWith('user.')) continue;
      const value = getXattr(at, xattr);
      if (value !== null) entry.xattrs.set(xattr, value);
    }
  }
  return entry;
}

/** Collects small pieces so that the reader of the stream gets few large ones. */
export class TarOutput {
  readonly #turns = new Turns();
  #parts: Buffer[] = [];
  #size = 0;

  add(bytes: Buffer): void {
    this.#parts.push(bytes);
    this.#size += bytes.length;
  }

  /** Lets the daemon do something else now and then: files are read synchronously. */
  pause(): Promise<void> {
    return this.#turns.pause();
  }

  get full(): boolean {
    return this.#size >= READ_SIZE / 4;
  }

  take(): Buffer {
    const bytes = Buffer.concat(this.#parts, this.#size);
    this.#parts = [];
    this.#size = 0;
    return bytes;
  }
}

/** Opens a regular file for reading without following a link or waiting on a fifo that took its place; -1 when it is gone. */
function openFile(at: Buffer): number {
  const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = fs.constants;
  try {
    const fd = fs.openSync(at, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
    if (fs.fstatSync(fd).isFile()) return fd;
    fs.closeSync(fd);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code !== 'ENOENT' && code !== 'ELOOP' && code !== 'ENXIO') throw error;
  }
  return -1;
}

/**
 * One member: header, content, padding. The content has the length that the header says, even when the file grows or shrinks
 * meanwhile (then zeros fill it up, as GNU tar does). With `holes` those of the file are left out, as GNU tar does when asked.
 */
export async function* memberOf(output: TarOutput, entry: TarEntry, at: Buffer, holes = false): AsyncGenerator<Buffer> {
  if (entry.type !== 'file') {
    output.add(encodeEntry(entry));
    if (output.full) yield output.take();
    return;
  }
  const fd = openFile(at);
  if (fd < 0) return;
  try {
    // The name may have got another file since the stat.
    entry.size = Number(fs.fstatSync(fd, { bigint: true }).size);
    const pieces = holes ? piecesOf(fd, entry.size) : null;
    output.add(pieces === null ? encodeEntry(entry) : encodeSparse(entry, pieces));
    let written = 0;
    for (const { offset, length } of pieces ?? [{ offset: 0, length: entry.size }]) {
      yield* contentOf(output, fd, offset, offset + length);
      written += length;
    }
    output.add(paddingFor(written));
  } finally {
    fs.closeSync(fd);
  }
}

async function* contentOf(output: TarOutput, fd: number, from: number, end: number): AsyncGenerator<Buffer> {
  for (let done = from; done < end; ) {
    await output.pause();
    const buffer = Buffer.allocUnsafe(Math.min(READ_SIZE, end - done));
    const count = fs.readSync(fd, buffer, 0, buffer.length, done);
    if (count === 0) buffer.fill(0);
    const length = count === 0 ? buffer.length : count;
    output.add(buffer.subarray(0, length));
    done += length;
    if (output.full) yield output.take();
  }
}

/** The pieces of a file that hold data; null for one without holes. */
function piecesOf(fd: number, size: number): SparsePiece[] | null {
  const { blocks } = fs.fstatSync(fd);
  if (blocks * 512 >= size) return null;
  const pieces: SparsePiece[] = [];
  for (let from = 0; from < size; ) {
    const found = nextData(fd, from);
    if (found === null || found.offset >= size) break;
    // Behind so many pieces holes are written out: readers do not take maps of any length.
    const end = pieces.length < MAX_PIECES - 2 ? Math.min(found.end, size) : size;
    pieces.push({ offset: found.offset, length: end - found.offset });
    from = end;
  }
  // GNU tar's readers take the file's length from its last piece.
  if (pieces.at(-1) === undefined || pieces.at(-1)!.offset + pieces.at(-1)!.length < size)
    pieces.push({ offset: size, length: 0 });
  return pieces;
}

/** All entries below `root` as a tar, in byte order of the paths; the root itself is not in it. */
export async function* tarTree(root: string | number, options: TreeTarOptions = {}): AsyncGenerator<Buffer> {
  const output = new TarOutput();
  yield* membersOf(output, root, options, new HardLinks());
  output.add(END_OF_ARCHIVE);
  yield output.take();
}

/** The members alone, without the end of the archive. */
export async function* membersOf(
  output: TarOutput,
  root: string | number,
  options: TreeTarOptions,
  links: HardLinks,
): AsyncGenerator<Buffer> {
  const rename = options.rename ?? ((path: string) => path);
  for (const item of walkTree(root, (entry) => rename(entry.path) !== null)) {
    await output.pause();
    const name = rename(item.path);
    if (name === null) continue;
    if (options.whiteouts === true && isWhiteout(item.stat)) {
      output.add(encodeEntry(whiteoutEntry(name, item)));
      continue;
    }
    let entry: TarEntry | null;
    try {
      entry = entryOf(name, item.stat, item.at, options.exact);
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      // Gone, or another kind of file by now.
      if (code === 'ENOENT' || code === 'EINVAL') continue;
      throw error;
    }
    if (entry === null) continue;
    links.apply(entry, item.stat);
    yield* memberOf(output, entry, item.at, options.exact);
    if (options.whiteouts === true && entry.type === 'directory' && isOpaque(item.at)) {
      output.add(encodeEntry({ ...newEntry(`${name}/.wh..wh..opq`, 'file'), mode: 0o600 }));
    }
  }
}

function whiteoutEntry(name: string, item: TreeEntry): TarEntry {
  const slash = name.lastIndexOf('/') + 1;
  const entry = newEntry(`${name.slice(0, slash)}.wh.${name.slice(slash)}`, 'file');
  entry.mode = 0o600;
  entry.mtime = Number(item.stat.mtimeNs / 1_000_000_000n);
  return entry;
}
