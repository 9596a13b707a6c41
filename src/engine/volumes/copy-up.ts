import { execFile } from 'node:child_process';
import { chmodSync, chownSync, closeSync, fstatSync, readdirSync } from 'node:fs';
import { promisify } from 'node:util';
import { errnoOf, GantryError, messageOf } from '../../api/errors.ts';
import { openInRoot, pathOfFd } from '../../linux/in-root.ts';

/**
 * Fills an empty volume with what the image has at `path` in `rootfs`, and gives it that directory's owner and mode; a
 * volume with content stays as it is. Owners, modes, times, links, devices and extended attributes (file capabilities)
 * are kept. Nothing happens when the image has no such directory. Throws system when the copy fails.
 */
export async function copyUp(rootfs: string, path: string, volume: string): Promise<void> {
  if (readdirSync(volume).length > 0) return;
  let from: number;
  try {
    from = openInRoot(rootfs, path);
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'ELOOP'].includes(errnoOf(error) ?? '')) return;
    throw error;
  }
  try {
    const stats = fstatSync(from);
    if (!stats.isDirectory()) return;
    // cp from coreutils copies what Node cannot (extended attributes, devices); an empty directory needs none.
    if (readdirSync(pathOfFd(from)).length > 0) {
      const source = `/proc/${process.pid}/fd/${from}/.`;
      await promisify(execFile)('cp', ['-a', '--reflink=auto', '--', source, volume]);
    }
    chownSync(volume, stats.uid, stats.gid);
    chmodSync(volume, stats.mode & 0o7777);
  } catch (cause) {
    throw new GantryError('system', `error while populating the volume at ${path}: ${messageOf(cause)}`, { cause });
  } finally {
    closeSync(from);
  }
}
