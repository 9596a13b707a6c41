import { randomBytes } from 'node:crypto';
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
import { requestsOf } from '../volumes/mount-points.ts';
import type { MountStaging } from '../volumes/mount-staging.ts';
import { mountSource } from '../volumes/oci-mounts.ts';
import type { Container } from './container.ts';
import { MountedCopy, type PlacedMount, placeOf } from './mounted-copy.ts';

export type { PathStat };

/** Makes the content of a container's volumes available. */
export interface VolumeMounts {
  /** Directory on the host, there until unmount(). Throws not_found. */
  mount(name: string, user: string): Promise<string>;
  unmount(name: string, user: string): Promise<void>;
}

/** A container's files, and what is to be let go after them. */
interface FilesView {
  files: ContainerFiles;
  close(): Promise<void>;
}

export interface PutOptions {
  noOverwriteDirNonDir: boolean;
  /** Everything gets the container's user and group as owner, if the container has a user. */
  copyOwner: boolean;
}

/** A container's files as seen from outside: `docker cp`, `export` and `diff`. */
export class FilesOfContainers {
  readonly #storage: Storage;
  readonly #volumes: VolumeMounts;
  readonly #staging: MountStaging;

  constructor(storage: Storage, volumes: VolumeMounts, staging: MountStaging) {
    this.#storage = storage;
    this.#volumes = volumes;
    this.#staging = staging;
  }

  /** Throws not_found and invalid_parameter. */
  async stat(container: Container, path: string): Promise<PathStat> {
    const view = await this.#open(container, path);
    try {
      return statPath(view.files, path);
    } finally {
      await view.close();
    }
  }

  /** The path as a tar; what it needs stays mounted until the stream has ended. Throws as stat(). */
  async get(container: Container, path: string): Promise<{ stat: PathStat; tar: Readable }> {
    const view = await this.#open(container, path);
    try {
      const result = tarPath(view.files, path);
      // What could not be unmounted is tried again when the volume is next let go.
      finished(result.tar, () => void view.close().catch(() => {}));
      container.event('archive-path');
      return result;
    } catch (error) {
      await view.close();
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
      await view.close();
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

  async #open(container: Container, path: string): Promise<FilesView> {
    checkPresent(container);
    const { record } = container;
    const named = record.name;
    // Volumes, tmpfs and all else that the process has mounted are seen through its own root.
    const live = `/proc/${record.state.pid}/root`;
    if (container.running && existsSync(live)) {
      return { files: { directory: live, container: named }, async close() {} };
    }
    const { writable } = this.#storage;
    const rootfs = writable.mount(container.id);
    const paths = new Map<string, string>();
    const user = `${container.id}-copy-${randomBytes(4).toString('hex')}`;
    const close = async () => {
      writable.unmount(container.id);
      this.#staging.clear(user);
      await Promise.all([...paths.keys()].map((name) => this.#volumes.unmount(name, user)));
    };
    try {
      for (const { Type, Name } of record.mounts) {
        if (Type === 'volume') paths.set(Name!, await this.#volumes.mount(Name!, user));
      }
      const mounts = [...networkFiles(container, rootfs, path), ...this.#mountsOf(container, paths, user)];
      if (mounts.length === 0) return { files: { directory: rootfs, container: named }, close };
      const copy = await MountedCopy.open(rootfs, mounts);
      return {
        files: { directory: copy.directory, container: named },
        close: () => {
          copy.close();
          return close();
        },
      };
    } catch (error) {
      await close();
      throw error;
    }
  }

  /** `volumes`: where each is mounted on the host. `user`: has what is mounted besides. */
  #mountsOf(container: Container, volumes: ReadonlyMap<string, string>, user: string): PlacedMount[] {
    const { record } = container;
    const requests = requestsOf(record);
    return record.mounts.flatMap((point) => {
      if (point.Type === 'tmpfs') return [];
      const destination = point.Destination!;
      const request = requests.find((asked) => asked.destination === destination);
      try {
        const source = mountSource(record, point, { request, volumes, staging: this.#staging, user });
        return existsSync(source) ? [{ source, destination }] : [];
      } catch (error) {
        // What has gone cannot be copied from; the rest can.
        if (error instanceof GantryError && error.code === 'invalid_parameter') return [];
        throw error;
      }
    });
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
