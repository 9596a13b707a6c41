/**
 * Containers' writable layers: `<root>/rw/<id>` with diff, work, merged and the symlink `parent`, whose target is the chain ID.
 * All of it is metadata of the file system, which journals it in order: when the caller's own record of the container is on disk
 * (its database syncs the same file system), so is this. No sync of its own is needed on the way to a started container.
 */
import { randomUUID } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { Readable } from 'node:stream';
import { GantryError } from '../api/errors.ts';
import { isMountPoint, listMounts, MNT_DETACH, UMOUNT_NOFOLLOW, umount } from '../linux/mount.ts';
import { listChanges } from './changes.ts';
import type { Change, Digest, WritableLayers } from './contract.ts';
import { noSpace } from './durable.ts';
import { type FileLayerStore, removeTree } from './layer-store.ts';
import { EMPTY, fixedOptions, mountOverlay } from './overlay.ts';
import { runtimePlaces } from './runtime-places.ts';
import { Turns, walkTree } from './tree.ts';
import { tarTree } from './tree-tar.ts';

export class OverlayWritableLayers implements WritableLayers {
  readonly #root: string;
  readonly #layers: FileLayerStore;
  readonly #fixed = fixedOptions();
  readonly #users = new Map<string, number>();

  constructor(root: string, layers: FileLayerStore) {
    this.#root = root;
    this.#layers = layers;
    fs.mkdirSync(path.join(root, 'rw'), { recursive: true, mode: 0o710 });
    fs.mkdirSync(path.join(root, EMPTY), { recursive: true, mode: 0o755 });
  }

  #directory(id: string): string {
    // The id becomes a path, and ids come from files and callers.
    if (!/^[A-Za-z0-9][A-Za-z0-9_.-]*$/.test(id)) throw new GantryError('invalid_parameter', `invalid layer id: ${id}`);
    return path.join(this.#root, 'rw', id);
  }

  #parent(id: string): Digest | null {
    try {
      const target = fs.readlinkSync(path.join(this.#directory(id), 'parent'));
      return target === 'scratch' ? null : target;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      throw new GantryError('not_found', `writable layer ${id} not found`, { cause: error });
    }
  }

  async create(
    id: string,
    parent: Digest | null,
    options: { storageOpt?: Record<string, string> } = {},
  ): Promise<void> {
    for (const key of Object.keys(options.storageOpt ?? {})) {
      if (key !== 'size')
        throw new GantryError('invalid_parameter', `unknown option ${key} for storage driver overlay2`);
      throw new GantryError(
        'not_supported',
        "--storage-opt is supported only for overlay over xfs with 'pquota' mount option",
        { hint: 'run the container without --storage-opt size' },
      );
    }
    this.#layers.chain(parent);
    const target = this.#directory(id);
    const tmp = path.join(this.#root, 'tmp', `rw-${randomUUID()}`);
    try {
      // A handful of metadata calls take 0.1 ms; handing each to the thread pool would take longer.
      fs.mkdirSync(tmp, { mode: 0o710 });
      fs.mkdirSync(path.join(tmp, 'diff'), { mode: 0o755 });
      fs.chmodSync(path.join(tmp, 'diff'), 0o755);
      fs.mkdirSync(path.join(tmp, 'work'), { mode: 0o700 });
      fs.symlinkSync(parent ?? 'scratch', path.join(tmp, 'parent'));
      if (fs.existsSync(target)) throw new GantryError('conflict', `writable layer ${id} exists`);
      fs.renameSync(tmp, target);
    } catch (error) {
      fs.rmSync(tmp, { recursive: true, force: true });
      throw noSpace(error, `failed to create the writable layer of container ${id}`);
    }
  }

  exists(id: string): boolean {
    return fs.existsSync(this.#directory(id));
  }

  list(): string[] {
    return fs.readdirSync(path.join(this.#root, 'rw'));
  }

  mount(id: string): string {
    const merged = path.join(this.#directory(id), 'merged');
    const users = this.#users.get(id) ?? 0;
    if (users === 0) {
      const lowers = this.#layers.chain(this.#parent(id)).map((layer) => `l/${layer.link}`);
      fs.mkdirSync(merged, { recursive: true, mode: 0o755 });
      mountOverlay(this.#root, `rw/${id}`, lowers.length === 0 ? [EMPTY] : lowers, this.#fixed);
    }
    this.#users.set(id, users + 1);
    return merged;
  }

  unmount(id: string): void {
    const users = this.#users.get(id);
    if (users === undefined) return;
    if (users > 1) this.#users.set(id, users - 1);
    else this.#unmountNow(id);
  }

  #unmountNow(id: string): void {
    this.#users.delete(id);
    const merged = path.join(this.#directory(id), 'merged');
    try {
      umount(merged, MNT_DETACH | UMOUNT_NOFOLLOW);
    } catch {
      // Not mounted, or gone with its directory.
    }
    try {
      // Removing the mount point unmounts the copies in other mount namespaces, which would keep the upper directory busy.
      fs.rmdirSync(merged);
    } catch {
      // It is made again by the next mount, and rmdir is refused where something is still mounted.
    }
  }

  async remove(id: string): Promise<void> {
    const directory = this.#directory(id);
    this.#unmountNow(id);
    for (let layers = 0; isMountPoint(path.join(directory, 'merged')) && layers < 16; layers++) this.#unmountNow(id);
    if (!fs.existsSync(directory)) return;
    const tmp = path.join(this.#root, 'tmp', `removed-${randomUUID()}`);
    fs.renameSync(directory, tmp);
    await removeTree(tmp);
  }

  changes(id: string): Promise<Change[]> {
    const { upperDir, lowerDirs } = this.describe(id);
    return listChanges(upperDir, lowerDirs, runtimePlaces(upperDir, lowerDirs));
  }

  diffTar(id: string): Readable {
    const { upperDir, lowerDirs } = this.describe(id);
    const places = runtimePlaces(upperDir, lowerDirs);
    const rename = (path: string) => (places.has(path) ? null : path);
    return Readable.from(tarTree(upperDir, { whiteouts: true, rename }), { objectMode: false });
  }

  async size(id: string): Promise<number> {
    const turns = new Turns();
    const linked = new Set<bigint>();
    let size = 0;
    for (const { stat } of walkTree(this.describe(id).upperDir)) {
      await turns.pause();
      if (!stat.isFile()) continue;
      if (stat.nlink > 1n) {
        if (linked.has(stat.ino)) continue;
        linked.add(stat.ino);
      }
      size += Number(stat.size);
    }
    return size;
  }

  describe(id: string): { upperDir: string; lowerDirs: string[]; workDir: string; mergedDir: string } {
    const directory = this.#directory(id);
    return {
      upperDir: path.join(directory, 'diff'),
      lowerDirs: this.#layers.chain(this.#parent(id)).map((layer) => this.#layers.diffDirectory(layer.chainId)),
      workDir: path.join(directory, 'work'),
      mergedDir: path.join(directory, 'merged'),
    };
  }

  /** Takes over the mounts of the containers that run, and unmounts all others. */
  recover(liveIds: ReadonlySet<string>): void {
    const base = `${path.join(this.#root, 'rw')}/`;
    for (const { mountPoint } of listMounts().reverse()) {
      if (!mountPoint.startsWith(base) || !mountPoint.endsWith('/merged')) continue;
      const id = mountPoint.slice(base.length, -'/merged'.length);
      if (id.includes('/')) continue;
      if (liveIds.has(id)) this.#users.set(id, Math.max(1, this.#users.get(id) ?? 0));
      else if (!this.#users.has(id)) this.#unmountNow(id);
    }
  }
}
