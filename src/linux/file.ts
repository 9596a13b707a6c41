/**
 * File system calls that Node's fs does not have: device nodes, times to the nanosecond, path resolution that stays under a
 * root (openat2(2)), syncfs. Paths may be Buffers, because a file name is bytes, not text.
 */
import { check, declare, errno } from './libc.ts';

export type PathBytes = string | Uint8Array;

const AT_FDCWD = -100;
export const O_PATH = 0o10000000;
const O_CLOEXEC = 0o2000000;

export const S_IFMT = 0o170000;
export const S_IFSOCK = 0o140000;
export const S_IFLNK = 0o120000;
export const S_IFBLK = 0o060000;
export const S_IFDIR = 0o040000;
export const S_IFCHR = 0o020000;
export const S_IFIFO = 0o010000;

/** openat2(2) resolve flags, <linux/openat2.h>. */
export const RESOLVE_NO_SYMLINKS = 0x04;
export const RESOLVE_BENEATH = 0x08;
export const RESOLVE_IN_ROOT = 0x10;

/** The same number on every architecture, as for all calls added since Linux 5.0. */
const SYS_OPENAT2 = 437;
const EAGAIN = 11;
const AT_SYMLINK_NOFOLLOW = 0x100;

const mknodCall = declare('int mknod(const void *path, unsigned int mode, unsigned long dev)');
const utimensatCall = declare('int utimensat(int dirfd, const void *path, const void *times, int flags)');
const futimensCall = declare('int futimens(int fd, const void *times)');
const openat2Call = declare('long syscall(long number, int dirfd, const void *path, const void *how, size_t size)');
const syncfsCall = declare('int syncfs(int fd)');
const fallocateCall = declare('int fallocate(int fd, int mode, long offset, long length)');
const FALLOC_FL_KEEP_SIZE = 1;
const lseekCall = declare('long lseek(int fd, long offset, int whence)');
const SEEK_DATA = 3;
const SEEK_HOLE = 4;
const ENXIO = 6;

/** The path as NUL-terminated bytes for a C call. Throws for a path that holds a NUL, which C would cut short. */
export function cPath(path: PathBytes): Buffer {
  const length = typeof path === 'string' ? Buffer.byteLength(path) : path.length;
  const bytes = Buffer.allocUnsafe(length + 1);
  if (typeof path === 'string') bytes.write(path);
  else bytes.set(path);
  bytes[length] = 0;
  if (bytes.indexOf(0) !== length) throw new TypeError(`a path holds a NUL byte: ${JSON.stringify(String(path))}`);
  return bytes;
}

/**
 * Where the next piece of a file that holds data begins and ends, at or after `from` (lseek(2)); null when there is only a hole. A file
 * system that knows no holes says that all is data. Throws SystemCallError.
 */
export function nextData(fd: number, from: number): { offset: number; end: number } | null {
  const offset = Number(lseekCall(fd, from, SEEK_DATA));
  if (offset < 0 && errno() === ENXIO) return null;
  check(offset, 'lseek');
  return { offset, end: check(lseekCall(fd, offset, SEEK_HOLE), 'lseek') };
}

/** mknod(2): `mode` holds the type and the permissions (less the umask). Throws SystemCallError. */
export function mknod(path: PathBytes, mode: number, device: bigint = 0n): void {
  check(mknodCall(cPath(path), mode, device), 'mknod', String(path));
}

const times = Buffer.alloc(32);
function fillTimes(seconds: number, nanoseconds: number): Buffer {
  const s = BigInt(seconds);
  const n = BigInt(nanoseconds);
  times.writeBigInt64LE(s, 0);
  times.writeBigInt64LE(n, 8);
  times.writeBigInt64LE(s, 16);
  times.writeBigInt64LE(n, 24);
  return times;
}

/** Sets access and modification time of the path itself, a symlink included. Throws SystemCallError. */
export function setTimes(path: PathBytes, seconds: number, nanoseconds: number): void {
  const result = utimensatCall(AT_FDCWD, cPath(path), fillTimes(seconds, nanoseconds), AT_SYMLINK_NOFOLLOW);
  check(result, 'utimensat', String(path));
}

/** The same for an open file. */
export function setFileTimes(fd: number, seconds: number, nanoseconds: number): void {
  check(futimensCall(fd, fillTimes(seconds, nanoseconds)), 'futimens', String(fd));
}

/**
 * openat2(2): opens `path` relative to `dirfd` and returns a descriptor, which the caller closes. With RESOLVE_IN_ROOT, "/" and
 * ".." and every symlink on the way stay under `dirfd`. Throws SystemCallError.
 */
export function openat2(dirfd: number, path: PathBytes, flags: number, mode: number, resolve: number): number {
  const how = Buffer.alloc(24);
  how.writeBigUInt64LE(BigInt((flags | O_CLOEXEC) >>> 0), 0);
  how.writeBigUInt64LE(BigInt(mode), 8);
  how.writeBigUInt64LE(BigInt(resolve), 16);
  const bytes = cPath(path);
  // The kernel answers EAGAIN when a rename somewhere raced with the resolution of ".."; trying again is its own advice.
  for (let attempt = 0; ; attempt++) {
    const fd = Number(openat2Call(SYS_OPENAT2, dirfd, bytes, how, how.length));
    if (fd >= 0) return fd;
    if (errno() !== EAGAIN || attempt === 128) return check(-1, 'openat2', String(path));
  }
}

/** Writes everything of the file system that holds `fd` to disk. Throws SystemCallError (EIO, ENOSPC). */
export function syncfs(fd: number): void {
  check(syncfsCall(fd), 'syncfs', String(fd));
}

/** Gives a file its first `bytes` on disk without making it longer. Throws SystemCallError (ENOSPC, EOPNOTSUPP). */
export function allocate(fd: number, bytes: number): void {
  check(fallocateCall(fd, FALLOC_FL_KEEP_SIZE, 0, bytes), 'fallocate', String(fd));
}
