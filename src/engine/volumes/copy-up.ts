import { execFile } from 'node:child_process';
import { chmodSync, chownSync, closeSync, fstatSync, readdirSync } from 'node:fs';
import { promisify } from 'node:util';
import { errnoOf, GantryError, messageOf } from '../../api/errors.ts';
import { openInRoot, pathOfFd } from '../../linux/in-root.ts';

/**
 * Fills an empty volume with what the image has at `path` in `rootfs`, and gives it that directory's owner and mode; a
 * volume with content stays as it is. Owners, modes, times, links, devices and extended attributes (file capabilities)
 * are kept. With `subpath` it is that directory of the volume which is filled. Nothing happens when the image or the volume has no such
 * directory. Throws no_space, and system when the copy fails.
 */
export async function copyUp(rootfs: string, path: string, volume: string, subpath = ''): Promise<void> {
  const from = openDirectory(rootfs, path);
  if (from === null) return;
  const to = openDirectory(volume, subpath);
  try {
    if (to === null || readdirSync(pathOfFd(to)).length > 0) return;
    // cp from coreutils copies what Node cannot (extended attributes, devices); an empty directory needs none.
    if (readdirSync(pathOfFd(from)).length > 0) {
      // By their descriptors: a container that has the volume may swap a directory for a link meanwhile.
      const [source, target] = [from, to].map((fd) => `/proc/${process.pid}/fd/${fd}/.`) as [string, string];
      await promisify(execFile)('cp', ['-a', '--reflink=auto', '--', source, target]);
    }
    const { uid, gid, mode } = fstatSync(from);
    chownSync(pathOfFd(to), uid, gid);
    chmodSync(pathOfFd(to), mode & 0o7777);
  } catch (cause) {
    throw failed(cause, path);
  } finally {
    closeSync(from);
    if (to !== null) closeSync(to);
  }
}

function openDirectory(root: string, path: string): number | null {
  let fd: number;
  try {
    fd = openInRoot(root, path);
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'ELOOP'].includes(errnoOf(error) ?? '')) return null;
    throw error;
  }
  if (fstatSync(fd).isDirectory()) return fd;
  closeSync(fd);
  return null;
}

function failed(cause: unknown, path: string): GantryError {
  const stderr = String((cause as { stderr?: unknown }).stderr ?? '');
  const full = /No space left on device|Disk quota exceeded/.test(stderr);
  const why = stderr.trim().split('\n').at(-1) || messageOf(cause);
  return new GantryError(full ? 'no_space' : 'system', `error while populating the volume at ${path}: ${why}`, {
    cause,
  });
}
