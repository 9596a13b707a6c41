/**
 * Unpacks a layer archive into an empty directory in overlayfs form: whiteouts become 0/0 character devices, opaque directories
 * get trusted.overlay.opaque (image-spec layer.md, "Whiteouts"; kernel Documentation/filesystems/overlayfs.rst).
 *
 * Containment: nobody else works in the directory, and every name in it was made here. So a map of what was made decides where
 * a path leads, symlinks included, and no path that holds an unresolved symlink or ".." is ever given to the kernel.
 */
import fs from 'node:fs';
import { makeDevice } from '../api/device-number.ts';
import { mknod, S_IFBLK, S_IFCHR, S_IFIFO, setFileTimes, setTimes } from '../linux/file.ts';
import { setXattr } from '../linux/xattr.ts';
import { type TarEntry, TarError, toText } from '../tar/entry.ts';
import type { TarHandler } from '../tar/reader.ts';
import type { RecordWriter } from './layer-record.ts';

/** Members of one layer. The largest real layers hold some 500,000; each costs about 200 bytes of memory while unpacking. */
const MAX_ENTRIES = 2_000_000;
/** Device nodes of one layer. A full /dev has a few hundred; each takes an inode of the host and nothing of the archive's size. */
const MAX_DEVICES = 10_000;
/** Directories that a later member replaces by something else: each costs a walk over all names. Real layers have none. */
const MAX_REPLACED_DIRECTORIES = 100;
/** As the kernel's own bound on one path walk. */
const MAX_SYMLINKS = 40;
const PATH_MAX = 4096;

const WHITEOUT = '.wh.';
const OPAQUE = '.wh..wh..opq';
const META = '.wh..wh.';

/** What a path is: a file's number (0 and up), one of these, or the target of a symlink. */
const DIRECTORY = -1;
const OTHER = -2;
const WHITED_OUT = -3;
type Kind = number | string;

export interface UnpackTarget {
  /** Empty directory for the layer's files. */
  diff: string;
  /** Directory for files that a later member replaces; made when needed. */
  replaced: string;
  /** Unpacked parent layers, top first: directories that the archive implies but lacks take their owner and mode from there. */
  lowers: readonly string[];
}

export class LayerUnpacker implements TarHandler {
  readonly #target: UnpackTarget;
  /** The directory as a byte string. */
  readonly #base: string;
  readonly #record: RecordWriter;
  readonly #kinds = new Map<string, Kind>([['', DIRECTORY]]);
  readonly #directoryTimes = new Map<string, [number, number]>();
  #entries = 0;
  #devices = 0;
  #files = 0;
  #replacements = 0;
  #replacedDirectories = 0;
  #fd = -1;
  #entry: TarEntry | null = null;
  #path = '';
  /** Content of a member that makes no file goes into the record itself. */
  #discard = false;
  /** Bytes of regular files. */
  size = 0;
  /** Number of a file in the record -> where its content lies now, relative to `replaced`. */
  readonly moved: [number, string][] = [];

  constructor(target: UnpackTarget, record: RecordWriter) {
    this.#target = target;
    this.#base = Buffer.from(target.diff).toString('latin1');
    this.#record = record;
  }

  raw(bytes: Buffer): void {
    this.#record.raw(bytes);
  }

  entry(entry: TarEntry): void {
    if (++this.#entries > MAX_ENTRIES) throw new TarError(`a layer has more than ${MAX_ENTRIES} members`);
    this.#entry = entry;
    this.#discard = true;
    const names = cleanName(entry.name);
    const base = names.pop();
    if (base === undefined) {
      if (entry.type !== 'directory') throw new TarError(`the root of a layer is a ${entry.type}`);
      this.#makeDirectory('', entry);
      return;
    }
    if (base.startsWith(WHITEOUT)) {
      this.#whiteout(names, base);
      return;
    }
    const path = join(this.#directory(names), base);
    if (path.length >= PATH_MAX) throw new TarError(`the path of a layer's member is too long: ${shown(entry.name)}`);
    const kind = this.#kinds.get(path);
    if (entry.type === 'directory') {
      if (kind !== undefined && kind !== DIRECTORY) this.#replace(path, kind);
      this.#makeDirectory(path, entry);
      // A whiteout and a directory of the same name: what the lower layers have under it is gone.
      if (kind === WHITED_OUT) setXattr(this.#at(path), 'trusted.overlay.opaque', Buffer.from('y'));
      return;
    }
    if (entry.type === 'hardlink') this.#makeHardLink(path, entry);
    else {
      if (kind !== undefined) this.#replace(path, kind);
      if (entry.type === 'file') this.#openFile(path, entry);
      else this.#makeNode(path, entry);
    }
  }

  data(bytes: Buffer, offset: number): void {
    if (this.#discard) {
      this.#record.raw(bytes);
      return;
    }
    this.#record.content(offset, bytes.length);
    for (let done = 0; done < bytes.length; ) {
      done += fs.writeSync(this.#fd, bytes, done, bytes.length - done, offset + done);
    }
  }

  endOfFile(): void {
    if (this.#discard) return;
    const entry = this.#entry!;
    const fd = this.#fd;
    if (entry.sparse !== null) fs.ftruncateSync(fd, entry.size);
    fs.fchownSync(fd, entry.uid, entry.gid);
    fs.fchmodSync(fd, entry.mode);
    // After chown, which clears capabilities and setuid.
    this.#setXattrs(this.#path, entry);
    setFileTimes(fd, entry.mtime, entry.mtimeNs);
    this.#fd = -1;
    fs.closeSync(fd);
    this.size += entry.size;
  }

  /** Sets what had to wait until all members are there. */
  finish(): void {
    for (const [path, [seconds, nanoseconds]] of this.#directoryTimes) {
      if (this.#kinds.get(path) === DIRECTORY) setTimes(this.#at(path), seconds, nanoseconds);
    }
  }

  /** Closes what is open; for the way out behind an error. */
  abort(): void {
    if (this.#fd >= 0) fs.closeSync(this.#fd);
    this.#fd = -1;
  }

  #at(path: string): Buffer {
    return Buffer.from(path === '' ? this.#base : `${this.#base}/${path}`, 'latin1');
  }

  /** The directory that a list of names leads to, made where it is missing; symlinks are followed within the layer. */
  #directory(names: readonly string[]): string {
    const todo = [...names].reverse();
    let links = 0;
    let path = '';
    while (todo.length > 0) {
      const name = todo.pop()!;
      if (name === '..') {
        path = path.slice(0, Math.max(0, path.lastIndexOf('/')));
        continue;
      }
      const next = join(path, name);
      if (next.length >= PATH_MAX) throw new TarError(`a path in a layer is too long: ${shown(next)}`);
      const kind = this.#kinds.get(next);
      if (kind === DIRECTORY) {
        path = next;
      } else if (typeof kind === 'string') {
        if (++links > MAX_SYMLINKS) throw new TarError(`too many symlinks on the way to ${shown(names.join('/'))}`);
        if (kind.startsWith('/')) path = '';
        for (const part of kind.split('/').reverse()) if (part !== '' && part !== '.') todo.push(part);
        // As many as a path may have, so that links to links cannot multiply.
        if (todo.length > PATH_MAX) throw new TarError(`a path in a layer is too long: ${shown(names.join('/'))}`);
      } else if (kind === undefined || kind === WHITED_OUT) {
        if (kind !== undefined) fs.unlinkSync(this.#at(next));
        this.#makeImplied(next);
        if (kind === WHITED_OUT) setXattr(this.#at(next), 'trusted.overlay.opaque', Buffer.from('y'));
        path = next;
      } else {
        throw new TarError(`not a directory in a layer: ${shown(next)}`);
      }
    }
    return path;
  }

  #makeDirectory(path: string, entry: TarEntry): void {
    const at = this.#at(path);
    if (this.#kinds.get(path) !== DIRECTORY) fs.mkdirSync(at);
    this.#kinds.set(path, DIRECTORY);
    fs.chownSync(at, entry.uid, entry.gid);
    fs.chmodSync(at, entry.mode);
    this.#setXattrs(path, entry);
    this.#directoryTimes.set(path, [entry.mtime, entry.mtimeNs]);
  }

  /** A directory that the archive does not list: it looks as in the layers below, for it covers what they show. */
  #makeImplied(path: string): void {
    const at = this.#at(path);
    fs.mkdirSync(at);
    this.#kinds.set(path, DIRECTORY);
    fs.chmodSync(at, 0o755);
    for (const lower of this.#target.lowers) {
      const stat = statDirectory(lower, path);
      if (stat === 'absent') continue;
      if (stat !== 'other') {
        fs.chownSync(at, Number(stat.uid), Number(stat.gid));
        fs.chmodSync(at, Number(stat.mode) & 0o7777);
        const seconds = stat.mtimeNs / 1_000_000_000n;
        this.#directoryTimes.set(path, [Number(seconds), Number(stat.mtimeNs - seconds * 1_000_000_000n)]);
      }
      return;
    }
  }

  #whiteout(names: readonly string[], base: string): void {
    if (base === OPAQUE) {
      setXattr(this.#at(this.#directory(names)), 'trusted.overlay.opaque', Buffer.from('y'));
      return;
    }
    // Bookkeeping of aufs, which Docker leaves out too.
    if (base.startsWith(META)) return;
    const name = base.slice(WHITEOUT.length);
    if (name === '' || name === '.' || name === '..') throw new TarError(`a whiteout without a name: ${shown(base)}`);
    const path = join(this.#directory(names), name);
    const kind = this.#kinds.get(path);
    if (kind === undefined) {
      mknod(this.#at(path), S_IFCHR | 0o600, 0n);
      this.#kinds.set(path, WHITED_OUT);
    } else if (kind === DIRECTORY) {
      // A whiteout speaks of the layers below only (layer.md), so the directory of this layer stays.
      setXattr(this.#at(path), 'trusted.overlay.opaque', Buffer.from('y'));
    }
  }

  #openFile(path: string, entry: TarEntry): void {
    const { O_CREAT, O_EXCL, O_WRONLY, O_NOFOLLOW } = fs.constants;
    this.#fd = fs.openSync(this.#at(path), O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW, 0o600);
    this.#discard = false;
    this.#path = path;
    // Files that store nothing have no part in the record and so no number.
    const stored = entry.sparse === null ? entry.size : entry.sparse.reduce((sum, piece) => sum + piece.length, 0);
    if (stored > 0) {
      this.#record.file(path);
      this.#kinds.set(path, this.#files++);
    } else this.#kinds.set(path, OTHER);
  }

  #makeHardLink(path: string, entry: TarEntry): void {
    const names = cleanName(entry.linkName);
    const base = names.pop();
    const target = base === undefined ? '' : join(this.#directory(names), base);
    const kind = this.#kinds.get(target);
    if (kind === undefined || kind === DIRECTORY || kind === WHITED_OUT) {
      throw new TarError(`hard link ${shown(entry.name)} to ${shown(entry.linkName)}, which is no file of this layer`);
    }
    if (target === path) throw new TarError(`hard link ${shown(entry.name)} to itself`);
    const old = this.#kinds.get(path);
    if (old !== undefined) {
      if (target.startsWith(`${path}/`)) throw new TarError(`hard link ${shown(entry.name)} into itself`);
      this.#replace(path, old);
    }
    fs.linkSync(this.#at(target), this.#at(path));
    this.#kinds.set(path, typeof kind === 'string' ? kind : OTHER);
  }

  #makeNode(path: string, entry: TarEntry): void {
    const at = this.#at(path);
    if (entry.type === 'symlink') {
      if (entry.linkName === '' || entry.linkName.length >= PATH_MAX) {
        throw new TarError(`symlink ${shown(entry.name)} with no fit target`);
      }
      fs.symlinkSync(Buffer.from(entry.linkName, 'latin1'), at);
      this.#kinds.set(path, entry.linkName);
    } else {
      if (entry.type !== 'fifo' && ++this.#devices > MAX_DEVICES) {
        throw new TarError(`a layer has more than ${MAX_DEVICES} devices`);
      }
      const type = entry.type === 'fifo' ? S_IFIFO : entry.type === 'char' ? S_IFCHR : S_IFBLK;
      const { devMajor, devMinor } = entry;
      if (!inRange(devMajor) || !inRange(devMinor))
        throw new TarError(`device ${shown(entry.name)} with a wrong number`);
      mknod(at, type | 0o600, type === S_IFIFO ? 0n : makeDevice(devMajor, devMinor));
      this.#kinds.set(path, OTHER);
    }
    fs.lchownSync(at, entry.uid, entry.gid);
    if (entry.type !== 'symlink') fs.chmodSync(at, entry.mode);
    this.#setXattrs(path, entry);
    setTimes(at, entry.mtime, entry.mtimeNs);
  }

  #setXattrs(path: string, entry: TarEntry): void {
    for (const [name, value] of entry.xattrs) {
      // overlayfs's own attributes say where other directories are merged from: an archive has no business to set them.
      if (name.startsWith('trusted.overlay.') || name.startsWith('user.overlay.')) continue;
      try {
        setXattr(this.#at(path), name, value);
      } catch (error) {
        const code = (error as { code?: string }).code;
        // As Docker: an attribute that this file system or file type does not know is left out, but security.* must not be lost.
        if ((code === 'ENOTSUP' || code === 'EPERM') && !name.startsWith('security.')) continue;
        throw error;
      }
    }
  }

  /** Moves away what a later member replaces; its content is still part of the archive. */
  #replace(path: string, kind: Kind): void {
    if (path === '') throw new TarError('the root of a layer cannot be replaced');
    if (typeof kind === 'string' || kind === OTHER || kind === WHITED_OUT) {
      fs.unlinkSync(this.#at(path));
    } else {
      if (this.#replacements === 0) fs.mkdirSync(this.#target.replaced);
      const number = String(this.#replacements++);
      fs.renameSync(this.#at(path), `${this.#target.replaced}/${number}`);
      if (kind === DIRECTORY) {
        if (++this.#replacedDirectories > MAX_REPLACED_DIRECTORIES) {
          throw new TarError('a layer replaces too many of its own directories');
        }
        const prefix = `${path}/`;
        for (const [name, inner] of this.#kinds) {
          if (!name.startsWith(prefix)) continue;
          if (typeof inner === 'number' && inner >= 0)
            this.moved.push([inner, `${number}/${name.slice(prefix.length)}`]);
          this.#kinds.delete(name);
        }
      } else {
        this.moved.push([kind, number]);
      }
    }
    this.#kinds.delete(path);
  }
}

/** A member's name as its components; "." goes, ".." is worked out. Throws TarError for a name that leads out of the archive. */
export function cleanName(name: string): string[] {
  const names: string[] = [];
  for (const part of name.split('/')) {
    if (part === '' || part === '.') continue;
    if (part === '..') {
      if (names.length === 0 && !name.startsWith('/')) {
        throw new TarError(`invalid path in archive: ${shown(name)} is outside of the root`);
      }
      names.pop();
    } else if (part.length > 255) {
      throw new TarError(`a name in the archive is too long: ${shown(part)}`);
    } else names.push(part);
  }
  return names;
}

function join(directory: string, name: string): string {
  return directory === '' ? name : `${directory}/${name}`;
}

/** A name for a message: as text, and not longer than a line or two. */
function shown(name: string): string {
  return JSON.stringify(toText(name.slice(0, 200)));
}

function inRange(deviceNumber: number): boolean {
  return deviceNumber >= 0 && deviceNumber <= 0xffffffff;
}

/** A directory of a lower layer, where no symlink stands on the way. */
function statDirectory(lower: string, path: string): fs.BigIntStats | 'absent' | 'other' {
  let at = Buffer.from(lower);
  let stat: fs.BigIntStats | undefined;
  for (const name of path.split('/')) {
    at = Buffer.concat([at, Buffer.from(`/${name}`, 'latin1')]);
    stat = fs.lstatSync(at, { bigint: true, throwIfNoEntry: false });
    if (stat === undefined) return 'absent';
    if (!stat.isDirectory()) return 'other';
  }
  return stat ?? 'absent';
}
