/**
 * A container's root directory seen from outside, for `docker cp`. The container may run and change its tree meanwhile, so each
 * directory is opened by openat2(2) with RESOLVE_IN_ROOT, which keeps every symlink and ".." under the root in the kernel itself,
 * and files are reached through the descriptor of their directory.
 */
import fs from 'node:fs';
import { GantryError } from '../../api/errors.ts';
import { O_PATH, openat2, RESOLVE_IN_ROOT } from '../../linux/file.ts';

export interface ContainerFiles {
  /**
   * The root: the mounted writable layer, or /proc/<pid>/root of a running container, where its volumes and tmpfs are seen too.
   */
  directory: string;
  /** Name or ID of the container, for messages. */
  container: string;
}

/** An open directory in the container, and a name in it. `at` goes through the descriptor. */
export interface Place {
  fd: number;
  name: string;
  at: Buffer;
}

/** Path of a name in an open directory. */
export function inDirectory(fd: number, name: string): Buffer {
  return Buffer.from(`/proc/self/fd/${fd}/${name}`, 'latin1');
}

export class ContainerRoot {
  readonly #files: ContainerFiles;
  readonly #fd: number;

  constructor(files: ContainerFiles) {
    this.#files = files;
    this.#fd = fs.openSync(files.directory, O_PATH | fs.constants.O_DIRECTORY);
  }

  close(): void {
    fs.closeSync(this.#fd);
  }

  /** Opens a directory (byte string, as the container names it). Throws system errors: ENOENT, ENOTDIR, ELOOP. */
  openDirectory(path: string, flags = O_PATH): number {
    const name = Buffer.from(path === '' ? '/' : path, 'latin1');
    return openat2(this.#fd, name, flags | fs.constants.O_DIRECTORY, 0, RESOLVE_IN_ROOT);
  }

  /** Runs with a descriptor of the directory of `path` and its last name, which is not resolved. */
  withPlace<T>(path: string, use: (place: Place) => T): T {
    const slash = path.lastIndexOf('/');
    const name = path.slice(slash + 1);
    const fd = this.openDirectory(path.slice(0, slash));
    try {
      return use({ fd, name, at: inDirectory(fd, name) });
    } finally {
      fs.closeSync(fd);
    }
  }

  /** lstat(2); a path that ends in "/" or "/." must be a directory, and there a symlink is followed. */
  lstat(path: string): fs.BigIntStats {
    return this.withPlace(path, ({ at }) => fs.lstatSync(at, { bigint: true }));
  }

  /** The path that `path` leads to with all symlinks resolved, or as far as it exists. */
  resolve(path: string): string {
    const pending = path.split('/').reverse();
    let at = '';
    for (let links = 0; pending.length > 0; ) {
      const name = pending.pop()!;
      if (name === '' || name === '.') continue;
      if (name === '..') {
        at = at.slice(0, Math.max(0, at.lastIndexOf('/')));
        continue;
      }
      const next = `${at}/${name}`;
      const target = this.#readLink(next);
      if (target === null) {
        at = next;
        continue;
      }
      if (++links > 40) throw new GantryError('invalid_parameter', `too many symlinks in ${path}`);
      if (target.startsWith('/')) at = '';
      pending.push(...target.split('/').reverse());
    }
    return at === '' ? '/' : at;
  }

  #readLink(path: string): string | null {
    try {
      return this.withPlace(path, ({ at }) => (fs.readlinkSync(at, 'buffer') as Buffer).toString('latin1'));
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      if (code === 'EINVAL' || code === 'ENOENT' || code === 'ENOTDIR') return null;
      throw error;
    }
  }

  /** The error that a client sees for a failed access to `path`. */
  explain(error: unknown, path: string): unknown {
    switch ((error as NodeJS.ErrnoException).code) {
      case 'ENOENT':
        return new GantryError('not_found', `Could not find the file ${path} in container ${this.#files.container}`, {
          cause: error,
        });
      case 'ENOTDIR':
        return new GantryError('invalid_parameter', `lstat ${path}: not a directory`, { cause: error });
      case 'ELOOP':
        return new GantryError('invalid_parameter', `lstat ${path}: too many levels of symbolic links`, {
          cause: error,
        });
      case 'ENAMETOOLONG':
        return new GantryError('invalid_parameter', `lstat ${path}: file name too long`, { cause: error });
      case 'EROFS':
        return new GantryError('forbidden', `${path}: read-only file system`, { cause: error });
      case 'ENOSPC':
      case 'EDQUOT':
        return new GantryError('no_space', `${path}: no space left on device`, { cause: error });
      case 'EEXIST':
      case 'EISDIR':
      case 'ENOTEMPTY':
        // What lies there has changed since it was looked at, or a link in the archive's way leads nowhere.
        return new GantryError('system', `${path}: a name in the archive is taken in the container`, { cause: error });
      default:
        return error;
    }
  }
}

/**
 * The path made absolute and lexically clean, with a trailing "/" or "/." kept: these say "the directory itself" and "what is in it".
 * Takes text, returns a byte string. Throws invalid_parameter for a NUL.
 */
export function absolutePath(path: string): string {
  if (path.includes('\0')) throw new GantryError('invalid_parameter', 'a path holds a NUL byte');
  const names: string[] = [];
  for (const name of Buffer.from(path).toString('latin1').split('/')) {
    if (name === '..') names.pop();
    else if (name !== '' && name !== '.') names.push(name);
  }
  const clean = `/${names.join('/')}`;
  if (path === '.' || path.endsWith('/.')) return clean === '/' ? '/.' : `${clean}/.`;
  return path.endsWith('/') && clean !== '/' ? `${clean}/` : clean;
}
