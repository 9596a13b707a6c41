/**
 * Paths inside somebody else's root directory. Symlinks and ".." are resolved as if that directory were "/", one
 * component at a time, each opened relative to the last with O_NOFOLLOW: a process in the container that swaps
 * directories for symlinks meanwhile cannot lead us outside. (openat2(2) with RESOLVE_IN_ROOT does the same in the
 * kernel, but creates no directories on the way.)
 */
import { chownSync, closeSync, constants, fstatSync, mkdirSync, openSync, readFileSync, readlinkSync } from 'node:fs';
import { O_PATH } from './file.ts';

const HANDLE = O_PATH | constants.O_NOFOLLOW;
/** As the kernel's own limit (path_resolution(7)). */
const MAX_LINKS = 40;

/** Name of an open file that the kernel resolves without walking a path again. */
export function pathOfFd(fd: number): string {
  return `/proc/self/fd/${fd}`;
}

export interface CreateDirectories {
  uid: number;
  gid: number;
  mode: number;
}

/**
 * Opens (O_PATH) what `path` names inside `root`, making missing directories when `create` is given. The caller closes
 * the descriptor. Throws system errors: ENOENT, ENOTDIR, ELOOP.
 */
export function openInRoot(root: string, path: string, create: CreateDirectories | null = null): number {
  const stack = [openSync(root, O_PATH | constants.O_DIRECTORY)];
  try {
    const pending = components(path);
    let links = 0;
    for (let name = pending.shift(); name !== undefined; name = pending.shift()) {
      if (name === '..') {
        if (stack.length > 1) closeSync(stack.pop()!);
        continue;
      }
      const entry = `${pathOfFd(stack.at(-1)!)}/${name}`;
      const fd = openEntry(entry, create);
      stack.push(fd);
      const stats = fstatSync(fd);
      if (stats.isSymbolicLink()) {
        closeSync(stack.pop()!);
        links += 1;
        if (links > MAX_LINKS) throw failure('ELOOP', path);
        const target = readlinkSync(entry);
        if (target.startsWith('/')) while (stack.length > 1) closeSync(stack.pop()!);
        pending.unshift(...components(target));
      } else if (pending.length > 0 && !stats.isDirectory()) {
        throw failure('ENOTDIR', path);
      }
    }
    return stack.pop()!;
  } finally {
    for (const fd of stack) closeSync(fd);
  }
}

/** Content of a regular file inside `root`. Throws system errors; EINVAL for what is no regular file. */
export function readFileInRoot(root: string, path: string): string {
  const fd = openInRoot(root, path);
  try {
    // Opening a FIFO would block, a device might do anything.
    if (!fstatSync(fd).isFile()) throw failure('EINVAL', path);
    return readFileSync(pathOfFd(fd), 'utf8');
  } finally {
    closeSync(fd);
  }
}

function openEntry(entry: string, create: CreateDirectories | null): number {
  try {
    return openSync(entry, HANDLE);
  } catch (error) {
    if (create === null || codeOf(error) !== 'ENOENT') throw error;
  }
  try {
    mkdirSync(entry, { mode: create.mode });
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
    return openSync(entry, HANDLE);
  }
  const fd = openSync(entry, HANDLE | constants.O_DIRECTORY);
  chownSync(pathOfFd(fd), create.uid, create.gid);
  return fd;
}

function components(path: string): string[] {
  return path.split('/').filter((name) => name !== '' && name !== '.');
}

function failure(code: string, path: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code}: ${path}`), { code });
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code;
}
