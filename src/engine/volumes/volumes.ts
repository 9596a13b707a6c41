import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { finished, Readable } from 'node:stream';
import { GantryError, messageOf, notSupportedYet } from '../../api/errors.ts';
import type { Filters } from '../../api/filters.ts';
import type { VolumeCreateOptions } from '../../api/schemas/volume.ts';
import { Plugins } from '../../plugins/plugins.ts';
import type { EventBus } from '../events.ts';
import { DRY_RUN_FILTER, type PruneOptions } from '../prune-options.ts';
import type { StateStore } from '../state-store.ts';
import { directorySize } from './directory-size.ts';
import { VolumeDrivers } from './drivers.ts';
import { LocalDriver } from './local-driver.ts';
import { checkVolumeName } from './mount-request.ts';
import { archiveOf, restoreInto } from './volume-archive.ts';
import { ANONYMOUS_LABEL, driverOf, pruneSelects, type VolumeRecord, type VolumeView } from './volume-record.ts';
import { VolumeTable } from './volume-table.ts';

/** Filter keys of VolumeList and VolumePrune. */
export const VOLUME_FILTERS = ['dangling', 'driver', 'label', 'name'];
export const VOLUME_PRUNE_FILTERS = ['label', 'label!', 'all', DRY_RUN_FILTER];

/**
 * Volumes by name: who made them, who refers to them, and which driver has their content. A record is written before the driver makes
 * the volume and deleted after it has removed it, so that a crash leaves nothing that no record knows.
 */
export class Volumes {
  readonly #table: VolumeTable;
  readonly #events: EventBus;
  readonly #local: LocalDriver;
  readonly #drivers: VolumeDrivers;
  /** Where plugins have their volumes, as far as they have said. */
  readonly #places = new Map<string, string>();
  /** Who has a volume mounted now: containers that run, copies, backups. */
  readonly #mounts = new Map<string, Set<string>>();

  constructor(options: { dataRoot: string; store: StateStore; events: EventBus; plugins?: Plugins }) {
    this.#table = new VolumeTable(options.store);
    this.#events = options.events;
    this.#local = new LocalDriver(join(options.dataRoot, 'volumes'), (name) => this.#table.get(name)?.options ?? null);
    this.#drivers = new VolumeDrivers(this.#local, options.plugins ?? new Plugins());
  }

  /** Completes what a crash left half done. `containers`: who uses which volumes. Called once, before any other. */
  recover(containers: Iterable<{ id: string; volumes: string[] }>): void {
    for (const name of this.#local.recover(this.#localNames())) this.#erase(name);
    for (const { id, volumes } of containers) for (const name of volumes) this.acquire(name, id);
  }

  /** Takes over what a container that an earlier daemon started has mounted. */
  adopt(name: string, user: string): void {
    const record = this.#table.get(name);
    if (record === undefined) return;
    // Plugins count for themselves.
    if (driverOf(record) === 'local') this.#local.adopt(name, user);
    this.#noteMount(name, user);
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
      const existing = given === '' ? undefined : await this.#known(name, options.Driver ?? '');
      if (existing !== undefined) this.#checkDriver(existing, options.Driver ?? '');
      const record = existing ?? (await this.#make(name, given === '', options));
      if (user !== undefined) this.acquire(name, user);
      return this.#view(record);
    });
  }

  /** Throws not_found, also for a volume that its plugin has no more. */
  async inspect(name: string): Promise<VolumeView> {
    const local = this.#table.get(name);
    // What is being mounted or restored can be looked at meanwhile.
    if (local !== undefined && driverOf(local) === 'local') return this.#view(local);
    return await this.#table.exclusively(name, async () => {
      const record = (await this.#known(name, '')) ?? this.#get(name);
      const volume = await (await this.#drivers.get(driverOf(record))).get(name);
      if (volume === null && driverOf(record) !== 'local' && !this.#inUse(name)) {
        this.#erase(name);
        return this.#view(this.#get(name));
      }
      const view = await this.#view(record, volume?.mountpoint);
      return volume?.status ? { ...view, Status: volume.status as NonNullable<VolumeView['Status']> } : view;
    });
  }

  /**
   * By name, those of plugins that nobody here has used yet among them; `warnings` for plugins that do not answer. Throws
   * invalid_parameter for a filter it does not know.
   */
  async list(filters: Filters): Promise<{ volumes: VolumeView[]; warnings: string[] }> {
    filters.accept(VOLUME_FILTERS);
    const warnings = await this.#learn();
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
    return { volumes: await Promise.all(selected.map((record) => this.#view(record))), warnings };
  }

  /**
   * Throws not_found (unless forced), conflict while a container uses it, and what the driver throws. Forced, it is forgotten here even
   * when its driver does not remove it.
   */
  async remove(name: string, force: boolean): Promise<void> {
    await this.#table.exclusively(name, async () => {
      const known = await this.#known(name, '');
      if (force && known === undefined) return;
      const record = known ?? this.#get(name);
      this.#refuseUsed('remove', name);
      try {
        await this.#delete(record);
      } catch (error) {
        if (force && driverOf(record) !== 'local') this.#erase(name);
        throw error;
      }
    });
  }

  /**
   * Removes what no container uses: anonymous volumes, or all with the filter all=true. Returns names and the bytes
   * freed. Volumes with options are left alone, as dockerd does: what they show is kept elsewhere.
   */
  async prune(
    filters: Filters,
    options: PruneOptions & { allByDefault: boolean },
  ): Promise<{ deleted: string[]; bytes: number }> {
    filters.accept(VOLUME_PRUNE_FILTERS);
    const selected = pruneSelects(filters, options.allByDefault);
    const deleted: string[] = [];
    let bytes = 0;
    for (const record of this.#plain()) {
      if (this.usersOf(record.name).some((id) => !options.without.has(id))) continue;
      if (!selected(record)) continue;
      const size = await directorySize(this.#local.path(record.name));
      await this.#table.exclusively(record.name, async () => {
        if (!options.dryRun) {
          // Somebody may have taken or removed it while its size was counted.
          if (this.#inUse(record.name) || this.#table.get(record.name) !== record) return;
          await this.#delete(record);
        }
        deleted.push(record.name);
        bytes += size;
      });
    }
    if (!options.dryRun) this.#events.emit('volume', 'prune', '', { reclaimed: String(bytes) });
    return { deleted, bytes };
  }

  /** With size (bytes) and number of containers, for `system df`; as for prune, without those that have options. */
  async usage(): Promise<VolumeView[]> {
    const views: VolumeView[] = [];
    for (const record of this.#plain()) {
      const Size = await directorySize(this.#local.path(record.name));
      views.push({
        ...(await this.#view(record)),
        UsageData: { Size, RefCount: this.usersOf(record.name).length },
      });
    }
    return views;
  }

  /** Makes the content available to a user until unmount(); returns its directory. Throws not_found and what the driver throws. */
  async mount(name: string, user: string): Promise<string> {
    return await this.#table.exclusively(name, async () => {
      const record = this.#get(name);
      try {
        const driver = await this.#drivers.get(driverOf(record), { retry: true });
        const directory = await driver.mount(name, user);
        this.#places.set(name, directory);
        this.#noteMount(name, user);
        return directory;
      } catch (cause) {
        const code = cause instanceof GantryError ? cause.code : 'system';
        const place = this.#place(record);
        throw new GantryError(code, `error while mounting volume '${place}': ${messageOf(cause)}`, { cause });
      }
    });
  }

  /** Nothing for a volume that is gone. */
  async unmount(name: string, user: string): Promise<void> {
    await this.#table.exclusively(name, async () => {
      const record = this.#table.get(name);
      const users = this.#mounts.get(name);
      users?.delete(user);
      if (users?.size === 0) this.#mounts.delete(name);
      if (record !== undefined) await (await this.#drivers.get(driverOf(record))).unmount(name, user);
    });
  }

  /** A tar of the content, which may be in use: see archiveOf(). It is mounted until the stream has ended. Throws not_found. */
  async backup(name: string): Promise<Readable> {
    const user = `backup-${randomBytes(8).toString('hex')}`;
    const tar = Readable.from(archiveOf(await this.mount(name, user)), { objectMode: false });
    // What cannot be unmounted now is unmounted by the next who lets go of it.
    finished(tar, () => void this.unmount(name, user).catch(() => {}));
    return tar;
  }

  /**
   * Fills a volume, made when there is none of that name, with a backup: see restoreInto(). Throws conflict while somebody has it
   * mounted; who wants to mount it meanwhile waits.
   */
  async restore(name: string, archive: Readable, options: { replace: boolean }): Promise<VolumeView> {
    checkCreateName(name);
    return await this.#table.exclusively(name, async () => {
      const users = [...(this.#mounts.get(name) ?? [])];
      if (users.length > 0) {
        throw new GantryError('conflict', `restore ${name}: volume is mounted - [${users.join(', ')}]`);
      }
      const existing = this.#table.get(name);
      const record = existing ?? (await this.#make(name, false, {}));
      const driver = await this.#drivers.get(driverOf(record));
      const user = `restore-${randomBytes(8).toString('hex')}`;
      try {
        const directory = await driver.mount(name, user);
        try {
          await restoreInto(directory, archive, { name, ...options });
        } finally {
          await driver.unmount(name, user);
        }
      } catch (error) {
        if (existing === undefined) await this.#delete(record);
        throw error;
      }
      return this.#view(record);
    });
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
        const record = this.#get(from);
        if (driverOf(record) !== 'local') throw notSupportedYet(`renaming a volume of driver ${driverOf(record)}`);
        this.#refuseUsed('rename', from);
        const mounted = [...(this.#mounts.get(from) ?? [])];
        if (mounted.length > 0) {
          throw new GantryError('conflict', `rename ${from}: volume is mounted - [${mounted.join(', ')}]`);
        }
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

  #noteMount(name: string, user: string): void {
    this.#mounts.set(name, (this.#mounts.get(name) ?? new Set()).add(user));
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

  async #make(name: string, anonymous: boolean, options: VolumeCreateOptions): Promise<VolumeRecord> {
    const driver = await this.#drivers.get(options.Driver ?? '', { retry: true }).catch((error: GantryError) => {
      throw new GantryError(error.code, `create ${name}: ${error.message}`, { cause: error });
    });
    const labels = { ...options.Labels, ...(anonymous ? { [ANONYMOUS_LABEL]: '' } : {}) };
    const given = options.DriverOpts ?? {};
    const record = this.#table.insert({
      name,
      createdAt: now(),
      labels: Object.keys(labels).length === 0 ? null : labels,
      driver: driver.name,
      options: Object.keys(given).length === 0 ? null : given,
    });
    try {
      await driver.create(name, given);
      const volume = driver === this.#local ? null : await driver.get(name);
      if (volume !== null) this.#places.set(name, volume.mountpoint);
    } catch (error) {
      this.#erase(name);
      if (!(error instanceof GantryError) || error.code === 'no_space') throw error;
      throw new GantryError(error.code, `create ${name}: ${error.message}`, { cause: error });
    }
    this.#events.emit('volume', 'create', name, { driver: driver.name });
    return record;
  }

  #checkDriver(record: VolumeRecord, wanted: string): void {
    const { name } = record;
    if (wanted === '' || wanted === driverOf(record)) return;
    throw new GantryError(
      'conflict',
      `create ${name}: driver '${driverOf(record)}' already has volume '${name}': volume name must be unique`,
    );
  }

  #refuseUsed(action: string, name: string): void {
    const users = this.usersOf(name);
    if (users.length > 0) {
      throw new GantryError('conflict', `${action} ${name}: volume is in use - [${users.join(', ')}]`);
    }
  }

  /** Of the local driver, in directories of ours. */
  #plain(): VolumeRecord[] {
    return this.#table.local().filter((record) => !record.options);
  }

  #localNames(): string[] {
    return this.#table.local().map(({ name }) => name);
  }

  #inUse(name: string): boolean {
    return this.#table.usersOf(name).length > 0;
  }

  #get(name: string): VolumeRecord {
    const record = this.#table.get(name);
    if (record === undefined) throw new GantryError('not_found', `get ${name}: no such volume`);
    return record;
  }

  async #view(record: VolumeRecord, mountpoint = ''): Promise<VolumeView> {
    const name = driverOf(record);
    // A plugin that is away says nothing about its scope.
    const driver = name === 'local' ? this.#local : await this.#drivers.get(name).catch(() => null);
    return {
      CreatedAt: record.createdAt,
      Driver: name,
      Labels: record.labels,
      Mountpoint: mountpoint || this.#place(record),
      Name: record.name,
      Options: record.options ?? null,
      Scope: (await driver?.scope()) ?? 'local',
    };
  }

  #place(record: VolumeRecord): string {
    return driverOf(record) === 'local' ? this.#local.path(record.name) : (this.#places.get(record.name) ?? '');
  }

  /** The volume of that name: ours, or one that a plugin has, which becomes ours when no driver is named. */
  async #known(name: string, driver: string): Promise<VolumeRecord | undefined> {
    const record = this.#table.get(name);
    if (record !== undefined || driver !== '') return record;
    for (const plugin of await this.#drivers.ofPlugins()) {
      const volume = await plugin.get(name).catch(() => null);
      if (volume === null) continue;
      this.#places.set(name, volume.mountpoint);
      return this.#table.insert({ name, createdAt: now(), labels: null, driver: plugin.name, options: null });
    }
    return undefined;
  }

  /** Notes the volumes that plugins have and forgets those they have no more. Returns what plugins complained about. */
  async #learn(): Promise<string[]> {
    const warnings: string[] = [];
    for (const driver of await this.#drivers.ofPlugins()) {
      try {
        const before = this.#table.all();
        const volumes = await driver.list();
        for (const { name, mountpoint } of volumes) {
          const record = this.#table.get(name);
          if (record === undefined && !this.#table.busy(name)) {
            this.#table.insert({ name, createdAt: now(), labels: null, driver: driver.name, options: null });
          } else if (record === undefined || driverOf(record) !== driver.name) continue;
          this.#places.set(name, mountpoint);
        }
        const there = new Set(volumes.map(({ name }) => name));
        for (const record of before) {
          const { name } = record;
          if (driverOf(record) !== driver.name || there.has(name) || this.#table.get(name) !== record) continue;
          // One that a container refers to, or that is being made, is not for a list to forget.
          if (!this.#inUse(name) && !this.#table.busy(name)) this.#erase(name);
        }
      } catch (error) {
        warnings.push(`list ${driver.name}: ${messageOf(error)}`);
      }
    }
    return warnings;
  }

  async #delete(record: VolumeRecord): Promise<void> {
    await (await this.#drivers.get(driverOf(record))).remove(record.name);
    this.#erase(record.name);
    this.#events.emit('volume', 'destroy', record.name, { driver: driverOf(record) });
  }

  #erase(name: string): void {
    this.#table.erase(name);
    this.#places.delete(name);
  }
}

/** RFC 3339, whole seconds. */
function now(): string {
  return `${new Date().toISOString().slice(0, 19)}Z`;
}

function checkCreateName(name: string): void {
  try {
    checkVolumeName(name);
  } catch (error) {
    throw new GantryError('invalid_parameter', `create ${name}: ${(error as Error).message}`);
  }
  if (name.length > 255) throw new GantryError('invalid_parameter', `create ${name}: volume name is too long`);
}
