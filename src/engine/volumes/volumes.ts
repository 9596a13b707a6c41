import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { GantryError, notSupportedYet } from '../../api/errors.ts';
import type { Filters } from '../../api/filters.ts';
import type { VolumeCreateOptions } from '../../api/schemas/volume.ts';
import { Plugins } from '../../plugins/plugins.ts';
import type { EventBus } from '../events.ts';
import type { PruneOptions } from '../prune-options.ts';
import type { StateStore } from '../state-store.ts';
import { VolumeDrivers } from './drivers.ts';
import { LocalDriver } from './local-driver.ts';
import { VolumeArchives } from './volume-archives.ts';
import { VolumeCatalog } from './volume-catalog.ts';
import { VolumeMounts } from './volume-mounts.ts';
import { VolumePrune } from './volume-prune.ts';
import { ANONYMOUS_LABEL, checkCreateName, driverOf, type VolumeRecord, type VolumeView } from './volume-record.ts';
import { Restoration } from './volume-restore.ts';
import { VolumeTable } from './volume-table.ts';

/** Filter keys of VolumeList. */
export const VOLUME_FILTERS = ['dangling', 'driver', 'label', 'name'];

/** Volumes by name: what can be done with them (Engine API, tag "Volume"), and who refers to them. */
export class Volumes {
  readonly #table: VolumeTable;
  readonly #events: EventBus;
  readonly #local: LocalDriver;
  readonly #drivers: VolumeDrivers;
  readonly #catalog: VolumeCatalog;
  readonly #mounts: VolumeMounts;
  readonly #archives: VolumeArchives;
  readonly #prune: VolumePrune;

  constructor(options: { dataRoot: string; store: StateStore; events: EventBus; plugins?: Plugins }) {
    const { events } = options;
    const table = new VolumeTable(options.store);
    const local = new LocalDriver(join(options.dataRoot, 'volumes'), (name) => table.get(name)?.options ?? null);
    this.#drivers = new VolumeDrivers(local, options.plugins ?? new Plugins());
    const catalog = new VolumeCatalog({ table, drivers: this.#drivers, local, events });
    const mounts = new VolumeMounts({ table, catalog, local });
    this.#table = table;
    this.#events = events;
    this.#local = local;
    this.#catalog = catalog;
    this.#mounts = mounts;
    this.#archives = new VolumeArchives({ table, catalog, mounts });
    this.#prune = new VolumePrune({ table, catalog, events });
  }

  /** Completes what a crash left half done. `containers`: who uses which volumes. Called once, before any other. */
  async recover(containers: Iterable<{ id: string; volumes: string[] }>): Promise<void> {
    for (const name of this.#local.recover(this.#localNames())) this.#catalog.erase(name);
    for (const record of this.#table.local()) if (record.restoring !== undefined) await this.#finishRestore(record);
    for (const { id, volumes } of containers) for (const name of volumes) this.acquire(name, id);
  }

  /** One whose content is elsewhere is completed when it is next mounted. */
  async #finishRestore({ name, options, restoring }: VolumeRecord): Promise<void> {
    if (options) return;
    const restoration = new Restoration(this.#local.path(name), restoring!.staging);
    if (restoring!.made && !restoration.decided) {
      await this.#local.remove(name);
      this.#catalog.erase(name);
      return;
    }
    await restoration.finish();
    this.#table.settleRestore(name);
  }

  /** Takes over what a container that an earlier daemon started has mounted. */
  adopt(name: string, user: string): void {
    this.#mounts.adopt(name, user);
  }

  /** When all users are adopted: unmounts what is left over. */
  settle(): void {
    this.#local.settle(this.#localNames());
  }

  /**
   * Makes a volume, or gives the one of that name, whatever its options: as dockerd. `user`: the container it is for. Throws
   * invalid_parameter for a wrong name and wrong options, conflict when another driver has it, not_found for an unknown driver.
   */
  async create(options: VolumeCreateOptions, user?: string): Promise<VolumeView> {
    if (options.ClusterVolumeSpec !== undefined) {
      throw new GantryError(
        'unavailable',
        'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.',
      );
    }
    const given = options.Name ?? '';
    checkCreateName(given);
    const name = given === '' ? randomBytes(32).toString('hex') : given;
    return await this.#table.exclusively(name, async () => {
      const existing = given === '' ? undefined : await this.#catalog.known(name, options.Driver ?? '');
      if (existing !== undefined) checkDriver(existing, options.Driver ?? '');
      const record = existing ?? (await this.#catalog.make(name, { ...options, anonymous: given === '' }));
      if (user !== undefined) this.acquire(name, user);
      return this.#catalog.view(record);
    });
  }

  /** Throws not_found, also for a volume that its plugin has no more. */
  async inspect(name: string): Promise<VolumeView> {
    const local = this.#table.get(name);
    // What is being mounted or restored can be looked at meanwhile.
    if (local !== undefined && driverOf(local) === 'local') return this.#catalog.view(local);
    return await this.#table.exclusively(name, async () => {
      const record = (await this.#catalog.known(name)) ?? this.#catalog.get(name);
      const volume = await (await this.#catalog.driverOf(record)).get(name);
      if (volume === null && driverOf(record) !== 'local' && !this.#inUse(name)) {
        this.#catalog.erase(name);
        return this.#catalog.view(this.#catalog.get(name));
      }
      const view = await this.#catalog.view(record, volume?.mountpoint);
      return volume?.status ? { ...view, Status: volume.status as NonNullable<VolumeView['Status']> } : view;
    });
  }

  /**
   * By name, those of plugins that nobody here has used yet among them; `warnings` for plugins that do not answer. Throws
   * invalid_parameter for a filter it does not know.
   */
  async list(filters: Filters): Promise<{ volumes: VolumeView[]; warnings: string[] }> {
    filters.accept(VOLUME_FILTERS);
    const warnings = await this.#catalog.learn();
    const wantDangling = filters.has('dangling') ? filters.bool('dangling', false) : null;
    const names = filters.get('name');
    const drivers = filters.get('driver');
    const selected = this.#table
      .all()
      .filter(
        (record) =>
          (wantDangling === null || wantDangling === !this.#inUse(record.name)) &&
          (drivers.length === 0 || drivers.includes(driverOf(record))) &&
          (names.length === 0 || names.some((part) => record.name.includes(part))) &&
          filters.matchLabels('label', record.labels),
      )
      .sort((a, b) => (a.name < b.name ? -1 : 1));
    return { volumes: await Promise.all(selected.map((record) => this.#catalog.view(record))), warnings };
  }

  /**
   * Throws not_found (unless forced), conflict while a container uses it, and what the driver throws. Forced, it is forgotten here even
   * when its driver does not remove it.
   */
  async remove(name: string, force: boolean): Promise<void> {
    await this.#table.exclusively(name, async () => {
      const known = await this.#catalog.known(name);
      if (force && known === undefined) return;
      const record = known ?? this.#catalog.get(name);
      this.#refuseUsed('remove', name);
      try {
        await this.#catalog.delete(record);
      } catch (error) {
        if (force && driverOf(record) !== 'local') this.#catalog.erase(name);
        throw error;
      }
    });
  }

  /** See VolumePrune. */
  prune(
    filters: Filters,
    options: PruneOptions & { allByDefault: boolean },
  ): Promise<{ deleted: string[]; bytes: number }> {
    return this.#prune.prune(filters, options);
  }

  /** See VolumePrune. */
  usage(): Promise<VolumeView[]> {
    return this.#prune.usage();
  }

  /** See VolumeMounts. */
  mount(name: string, user: string): Promise<string> {
    return this.#mounts.mount(name, user);
  }

  /** See VolumeMounts. */
  unmount(name: string, user: string): Promise<void> {
    return this.#mounts.unmount(name, user);
  }

  /** See VolumeArchives. */
  backup(name: string): Promise<Readable> {
    return this.#archives.backup(name);
  }

  /** See VolumeArchives. */
  restore(name: string, archive: Readable, options: { replace: boolean }): Promise<VolumeView> {
    return this.#archives.restore(name, archive, options);
  }

  /**
   * Gives a volume another name, its content included. Throws not_found, invalid_parameter, conflict when a container uses it or the new
   * name is taken, not_supported for drivers other than local.
   */
  async rename(from: string, to: string): Promise<void> {
    if (to === '') throw new GantryError('invalid_parameter', 'the new name of a volume must not be empty');
    checkCreateName(to);
    if (from === to) throw new GantryError('invalid_parameter', 'renaming a volume to the name it has');
    // In one order, so that two that exchange names do not wait for each other.
    const [first, second] = [from, to].sort() as [string, string];
    await this.#table.exclusively(first, () =>
      this.#table.exclusively(second, async () => {
        const record = this.#catalog.get(from);
        if (driverOf(record) !== 'local') throw notSupportedYet(`renaming a volume of driver ${driverOf(record)}`);
        this.#refuseUsed('rename', from);
        this.#mounts.refuseMounted('rename', from);
        if (this.#table.get(to) !== undefined)
          throw new GantryError('conflict', `rename ${from}: volume ${to} already exists`);
        const labels = { ...record.labels };
        delete labels[ANONYMOUS_LABEL];
        const renamed = { ...record, name: to, labels: Object.keys(labels).length === 0 ? null : labels };
        this.#local.rename(from, to, () => this.#table.rename(from, renamed));
        this.#events.emit('volume', 'rename', to, { driver: 'local', oldName: from });
      }),
    );
  }

  /** Names of the drivers that have been used. */
  driverNames(): string[] {
    return this.#drivers.names();
  }

  /** Notes that a container uses it, so that nobody removes it. */
  acquire(name: string, containerId: string): void {
    this.#table.acquire(name, containerId);
  }

  /** Of a container that is removed: it uses none any more. Returns the volumes it used. */
  release(containerId: string): string[] {
    return this.#table.release(containerId);
  }

  /** IDs of the containers that use a volume. */
  usersOf(name: string): string[] {
    return this.#table.usersOf(name);
  }

  #refuseUsed(action: string, name: string): void {
    const users = this.usersOf(name);
    if (users.length > 0) {
      throw new GantryError('conflict', `${action} ${name}: volume is in use - [${users.join(', ')}]`);
    }
  }

  #localNames(): string[] {
    return this.#table.local().map(({ name }) => name);
  }

  #inUse(name: string): boolean {
    return this.usersOf(name).length > 0;
  }
}

function checkDriver(record: VolumeRecord, wanted: string): void {
  const { name } = record;
  if (wanted === '' || wanted === driverOf(record)) return;
  throw new GantryError(
    'conflict',
    `create ${name}: driver '${driverOf(record)}' already has volume '${name}': volume name must be unique`,
  );
}
