/**
 * Unpacks an archive that came out of a container. The archive is not trusted: no entry is written through a symbolic link below the
 * target directory, and none outside of it. Owners are not set: the files are the caller's, as with docker.
 */

import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  constants,
  ftruncateSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  openSync,
  type Stats,
  symlinkSync,
  unlinkSync,
} from 'node:fs';
import { dirname, posix } from 'node:path';
import { fromText, type TarEntry, toBytes, toText } from '../../tar/entry.ts';
import { type TarHandler, TarReader } from '../../tar/reader.ts';
import { writeFully } from '../io.ts';
import { type CopyPlan, renamed } from './paths.ts';

/** Paths and names are byte strings, as in the archive. */
function lstat(path: string): Stats | undefined {
  try {
    return lstatSync(toBytes(path));
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw error;
  }
}

class Unpacker implements TarHandler {
  readonly #root: string;
  readonly #rename: CopyPlan['rename'];
  #fd: number | undefined;
  #entry: TarEntry | undefined;
  #at: Buffer = Buffer.alloc(0);
  /** Directories get mode and time last: their content would change them, or not be allowed in. */
  readonly #directories: { at: Buffer; entry: TarEntry }[] = [];

  constructor(plan: CopyPlan) {
    this.#root = fromText(plan.directory);
    this.#rename = plan.rename && { from: fromText(plan.rename.from), to: fromText(plan.rename.to) };
  }

  /** The local path of an archive's name, with its parent made. Throws when it leads outside. */
  #place(name: string): string {
    const plain = name.replace(/(.)\/+$/, '$1');
    const relative = posix.normalize(renamed(plain, this.#rename)).replace(/^\/+/, '');
    if (relative === '..' || relative.startsWith('../')) {
      throw new Error(`archive entry ${JSON.stringify(toText(plain))} leads outside of the destination`);
    }
    const root = this.#root;
    if (relative === '.' || relative === '') return root;
    const parents = relative.split('/').slice(0, -1);
    let at = root;
    for (const parent of parents) {
      at = `${at}/${parent}`;
      const stat = lstat(at);
      if (!stat) mkdirSync(toBytes(at), 0o755);
      else if (!stat.isDirectory()) throw new Error(`${toText(at)} is not a directory`);
    }
    return root === '/' ? `/${relative}` : `${root}/${relative}`;
  }

  entry(entry: TarEntry): void {
    const path = this.#place(entry.name);
    const there = lstat(path);
    const at = toBytes(path);
    this.#entry = entry;
    this.#at = at;
    if (entry.type === 'directory') {
      if (there && !there.isDirectory())
        throw new Error(`cannot overwrite non-directory ${JSON.stringify(toText(path))} with directory`);
      if (!there) mkdirSync(at, 0o700);
      this.#directories.push({ at, entry });
      return;
    }
    if (there?.isDirectory())
      throw new Error(`cannot overwrite directory ${JSON.stringify(toText(path))} with non-directory`);
    if (there) unlinkSync(at);
    switch (entry.type) {
      case 'file': {
        const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
        this.#fd = openSync(at, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
        return;
      }
      case 'symlink':
        symlinkSync(toBytes(entry.linkName), at);
        setTime(at, entry);
        return;
      case 'hardlink':
        linkSync(toBytes(this.#place(entry.linkName)), at);
        return;
      case 'fifo':
        execFileSync('mkfifo', ['-m', entry.mode.toString(8), '--', argument(path)]);
        return;
      default:
        execFileSync('mknod', [
          '-m',
          entry.mode.toString(8),
          '--',
          argument(path),
          entry.type === 'char' ? 'c' : 'b',
          String(entry.devMajor),
          String(entry.devMinor),
        ]);
    }
  }

  data(bytes: Buffer, offset: number): void {
    if (this.#fd !== undefined) writeFully(this.#fd, bytes, offset);
  }

  endOfFile(): void {
    const entry = this.#entry!;
    // A sparse file may end in a hole.
    if (entry.sparse !== null) ftruncateSync(this.#fd!, entry.size);
    this.close();
    chmodSync(this.#at, entry.mode);
    setTime(this.#at, entry);
  }

  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }

  finish(): void {
    for (const { at, entry } of this.#directories.reverse()) {
      chmodSync(at, entry.mode);
      setTime(at, entry);
    }
  }
}

/** A path for a command line, which is text. Throws for a name that is none. */
function argument(path: string): string {
  const text = toText(path);
  if (fromText(text) !== path) throw new Error(`${JSON.stringify(text)}: the name of a special file must be UTF-8`);
  return text;
}

function setTime(at: Buffer, { mtime, mtimeNs }: TarEntry): void {
  const seconds = mtime + mtimeNs / 1e9;
  lutimesSync(at, seconds, seconds);
}

/** Unpacks `archive` as `plan` says. Throws when the archive is damaged or tries to leave the directory. */
export async function unpack(archive: AsyncIterable<Buffer>, plan: CopyPlan): Promise<void> {
  if (!lstat(fromText(plan.directory))) throw new Error(`lstat ${dirname(plan.directory)}: no such file or directory`);
  const unpacker = new Unpacker(plan);
  const reader = new TarReader(unpacker);
  try {
    for await (const chunk of archive) reader.write(chunk);
    reader.end();
    unpacker.finish();
  } finally {
    unpacker.close();
  }
}
