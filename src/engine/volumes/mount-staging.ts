import { createHash } from 'node:crypto';
import {
  closeSync,
  existsSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { errnoOf, GantryError, messageOf } from '../../api/errors.ts';
import { openInRoot, pathOfFd } from '../../linux/in-root.ts';
import { MNT_DETACH, MS_BIND, MS_REC, mount, UMOUNT_NOFOLLOW, umount } from '../../linux/mount.ts';
import type { Digest, LayerStore } from '../../storage/contract.ts';

/**
 * Mounts on the host, in a place that only root can reach, from which containers and copies get what has no path of its own there: images,
 * and parts of volumes. `<root>/<user>` holds those of one user; what a daemon that was killed has left, sweep() takes away.
 */
export class MountStaging {
  readonly #root: string;
  readonly #layers: Pick<LayerStore, 'mount'>;

  /** `root`: on a tmpfs. */
  constructor(root: string, layers: Pick<LayerStore, 'mount'>) {
    this.#root = root;
    this.#layers = layers;
  }

  /** Where image() mounts. */
  imagePath(user: string, destination: string): string {
    return `${this.#place(user, destination)}-image`;
  }

  /** Mounts an image, read-only, and returns the path of it, or of what `subpath` names in it. Throws as subpath(). */
  image(user: string, destination: string, chainId: Digest | null, subpath: string): string {
    const target = this.imagePath(user, destination);
    mkdirSync(target, { recursive: true, mode: 0o700 });
    this.#layers.mount(chainId, target);
    return subpath === '' ? target : this.subpath(user, destination, target, subpath);
  }

  /**
   * Another container may swap a directory of the volume for a symlink at any time, and whoever mounts by name would follow it. So
   * the subpath is opened within `root` and bound, by its descriptor, to a place nobody else can reach. Throws invalid_parameter when
   * there is none.
   */
  subpath(user: string, destination: string, root: string, subpath: string): string {
    const target = this.#place(user, destination);
    const fd = openSubpath(root, subpath);
    try {
      mkdirSync(join(this.#root, user), { recursive: true, mode: 0o700 });
      if (fstatSync(fd).isDirectory()) mkdirSync(target, { recursive: true });
      else writeFileSync(target, '');
      mount(pathOfFd(fd), target, null, MS_BIND | MS_REC);
      return target;
    } finally {
      closeSync(fd);
    }
  }

  /** Takes away all that a user has here. Nothing happens when that is nothing. */
  clear(user: string): void {
    const directory = join(this.#root, user);
    if (!existsSync(directory)) return;
    let left = false;
    for (const entry of readdirSync(directory)) {
      const path = join(directory, entry);
      try {
        // As often as something is mounted there.
        for (;;) umount(path, MNT_DETACH | UMOUNT_NOFOLLOW);
      } catch (error) {
        // Still mounted: removing it would remove the volume's content.
        if (errnoOf(error) !== 'EINVAL') {
          left = true;
          continue;
        }
      }
      if (lstatSync(path).isDirectory()) rmdirSync(path);
      else rmSync(path);
    }
    if (!left) rmdirSync(directory);
  }

  /** Takes away what all but these users have. */
  sweep(live: ReadonlySet<string>): void {
    if (!existsSync(this.#root)) return;
    for (const user of readdirSync(this.#root)) if (!live.has(user)) this.clear(user);
  }

  #place(user: string, destination: string): string {
    return join(this.#root, user, createHash('sha256').update(destination).digest('hex').slice(0, 16));
  }
}

/** Opens (O_PATH) a path within a volume. Throws invalid_parameter. */
export function openSubpath(root: string, subpath: string): number {
  try {
    return openInRoot(root, subpath);
  } catch (cause) {
    const why = errnoOf(cause) === 'ENOENT' ? 'no such file or directory' : messageOf(cause);
    throw new GantryError(
      'invalid_parameter',
      `failed to mount subpath: cannot access path ${join(root, subpath)}: ${why}`,
      { cause },
    );
  }
}
