import fs from 'node:fs';
import { chmod, chown, mkdir, readdir, rename, rm, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { GantryError } from '../../api/errors.ts';
import { getXattr, listXattrs, setXattr } from '../../linux/xattr.ts';
import { untarInto } from '../../storage/archive/untar-into.ts';
import { decompressed } from '../../storage/decompress.ts';
import { unsealed } from '../../storage/sealed-tar.ts';

/**
 * A restore in the directory of a volume. The archive is unpacked into `<name>.unpacking/new`, in the volume itself, so that from there
 * things get to their places by renaming. What decides is a renaming as well: once the directory is `<name>.replacing` the archive is
 * whole and right, and finish() carries on, whatever came in between: the old entries go to `old`, and under the name `<name>.filling` the
 * new ones come out of `new`. `name` is drawn by lot and kept beside the volume: what a container has put there is never taken for it.
 */
export class Restoration {
  readonly #directory: string;
  readonly #name: string;

  constructor(directory: string, name: string) {
    this.#directory = directory;
    this.#name = name;
  }

  /**
   * Unpacks and checks, then replaces what is there. Throws conflict when there is something, unless it shall be replaced, and
   * invalid_parameter for a damaged archive; nothing has changed then.
   */
  async run(archive: Readable, options: { name: string; replace: boolean }): Promise<void> {
    if (!options.replace && (await readdir(this.#directory)).length > 0) {
      archive.destroy();
      throw new GantryError('conflict', `restore ${options.name}: volume is not empty`, {
        hint: 'use --force to replace what is in it',
      });
    }
    const unpacking = this.#path('unpacking');
    try {
      await mkdir(join(unpacking, 'new'), { recursive: true, mode: 0o700 });
      const checked = Readable.from(unsealed(decompressed(archive)), { objectMode: false });
      const target = { directory: join(unpacking, 'new'), container: options.name };
      await untarInto(target, '/', checked, { exact: true });
      await rename(unpacking, this.#path('replacing'));
    } catch (error) {
      await rm(unpacking, { recursive: true, force: true });
      throw error;
    }
    await this.finish();
  }

  /** Whether the archive was whole: finish() will put its content in its place. */
  get decided(): boolean {
    return fs.existsSync(this.#path('replacing')) || fs.existsSync(this.#path('filling'));
  }

  /** Takes back what was not decided and completes what was. Nothing happens where there is neither. */
  async finish(): Promise<void> {
    await rm(this.#path('unpacking'), { recursive: true, force: true });
    const [replacing, filling] = [this.#path('replacing'), this.#path('filling')];
    if (fs.existsSync(replacing)) {
      await mkdir(join(replacing, 'old'), { recursive: true });
      for (const entry of await readdir(this.#directory)) {
        if (entry !== this.#entry('replacing'))
          await rename(join(this.#directory, entry), join(replacing, 'old', entry));
      }
      await rename(replacing, filling);
    }
    if (!fs.existsSync(filling)) return;
    const fresh = join(filling, 'new');
    const stats = fs.statSync(fresh);
    for (const entry of await readdir(fresh)) await rename(join(fresh, entry), join(this.#directory, entry));
    for (const name of listXattrs(fresh)) {
      const value = getXattr(fresh, name);
      if (value !== null) setXattr(this.#directory, name, value);
    }
    await chown(this.#directory, stats.uid, stats.gid);
    await chmod(this.#directory, stats.mode & 0o7777);
    await rm(filling, { recursive: true });
    await utimes(this.#directory, stats.atime, stats.mtime);
  }

  #entry(state: 'unpacking' | 'replacing' | 'filling'): string {
    return `${this.#name}.${state}`;
  }

  #path(state: 'unpacking' | 'replacing' | 'filling'): string {
    return join(this.#directory, this.#entry(state));
  }
}
