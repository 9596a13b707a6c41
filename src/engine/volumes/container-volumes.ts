import { GantryError } from '../../api/errors.ts';
import type { MountPoint } from '../../api/schemas/mount.ts';
import type { ResolvedMount } from '../../runtime/spec/input.ts';
import type { Storage } from '../../storage/contract.ts';
import type { ContainerRecord } from '../container-record.ts';
import type { ContainerVolumes, PreparedVolumes } from '../containers/contract.ts';
import type { EventBus } from '../events.ts';
import { resolveMounts } from './mount-points.ts';
import type { MountStaging } from './mount-staging.ts';
import { ociMounts } from './oci-mounts.ts';
import type { Volumes } from './volumes.ts';

/** The volume side of a container's life: made and filled at create, mounted at start, let go at removal. */
export class LocalContainerVolumes implements ContainerVolumes {
  readonly #volumes: Volumes;
  readonly #storage: Storage;
  readonly #events: EventBus;
  readonly #daemonRoot: string;
  readonly #staging: MountStaging;
  readonly #kernel: [number, number];
  /** Names of the volumes that a container's process has mounted, by its ID. */
  readonly #mounted = new Map<string, Set<string>>();

  constructor(options: {
    volumes: Volumes;
    storage: Storage;
    events: EventBus;
    dataRoot: string;
    staging: MountStaging;
    kernel: [number, number];
  }) {
    this.#volumes = options.volumes;
    this.#storage = options.storage;
    this.#events = options.events;
    this.#daemonRoot = options.dataRoot;
    this.#staging = options.staging;
    this.#kernel = options.kernel;
  }

  async recover(records: readonly ContainerRecord[]): Promise<void> {
    await this.#volumes.recover(
      records.map((record) => ({
        id: record.id,
        volumes: volumeNames(record),
      })),
    );
  }

  /**
   * The container's writable layer exists: new volumes are filled from it, once, here; what happens to them later is
   * the user's affair.
   */
  async prepare(request: Parameters<ContainerVolumes['prepare']>[0]): Promise<PreparedVolumes> {
    const { containerId, hostConfig, config } = request;
    const input = {
      ...request,
      daemonRoot: this.#daemonRoot,
      imagePath: (destination: string) => this.#staging.imagePath(containerId, destination),
    };
    const needsContent =
      (hostConfig.Binds ?? []).length + (hostConfig.Mounts ?? []).length > 0 ||
      Object.keys(config.Volumes ?? {}).length > 0;
    if (!needsContent) return resolveMounts({ ...input, rootfs: '/nonexistent' }, this.#volumes);
    const rootfs = this.#storage.writable.mount(containerId);
    try {
      return await resolveMounts({ ...input, rootfs }, this.#volumes);
    } finally {
      this.#storage.writable.unmount(containerId);
    }
  }

  async resolve(record: ContainerRecord): Promise<ResolvedMount[]> {
    const mounted = new Set<string>();
    this.#mounted.set(record.id, mounted);
    const paths = new Map<string, string>();
    for (const name of volumeNames(record)) {
      const path = await this.#volumes.mount(name, record.id);
      paths.set(name, path);
      mounted.add(name);
      for (const point of volumePoints(record)) if (point.Name === name) point.Source = path;
    }
    // Left by a start that a kill of the daemon cut short.
    this.#staging.clear(record.id);
    const mounts = ociMounts(record, paths, {
      staging: this.#staging,
      daemonRoot: this.#daemonRoot,
      kernel: this.#kernel,
    });
    for (const point of volumePoints(record)) {
      this.#events.emit('volume', 'mount', point.Name!, {
        container: record.id,
        destination: point.Destination!,
        driver: point.Driver ?? 'local',
        propagation: point.Propagation ?? '',
        'read/write': String(point.RW !== false),
      });
    }
    return mounts;
  }

  adopt(record: ContainerRecord): void {
    this.#mounted.set(record.id, new Set(volumeNames(record)));
    for (const name of volumeNames(record)) this.#volumes.adopt(name, record.id);
  }

  settle(): void {
    this.#staging.sweep(new Set(this.#mounted.keys()));
    this.#volumes.settle();
  }

  async unmounted(record: ContainerRecord): Promise<void> {
    const mounted = this.#mounted.get(record.id) ?? new Set();
    this.#mounted.delete(record.id);
    const errors: unknown[] = [];
    // Before the volumes themselves, which are in use as long as a part of them is mounted.
    try {
      this.#staging.clear(record.id);
    } catch (error) {
      errors.push(error);
    }
    for (const name of mounted) {
      const driver = volumePoints(record).find((point) => point.Name === name)?.Driver ?? 'local';
      this.#events.emit('volume', 'unmount', name, { container: record.id, driver });
      await this.#volumes.unmount(name, record.id).catch((error) => errors.push(error));
    }
    if (errors.length > 0) throw errors[0];
  }

  async release(record: ContainerRecord, remove: boolean): Promise<void> {
    this.#volumes.release(record.id);
    if (!remove) return;
    for (const name of record.anonymousVolumes) {
      try {
        await this.#volumes.remove(name, true);
      } catch (error) {
        // Another container took it over with --volumes-from: it stays for that one.
        if (!(error instanceof GantryError) || error.code !== 'conflict') throw error;
      }
    }
  }
}

function volumePoints(record: ContainerRecord): MountPoint[] {
  return record.mounts.filter(({ Type }) => Type === 'volume');
}

/** Each once, however often it is mounted. */
function volumeNames(record: ContainerRecord): string[] {
  return [...new Set(volumePoints(record).map(({ Name }) => Name!))];
}
