/**
 * Unpacks an archive that came out of a container. The archive is not trusted: no entry is written through a symbolic link below the
 * target directory, and none outside of it. Owners are not set: the files are the caller's, as with docker.
 */

import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  constants,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  openSync,
  rmSync,
  type Stats,
  symlinkSync,
} from 'node:fs';
import { dirname, posix } from 'node:path';
import { writeFully } from '../io.ts';
import { type CopyPlan, renamed } from './paths.ts';
import { type TarEntry, TarReader } from './tar.ts';

function lstat(path: string): Stats | undefined {
  try {
    return lstatSync(path);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'ENOTDIR') return undefined;
    throw error;
  }
}

class Unpacker {
  readonly #plan: CopyPlan;
  #fd: number | undefined;
  #entry: TarEntry | undefined;
  #path = '';
  /** Directories get mode and time last: their content would change them, or not be allowed in. */
  readonly #directories: { path: string; entry: TarEntry }[] = [];

  constructor(plan: CopyPlan) {
    this.#plan = plan;
  }

  /** The local path of an archive's name, with its parent made. Throws when it leads outside. */
  #place(name: string): string {
    const relative = posix.normalize(renamed(name, this.#plan.rename)).replace(/^\/+/, '');
    if (relative === '..' || relative.startsWith('../')) {
      throw new Error(`archive entry ${JSON.stringify(name)} leads outside of the destination`);
    }
    const root = this.#plan.directory;
    if (relative === '.' || relative === '') return root;
    const parents = relative.split('/').slice(0, -1);
    let at = root;
    for (const parent of parents) {
      at = `${at}/${parent}`;
      const stat = lstat(at);
      if (!stat) mkdirSync(at, 0o755);
      else if (!stat.isDirectory()) throw new Error(`${at} is not a directory`);
    }
    return root === '/' ? `/${relative}` : `${root}/${relative}`;
  }

  entry(entry: TarEntry): void {
    const path = this.#place(entry.name);
    const there = lstat(path);
    this.#entry = entry;
    this.#path = path;
    if (entry.type === 'directory') {
      if (there && !there.isDirectory())
        throw new Error(`cannot overwrite non-directory ${JSON.stringify(path)} with directory`);
      if (!there) mkdirSync(path, 0o700);
      this.#directories.push({ path, entry });
      return;
    }
    if (there?.isDirectory()) throw new Error(`cannot overwrite directory ${JSON.stringify(path)} with non-directory`);
    if (there) rmSync(path);
    switch (entry.type) {
      case 'file': {
        const { O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW } = constants;
        this.#fd = openSync(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
        return;
      }
      case 'symlink':
        symlinkSync(entry.linkName, path);
        lutimesSync(path, entry.mtime, entry.mtime);
        return;
      case 'hardlink':
        linkSync(this.#place(entry.linkName), path);
        return;
      case 'fifo':
        execFileSync('mkfifo', ['-m', entry.mode.toString(8), '--', path]);
        return;
      default:
        execFileSync('mknod', [
          '-m',
          entry.mode.toString(8),
          '--',
          path,
          entry.type === 'char' ? 'c' : 'b',
          String(entry.devMajor),
          String(entry.devMinor),
        ]);
    }
  }

  data(bytes: Buffer): void {
    if (this.#fd !== undefined) writeFully(this.#fd, bytes);
  }

  endOfFile(): void {
    const entry = this.#entry!;
    this.close();
    chmodSync(this.#path, entry.mode);
    lutimesSync(this.#path, entry.mtime, entry.mtime);
  }

  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }

  finish(): void {
    for (const { path, entry } of this.#directories.reverse()) {
      chmodSync(path, entry.mode);
      lutimesSync(path, entry.mtime, entry.mtime);
    }
  }
}

/** Unpacks `archive` as `plan` says. Throws when the archive is damaged or tries to leave the directory. */
export async function unpack(archive: AsyncIterable<Buffer>, plan: CopyPlan): Promise<void> {
  if (!lstat(plan.directory)) throw new Error(`lstat ${dirname(plan.directory)}: no such file or directory`);
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
