/**
 * Mounts by system call: mount(2), umount2(2) and /proc/self/mountinfo (proc(5)). Constants from <sys/mount.h>.
 */
import { readFileSync } from 'node:fs';
import { check, declare, declareBlocking } from './libc.ts';

export const MS_RDONLY = 0x1;
export const MS_NOSUID = 0x2;
export const MS_NODEV = 0x4;
export const MS_NOEXEC = 0x8;
export const MS_SYNCHRONOUS = 0x10;
export const MS_REMOUNT = 0x20;
export const MS_MANDLOCK = 0x40;
export const MS_DIRSYNC = 0x80;
export const MS_NOATIME = 0x400;
export const MS_NODIRATIME = 0x800;
export const MS_BIND = 0x1000;
export const MS_REC = 0x4000;
export const MS_UNBINDABLE = 0x20000;
export const MS_PRIVATE = 0x40000;
export const MS_SLAVE = 0x80000;
export const MS_SHARED = 0x100000;
export const MS_RELATIME = 0x200000;
export const MS_STRICTATIME = 0x1000000;

export const MNT_DETACH = 2;
export const UMOUNT_NOFOLLOW = 8;

const mountCall = declare(
  'int mount(const char *source, const char *target, const char *type, unsigned long flags, const char *data)',
);
const mountBlocking = declareBlocking(
  'int mount(const char *source, const char *target, const char *type, unsigned long flags, const char *data)',
  'mount',
);
const umountCall = declare('int umount2(const char *target, int flags)');

/** mount(2). Throws SystemCallError (EPERM, ENOENT, EINVAL, ...). `data` must stay below one page (4,095 bytes). */
export function mount(
  source: string,
  target: string,
  fstype: string | null,
  flags = 0,
  data: string | null = null,
): void {
  check(mountCall(source, target, fstype, flags, data), 'mount', target);
}

/** mount() for file systems whose disk or server may let wait. */
export async function mountSlowly(
  source: string,
  target: string,
  fstype: string,
  flags: number,
  data: string | null,
): Promise<void> {
  await mountBlocking(target, source, target, fstype, flags, data);
}

/** umount2(2). Throws SystemCallError: EINVAL when `target` is no mount point, EBUSY when it is in use. */
export function umount(target: string, flags = 0): void {
  check(umountCall(target, flags), 'umount2', target);
}

export interface MountEntry {
  id: number;
  parentId: number;
  /** "major:minor". */
  device: string;
  /** Path within the file system that forms the root of this mount. */
  root: string;
  mountPoint: string;
  options: string[];
  /** "shared:1", "master:2", ... */
  propagation: string[];
  fstype: string;
  source: string;
  superOptions: string[];
}

/** One line of mountinfo; blanks, tabs, newlines and backslashes come as octal escapes. */
function parseLine(line: string): MountEntry | null {
  const fields = line.split(' ');
  const dash = fields.indexOf('-', 6);
  if (dash < 0) return null;
  const text = (index: number): string =>
    (fields[index] ?? '').replace(/\\([0-7]{3})/g, (_, octal: string) =>
      String.fromCharCode(Number.parseInt(octal, 8)),
    );
  return {
    id: Number(fields[0]),
    parentId: Number(fields[1]),
    device: text(2),
    root: text(3),
    mountPoint: text(4),
    options: text(5).split(','),
    propagation: fields.slice(6, dash),
    fstype: text(dash + 1),
    source: text(dash + 2),
    superOptions: text(dash + 3).split(','),
  };
}

/** Parses the text of a mountinfo file, in the kernel's order (a later mount covers an earlier one). */
export function parseMountInfo(text: string): MountEntry[] {
  const entries: MountEntry[] = [];
  for (const line of text.split('\n')) {
    const entry = parseLine(line);
    if (entry !== null) entries.push(entry);
  }
  return entries;
}

/** All mounts of a process's mount namespace. */
export function listMounts(pid: number | 'self' = 'self'): MountEntry[] {
  return parseMountInfo(readFileSync(`/proc/${pid}/mountinfo`, 'utf8'));
}

/** Whether something is mounted on exactly this absolute path (no trailing slash, symlinks resolved by the caller). */
export function isMountPoint(path: string): boolean {
  return listMounts().some((entry) => entry.mountPoint === path);
}
