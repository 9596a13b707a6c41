import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { finished, Readable } from 'node:stream';
import { GantryError } from '../../api/errors.ts';
import { lookupUser } from '../../runtime/spec/user.ts';
import type { ContainerFiles } from '../../storage/archive/root.ts';
import { type PathStat, statPath } from '../../storage/archive/stat.ts';
import { tarPath } from '../../storage/archive/tar-path.ts';
import { untarInto } from '../../storage/archive/untar-into.ts';
import type { Change, Storage } from '../../storage/contract.ts';
import { tarTree } from '../../storage/tree-tar.ts';
import type { Container } from './container.ts';
import { MountedCopy, type PlacedMount, placeOf } from './mounted-copy.ts';

export type { PathStat };

/** Finds where the sources of a container's volumes lie on the host. */
export interface VolumePaths {
  /** Throws not_found. */
  path(name: string): string;
}

export interface PutOptions {
  noOverwriteDirNonDir: boolean;
  /** Everything gets the container's user and group as owner, if the container has a user. */
  copyOwner: boolean;
}

/** A container's files as seen from outside: `docker cp`, `export` and `diff`. */
export class FilesOfContainers {
  readonly #storage: Storage;
  readonly #volumes: VolumePaths;

  constructor(storage: Storage, volumes: VolumePaths) {
    this.#storage = storage;
    this.#volumes = volumes;
  }

  /** Throws not_found and invalid_parameter. */
  async stat(container: Container, path: string): Promise<PathStat> {
    const view = await this.#open(container, path);
    try {
      return statPath(view.files, path);
    } finally {
      view.close();
    }
  }

  /** The path as a tar; what it needs stays mounted until the stream has ended. Throws as stat(). */
  async get(container: Container, path: string): Promise<{ stat: PathStat; tar: Readable }> {
    const view = await this.#open(container, path);
    try {
      const result = tarPath(view.files, path);
      finished(result.tar, () => view.close());
      container.event('archive-path');
      return result;
    } catch (error) {
      view.close();
      throw error;
    }
  }

  /** Unpacks a tar into a directory. Throws not_found, invalid_parameter, no_space. */
  async put(container: Container, path: string, tar: Readable, options: PutOptions): Promise<void> {
    const view = await this.#open(container, path);
    try {
      const user = options.copyOwner ? (container.record.config.User ?? '') : '';
      const owner = user === '' ? null : lookupUser(view.files.directory, user);
      await untarInto(view.files, path, tar, {
        noOverwriteDirNonDir: options.noOverwriteDirNonDir,
        ...(owner === null ? {} : { chown: { uid: owner.uid, gid: owner.gid } }),
        allow: (directory) => checkWritable(container, directory),
      });
      container.event('extract-to-dir');
    } finally {
      view.close();
    }
  }

  /** The whole root file system, without volumes, as a tar. Throws conflict for a container that is being removed. */
  export(container: Container): Readable {
    checkPresent(container);
    const rootfs = this.#storage.writable.mount(container.id);
    const tar = Readable.from(tarTree(rootfs), { objectMode: false });
    finished(tar, () => this.#storage.writable.unmount(container.id));
    container.event('export');
    return tar;
  }

  /** What differs from the image. */
  changes(container: Container): Promise<Change[]> {
    checkPresent(container);
    return this.#storage.writable.changes(container.id);
  }

  async #open(container: Container, path: string): Promise<{ files: ContainerFiles; close(): void }> {
    checkPresent(container);
    const { record } = container;
    const named = record.name;
    // Volumes, tmpfs and all else that the process has mounted are seen through its own root.
    const live = `/proc/${record.state.pid}/root`;
    if (container.running && existsSync(live)) {
      return { files: { directory: live, container: named }, close() {} };
    }
    const { writable } = this.#storage;
    const rootfs = writable.mount(container.id);
    try {
      const mounts = [...networkFiles(container, rootfs, path), ...this.#mountsOf(container)];
      if (mounts.length === 0) {
        return { files: { directory: rootfs, container: named }, close: () => writable.unmount(container.id) };
      }
      const copy = await MountedCopy.open(rootfs, mounts);
      return {
        files: { directory: copy.directory, container: named },
        close() {
          copy.close();
          writable.unmount(container.id);
        },
      };
    } catch (error) {
      writable.unmount(container.id);
      throw error;
    }
  }

  #mountsOf(container: Container): PlacedMount[] {
    const { record } = container;
    const volumes = record.mounts.flatMap((point) => {
      if (point.Type !== 'volume' && point.Type !== 'bind') return [];
      const destination = point.Destination!;
      const wanted = record.hostConfig.Mounts?.find(({ Target }) => Target === destination);
      const subpath = wanted?.VolumeOptions?.Subpath ?? '';
      const root = point.Type === 'volume' ? this.#volumes.path(point.Name!) : point.Source!;
      const source = subpath === '' ? root : placeOf(root, subpath);
      // What has gone cannot be copied from; the rest can.
      return source !== null && existsSync(source) ? [{ source, destination }] : [];
    });
    return volumes;
  }
}

/**
 * The name files that a container's last run had mounted in /etc, where `path` shows or holds them. They cost a helper process, which
 * a copy from elsewhere is spared.
 */
function networkFiles(container: Container, rootfs: string, path: string): PlacedMount[] {
  const place = placeOf(rootfs, path);
  if (place === null) return [];
  const named = new Set(container.record.mounts.map((point) => point.Destination));
  return ['hosts', 'hostname', 'resolv.conf'].flatMap((file) => {
    const source = join(container.directory, file);
    const destination = `/etc/${file}`;
    const shown = [rootfs, join(rootfs, '/etc'), join(rootfs, destination)].includes(place);
    return shown && !named.has(destination) && existsSync(source) ? [{ source, destination }] : [];
  });
}

function checkPresent(container: Container): void {
  const { status } = container.record.state;
  if (status === 'removing' || status === 'dead') {
    throw new GantryError('conflict', `container ${container.id} is being removed`);
  }
}

/** Refuses what the container itself could not write to, with dockerd's status (the API's description says 403). */
function checkWritable(container: Container, directory: string): void {
  const { mounts, hostConfig } = container.record;
  const tmpfs = Object.keys(hostConfig.Tmpfs ?? {}).map((path) => ({ Destination: path, RW: true }));
  const under = [...mounts, ...tmpfs]
    .filter(({ Destination: place = '' }) => directory === place || directory.startsWith(`${place}/`))
    .sort((a, b) => b.Destination!.length - a.Destination!.length)[0];
  if (under !== undefined) {
    if (under.RW === false) throw new GantryError('invalid_parameter', 'mounted volume is marked read-only');
  } else if (hostConfig.ReadonlyRootfs === true) {
    throw new GantryError('invalid_parameter', 'container rootfs is marked read-only');
  }
}
