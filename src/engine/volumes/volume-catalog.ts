import { GantryError, messageOf } from '../../api/errors.ts';
import type { VolumeCreateOptions } from '../../api/schemas/volume.ts';
import type { EventBus } from '../events.ts';
import type { VolumeDriver } from './contract.ts';
import type { VolumeDrivers } from './drivers.ts';
import type { LocalDriver } from './local-driver.ts';
import { ANONYMOUS_LABEL, driverOf, type VolumeRecord, type VolumeView } from './volume-record.ts';
import type { VolumeTable } from './volume-table.ts';

/**
 * Which volumes there are: those in the table, and those that plugins have. A record is written before the driver makes the volume and
 * deleted after it has removed it, so that a crash leaves nothing that no record knows.
 */
export class VolumeCatalog {
  readonly #table: VolumeTable;
  readonly #drivers: VolumeDrivers;
  readonly #local: LocalDriver;
  readonly #events: EventBus;
  /** Where plugins have their volumes, as far as they have said. */
  readonly #places = new Map<string, string>();

  constructor(parts: { table: VolumeTable; drivers: VolumeDrivers; local: LocalDriver; events: EventBus }) {
    this.#table = parts.table;
    this.#drivers = parts.drivers;
    this.#local = parts.local;
    this.#events = parts.events;
  }

  /** Throws not_found. */
  get(name: string): VolumeRecord {
    const record = this.#table.get(name);
    if (record === undefined) throw new GantryError('not_found', `get ${name}: no such volume`);
    return record;
  }

  /** The volume of that name: ours, or one that a plugin has, which becomes ours when no driver is named. */
  async known(name: string, driver = ''): Promise<VolumeRecord | undefined> {
    const record = this.#table.get(name);
    if (record !== undefined || driver !== '') return record;
    for (const plugin of await this.#drivers.ofPlugins()) {
      const volume = await plugin.get(name).catch(() => null);
      if (volume === null) continue;
      this.#places.set(name, volume.mountpoint);
      return this.#insertForeign(name, plugin);
    }
    return undefined;
  }

  /** Notes the volumes that plugins have and forgets those they have no more. Returns what plugins complained about. */
  async learn(): Promise<string[]> {
    const warnings: string[] = [];
    for (const driver of await this.#drivers.ofPlugins()) {
      try {
        const before = this.#table.all();
        const volumes = await driver.list();
        for (const { name, mountpoint } of volumes) {
          const record = this.#table.get(name);
          if (record === undefined && !this.#table.busy(name)) this.#insertForeign(name, driver);
          else if (record === undefined || driverOf(record) !== driver.name) continue;
          this.#places.set(name, mountpoint);
        }
        const there = new Set(volumes.map(({ name }) => name));
        for (const record of before) {
          const { name } = record;
          if (driverOf(record) !== driver.name || there.has(name) || this.#table.get(name) !== record) continue;
          // One that a container refers to, or that is being made, is not for a list to forget.
          if (this.#table.usersOf(name).length === 0 && !this.#table.busy(name)) this.erase(name);
        }
      } catch (error) {
        warnings.push(`list ${driver.name}: ${messageOf(error)}`);
      }
    }
    return warnings;
  }

  /** Makes a volume that is not there. `restoring`: see VolumeRecord. Throws what the driver throws; nothing is left then. */
  async make(
    name: string,
    options: VolumeCreateOptions & { anonymous: boolean },
    restoring?: VolumeRecord['restoring'],
  ): Promise<VolumeRecord> {
    const driver = await this.#drivers.get(options.Driver ?? '', { retry: true }).catch((error: GantryError) => {
      throw new GantryError(error.code, `create ${name}: ${error.message}`, { cause: error });
    });
    const labels = { ...options.Labels, ...(options.anonymous ? { [ANONYMOUS_LABEL]: '' } : {}) };
    const given = options.DriverOpts ?? {};
    const record = this.#table.insert({
      name,
      createdAt: now(),
      labels: Object.keys(labels).length === 0 ? null : labels,
      driver: driver.name,
      options: Object.keys(given).length === 0 ? null : given,
      ...(restoring === undefined ? {} : { restoring }),
    });
    try {
      await driver.create(name, given);
      const volume = driver === this.#local ? null : await driver.get(name);
      if (volume !== null) this.#places.set(name, volume.mountpoint);
    } catch (error) {
      this.erase(name);
      if (!(error instanceof GantryError) || error.code === 'no_space') throw error;
      throw new GantryError(error.code, `create ${name}: ${error.message}`, { cause: error });
    }
    this.#events.emit('volume', 'create', name, { driver: driver.name });
    return record;
  }

  /** Removes it with its content. Throws what the driver throws. */
  async delete(record: VolumeRecord): Promise<void> {
    await (await this.driverOf(record)).remove(record.name);
    this.erase(record.name);
    this.#events.emit('volume', 'destroy', record.name, { driver: driverOf(record) });
  }

  /** Forgets it; its driver is not asked. */
  erase(name: string): void {
    this.#table.erase(name);
    this.#places.delete(name);
  }

  /** As the API shows it. */
  async view(record: VolumeRecord, mountpoint = ''): Promise<VolumeView> {
    const name = driverOf(record);
    // A plugin that is away says nothing about its scope.
    const driver = name === 'local' ? this.#local : await this.#drivers.get(name).catch(() => null);
    return {
      CreatedAt: record.createdAt,
      Driver: name,
      Labels: record.labels,
      Mountpoint: mountpoint || this.place(record),
      Name: record.name,
      Options: record.options ?? null,
      Scope: (await driver?.scope()) ?? 'local',
    };
  }

  /** Directory on the host; '' when a plugin has not said. */
  place(record: VolumeRecord): string {
    return driverOf(record) === 'local' ? this.#local.path(record.name) : (this.#places.get(record.name) ?? '');
  }

  notePlace(name: string, directory: string): void {
    this.#places.set(name, directory);
  }

  /** Throws not_found and system for a plugin that is away. `retry`: waits for it a while. */
  driverOf(record: VolumeRecord, options: { retry?: boolean } = {}): Promise<VolumeDriver> {
    return this.#drivers.get(driverOf(record), options);
  }

  #insertForeign(name: string, driver: VolumeDriver): VolumeRecord {
    return this.#table.insert({ name, createdAt: now(), labels: null, driver: driver.name, options: null });
  }
}

/** RFC 3339, whole seconds. */
function now(): string {
  return `${new Date().toISOString().slice(0, 19)}Z`;
}
