import { closeSync, fstatSync } from 'node:fs';
import { errnoOf, GantryError } from '../../api/errors.ts';
import { openInRoot } from '../../linux/in-root.ts';

/**
 * Makes a container's working directory in its root file system when it is missing, owned by uid and gid (root's, as
 * Docker does, not the container's user). Symlinks are followed inside the root alone. Throws system when something
 * else is in the way.
 */
export function ensureWorkingDirectory(rootfs: string, cwd: string, uid = 0, gid = 0): void {
  if (cwd === '' || cwd === '/') return;
  let fd: number;
  try {
    fd = openInRoot(rootfs, cwd, { uid, gid, mode: 0o755 });
  } catch (cause) {
    if (errnoOf(cause) !== 'ENOTDIR') throw cause;
    throw new GantryError('system', `Cannot mkdir: ${cwd} is not a directory`, { cause });
  }
  try {
    if (!fstatSync(fd).isDirectory()) throw new GantryError('system', `Cannot mkdir: ${cwd} is not a directory`);
  } finally {
    closeSync(fd);
  }
}
