import fs from 'node:fs';
import type { Readable } from 'node:stream';
import { makeDevice } from '../../api/device-number.ts';
import { GantryError } from '../../api/errors.ts';
import {
  mknod,
  O_PATH,
  openat2,
  RESOLVE_BENEATH,
  RESOLVE_NO_SYMLINKS,
  S_IFBLK,
  S_IFCHR,
  S_IFIFO,
  setFileTimes,
  setTimes,
} from '../../linux/file.ts';
import { pathOfFd } from '../../linux/in-root.ts';
import { setXattr } from '../../linux/xattr.ts';
import { type TarEntry, TarError, toText } from '../../tar/entry.ts';
import { type TarHandler, TarReader } from '../../tar/reader.ts';
import { decompressed } from '../decompress.ts';
import { cleanName } from '../layer-unpack.ts';
import { Turns } from '../tree.ts';
import { absolutePath, type ContainerFiles, ContainerRoot, inDirectory } from './root.ts';

export interface UntarOptions {
  /** Refuse to replace a directory by something else, or something else by a directory. */
  noOverwriteDirNonDir?: boolean;
  /** Owner of everything, in place of what the archive says (`copyUIDGID`). */
  chown?: { uid: number; gid: number };
  /** The directory itself gets the owner, mode and time that the archive has for it, and attributes `trusted.*` come too. Docker does neither. */
  exact?: boolean;
  /** Asked with the resolved directory before anything is written: throw to refuse (read-only volume or root). */
  allow?: (directory: string) => void;
}

/**
 * Unpacks a tar (plain or compressed) into a directory of the container, as `PUT /containers/{id}/archive` does. Throws not_found,
 * invalid_parameter (no directory, damaged archive), forbidden (read-only), no_space. What came before an error stays.
 */
export async function untarInto(
  files: ContainerFiles,
  target: string,
  tar: Readable,
  options: UntarOptions = {},
): Promise<void> {
  const root = new ContainerRoot(files);
  let directory: string;
  try {
    const clean = absolutePath(target);
    directory = root.resolve(clean);
    if (!root.lstat(directory).isDirectory()) {
      throw new GantryError('invalid_parameter', 'extraction point is not a directory');
    }
    options.allow?.(toText(directory));
  } catch (error) {
    root.close();
    tar.destroy();
    throw root.explain(error, target);
  }
  const unpacker = new ContainerUnpacker(root, directory === '/' ? '' : directory, options);
  try {
    const reader = new TarReader(unpacker);
    const turns = new Turns();
    for await (const chunk of decompressed(tar)) {
      reader.write(chunk as Buffer);
      await turns.pause();
    }
    reader.end();
    unpacker.finish();
  } catch (error) {
    if (error instanceof TarError || /^(Z_|ZSTD_|ERR_ZSTD)/.test(String((error as { code?: unknown }).code))) {
      throw new GantryError('invalid_parameter', (error as Error).message, { cause: error });
    }
    throw root.explain(error, target);
  } finally {
    unpacker.close();
    root.close();
  }
}

class ContainerUnpacker implements TarHandler {
  readonly #root: ContainerRoot;
  readonly #base: string;
  readonly #options: UntarOptions;
  /** Descriptor of the directory that the last entries went to: an archive goes through its directories in order. */
  #parent: { path: string; fd: number } | null = null;
  #fd = -1;
  #at: Buffer = Buffer.alloc(0);
  #entry: TarEntry | null = null;
  /** The archive's entry for the directory that it is unpacked into. */
  #directory: TarEntry | null = null;
  readonly #directoryTimes = new Map<string, TarEntry>();

  constructor(root: ContainerRoot, base: string, options: UntarOptions) {
    this.#root = root;
    this.#base = base;
    this.#options = options;
  }

  entry(entry: TarEntry): void {
    this.#entry = entry;
    const names = cleanName(entry.name);
    const name = names.pop();
    if (name === undefined) {
      if (this.#options.exact === true && entry.type === 'directory') this.#directory = entry;
      return;
    }
    const parent = this.#openParent(names);
    const at = inDirectory(parent, name);
    this.#at = at;
    const old = fs.lstatSync(at, { throwIfNoEntry: false });
    const merge = old?.isDirectory() === true && entry.type === 'directory';
    if (old !== undefined && !merge) {
      this.#mayReplace(old.isDirectory(), entry);
      removeAt(parent, name);
    }
    switch (entry.type) {
      case 'file': {
        const { O_CREAT, O_EXCL, O_WRONLY, O_NOFOLLOW } = fs.constants;
        this.#fd = fs.openSync(at, O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW, 0o600);
        return;
      }
      case 'directory':
        if (!merge) fs.mkdirSync(at);
        this.#directoryTimes.set([...names, name].join('/'), entry);
        break;
      case 'symlink':
        fs.symlinkSync(Buffer.from(entry.linkName, 'latin1'), at);
        break;
      case 'hardlink':
        this.#link(entry, at);
        return;
      default: {
        const type = entry.type === 'fifo' ? S_IFIFO : entry.type === 'char' ? S_IFCHR : S_IFBLK;
        mknod(at, type | 0o600, entry.type === 'fifo' ? 0n : makeDevice(entry.devMajor, entry.devMinor));
      }
    }
    const { uid, gid } = this.#options.chown ?? entry;
    if (entry.type === 'symlink') fs.lchownSync(at, uid, gid);
    else own(at, { uid, gid, mode: entry.mode });
    this.#setXattrs(entry);
    if (entry.type !== 'directory') setTimes(at, entry.mtime, entry.mtimeNs);
  }

  data(bytes: Buffer, offset: number): void {
    if (this.#fd < 0) return;
    for (let done = 0; done < bytes.length; ) {
      done += fs.writeSync(this.#fd, bytes, done, bytes.length - done, offset + done);
    }
  }

  endOfFile(): void {
    if (this.#fd < 0) return;
    const entry = this.#entry!;
    const { uid, gid } = this.#options.chown ?? entry;
    if (entry.sparse !== null) fs.ftruncateSync(this.#fd, entry.size);
    fs.fchownSync(this.#fd, uid, gid);
    fs.fchmodSync(this.#fd, entry.mode);
    this.#setXattrs(entry);
    setFileTimes(this.#fd, entry.mtime, entry.mtimeNs);
    this.#closeFile();
  }

  /** Times of directories, which every file put into them changed. */
  finish(): void {
    for (const [path, entry] of this.#directoryTimes) {
      try {
        this.#root.withPlace(`${this.#base}/${path}`, ({ at }) => {
          if (fs.lstatSync(at).isDirectory()) setTimes(at, entry.mtime, entry.mtimeNs);
        });
      } catch (error) {
        // Removed by a later member, or by the container.
        const code = (error as NodeJS.ErrnoException).code;
        if (code !== 'ENOENT' && code !== 'ENOTDIR') throw error;
      }
    }
    if (this.#directory !== null) this.#finishDirectory(this.#directory);
  }

  #finishDirectory(entry: TarEntry): void {
    const fd = this.#root.openDirectory(this.#base);
    try {
      this.#at = inDirectory(fd, '.');
      own(this.#at, entry);
      this.#setXattrs(entry);
      setTimes(this.#at, entry.mtime, entry.mtimeNs);
    } finally {
      fs.closeSync(fd);
    }
  }

  close(): void {
    this.#closeFile();
    if (this.#parent !== null) fs.closeSync(this.#parent.fd);
    this.#parent = null;
  }

  #closeFile(): void {
    if (this.#fd >= 0) fs.closeSync(this.#fd);
    this.#fd = -1;
  }

  #mayReplace(oldIsDirectory: boolean, entry: TarEntry): void {
    if (this.#options.noOverwriteDirNonDir !== true) return;
    const path = toText(`${this.#base}/${cleanName(entry.name).join('/')}`);
    const base = toText(this.#base === '' ? '/' : this.#base);
    const [kind, other] = oldIsDirectory ? ['directory', 'non-directory'] : ['non-directory', 'directory'];
    if (!oldIsDirectory && entry.type !== 'directory') return;
    throw new GantryError('invalid_parameter', `cannot overwrite ${kind} "${path}" with ${other} "${base}"`);
  }

  #openParent(names: readonly string[]): number {
    const path = names.join('/');
    if (this.#parent?.path === path) return this.#parent.fd;
    const fd = this.#openOrMake(names);
    if (this.#parent !== null) fs.closeSync(this.#parent.fd);
    this.#parent = { path, fd };
    return fd;
  }

  /** Opens a directory below the extraction point; missing ones are made for root, as Docker does. */
  #openOrMake(names: readonly string[]): number {
    const path = names.length === 0 ? this.#base : `${this.#base}/${names.join('/')}`;
    try {
      return this.#root.openDirectory(path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT' || names.length === 0) throw error;
    }
    const parent = this.#openOrMake(names.slice(0, -1));
    try {
      const at = inDirectory(parent, names.at(-1)!);
      fs.mkdirSync(at, 0o755);
      own(at, { mode: 0o755 });
    } finally {
      fs.closeSync(parent);
    }
    return this.#root.openDirectory(path);
  }

  #link(entry: TarEntry, at: Buffer): void {
    const names = cleanName(entry.linkName);
    const path = `${this.#base}/${names.join('/')}`;
    try {
      this.#root.withPlace(path, (place) => fs.linkSync(place.at, at));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      throw new TarError(`hard link ${toText(entry.name)} to ${toText(entry.linkName)}, which does not exist`);
    }
  }

  #setXattrs(entry: TarEntry): void {
    for (const [name, value] of entry.xattrs) {
      // overlayfs's own attributes are not for archives to set, unless they are what a volume held.
      if (name.startsWith('trusted.') && this.#options.exact !== true) continue;
      try {
        setXattr(this.#at, name, value);
      } catch (error) {
        const code = (error as NodeJS.ErrnoException).code;
        if (code !== 'ENOTSUP' && code !== 'EPERM') throw error;
      }
    }
  }
}

/**
 * Owner and mode of what is no symlink, through a descriptor: chmod(2) follows symlinks, also one that the container has put in the
 * place of what was made a moment ago, and that one would lead into the host's tree.
 */
function own(at: Buffer, { uid, gid, mode }: { uid?: number; gid?: number; mode: number }): void {
  const fd = fs.openSync(at, O_PATH | fs.constants.O_NOFOLLOW);
  try {
    if (fs.fstatSync(fd).isSymbolicLink()) return;
    const opened = pathOfFd(fd);
    if (uid !== undefined && gid !== undefined) fs.chownSync(opened, uid, gid);
    fs.chmodSync(opened, mode);
  } finally {
    fs.closeSync(fd);
  }
}

/** Removes a name and all below it, each directory opened without following a symlink that may have taken its place. */
function removeAt(parent: number, name: string): void {
  const at = inDirectory(parent, name);
  const stat = fs.lstatSync(at, { throwIfNoEntry: false });
  if (stat === undefined) return;
  if (!stat.isDirectory()) {
    fs.unlinkSync(at);
    return;
  }
  const flags = fs.constants.O_RDONLY | fs.constants.O_DIRECTORY | fs.constants.O_NOFOLLOW;
  const fd = openat2(parent, Buffer.from(name, 'latin1'), flags, 0, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
  try {
    const names = fs.readdirSync(`/proc/self/fd/${fd}`, 'latin1' as BufferEncoding);
    for (const inner of names) removeAt(fd, inner);
  } finally {
    fs.closeSync(fd);
  }
  fs.rmdirSync(at);
}
