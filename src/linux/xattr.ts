/**
 * Extended attributes (xattr(7)) of the path itself: a symlink is never followed.
 */

import { cPath, type PathBytes } from './file.ts';
import { check, declare, errno } from './libc.ts';

const getCall = declare('long lgetxattr(const void *path, const char *name, void *value, size_t size)');
const setCall = declare('int lsetxattr(const void *path, const char *name, const void *value, size_t size, int flags)');
const listCall = declare('long llistxattr(const void *path, void *list, size_t size)');

const ENODATA = 61;
const ENOTSUP = 95;
/** XATTR_SIZE_MAX and XATTR_LIST_MAX of <linux/limits.h>: no value and no list is longer. */
const LIMIT = 65536;
const scratch = Buffer.alloc(LIMIT);

/** The value, or null when there is no such attribute or the file system has none. Throws SystemCallError. */
export function getXattr(path: PathBytes, name: string): Buffer | null {
  const length = Number(getCall(cPath(path), name, scratch, LIMIT));
  if (length < 0) {
    const number = errno();
    if (number === ENODATA || number === ENOTSUP) return null;
    check(-1, 'lgetxattr', String(path));
  }
  return Buffer.from(scratch.subarray(0, length));
}

/** Throws SystemCallError: ENOTSUP where the file system or file type has no such attribute. */
export function setXattr(path: PathBytes, name: string, value: Uint8Array): void {
  check(setCall(cPath(path), name, value, value.length, 0), 'lsetxattr', `${path} ${name}`);
}

/** Names of all attributes; empty where the file system has none. Throws SystemCallError. */
export function listXattrs(path: PathBytes): string[] {
  const length = Number(listCall(cPath(path), scratch, LIMIT));
  if (length < 0) {
    if (errno() === ENOTSUP) return [];
    check(-1, 'llistxattr', String(path));
  }
  return length === 0 ? [] : scratch.toString('latin1', 0, length - 1).split('\0');
}
