import { randomBytes } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { lstat, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { GantryError, notSupportedYet } from '../../api/errors.ts';
import type { Filters } from '../../api/filters.ts';
import type { Volume, VolumeCreateOptions } from '../../api/schemas/volume.ts';
import { noSpace } from '../../storage/durable.ts';
import type { EventBus } from '../events.ts';
import type { StateStore } from '../state-store.ts';
import { checkVolumeName } from './mount-request.ts';

/** Marks volumes that got their name from the engine: prune removes these alone unless told otherwise. */
const ANONYMOUS_LABEL = 'com.docker.volume.anonymous';

/** Filter keys of VolumeList and VolumePrune. */
export const VOLUME_FILTERS = ['dangling', 'driver', 'label', 'name'];
export const VOLUME_PRUNE_FILTERS = ['label', 'label!', 'all'];

interface VolumeRecord {
  name: string;
  /** RFC 3339, whole seconds. */
  createdAt: string;
  labels: Record<string, string> | null;
}

/** A volume as the API shows it: no labels and no options are null. */
export type VolumeView = Omit<Volume, 'Labels' | 'Options'> & {
  Name: string;
  Mountpoint: string;
  Labels: Record<string, string> | null;
  Options: null;
};

/**
 * Volumes of the `local` driver: directories `<data-root>/volumes/NAME/_data`, records in the state store. A record is
 * written before its directory is made and deleted after the directory was renamed away, so that a crash leaves either
 * a volume or a leftover that recover() removes.
 */
export class Volumes {
  readonly #root: string;
  readonly #store: StateStore;
  readonly #events: EventBus;
  readonly #records = new Map<string, VolumeRecord>();
  /** IDs of the containers that use a volume, running or not. */
  readonly #users = new Map<string, Set<string>>();

  constructor(options: { dataRoot: string; store: StateStore; events: EventBus }) {
    this.#root = join(options.dataRoot, 'volumes');
    this.#store = options.store;
    this.#events = options.events;
    mkdirSync(this.#root, { recursive: true, mode: 0o701 });
    for (const row of this.#store.all('SELECT record FROM volume')) {
      const record = JSON.parse(row.record!) as VolumeRecord;
      this.#records.set(record.name, record);
    }
  }

  /** Completes what a crash left half done. `containers`: who uses which volumes. Called once, before any other. */
  recover(containers: Iterable<{ id: string; volumes: string[] }>): void {
    for (const entry of readdirSync(this.#root)) {
      if (entry.startsWith('.removed-')) rmSync(join(this.#root, entry), { recursive: true, force: true });
    }
    for (const name of this.#records.keys()) this.#makeDirectory(name);
    for (const { id, volumes } of containers) for (const name of volumes) this.acquire(name, id);
  }

  /**
   * Makes a volume, or gives the one of that name. Throws invalid_parameter for a wrong name, not_supported for other
   * drivers and for driver options.
   */
  create(options: VolumeCreateOptions): VolumeView {
    if (!['', 'local'].includes(options.Driver ?? '')) throw notSupportedYet(`volume driver ${options.Driver}`);
    if (Object.keys(options.DriverOpts ?? {}).length > 0) throw notSupportedYet('an option of volume driver local');
    if (options.ClusterVolumeSpec !== undefined) {
      throw new GantryError(
        'unavailable',
        'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.',
      );
    }
    const given = options.Name ?? '';
    checkCreateName(given);
    const existing = this.#records.get(given);
    if (existing !== undefined) return this.#view(existing);
    const name = given === '' ? randomBytes(32).toString('hex') : given;
    const labels = { ...options.Labels, ...(given === '' ? { [ANONYMOUS_LABEL]: '' } : {}) };
    const record: VolumeRecord = {
      name,
      createdAt: `${new Date().toISOString().slice(0, 19)}Z`,
      labels: Object.keys(labels).length === 0 ? null : labels,
    };
    this.#store.run(`volume ${name}`, 'INSERT INTO volume (name, record) VALUES (?, ?)', name, JSON.stringify(record));
    this.#records.set(name, record);
    try {
      this.#makeDirectory(name);
    } catch (error) {
      this.#records.delete(name);
      this.#store.keep(`volume ${name}`, 'durable', 'DELETE FROM volume WHERE name = ?', name);
      rmSync(join(this.#root, name), { recursive: true, force: true });
      throw noSpace(error, `failed to create volume ${name}`);
    }
    this.#events.emit('volume', 'create', name, { driver: 'local' });
    return this.#view(record);
  }

  has(name: string): boolean {
    return this.#records.has(name);
  }

  /** Throws not_found. */
  inspect(name: string): VolumeView {
    return this.#view(this.#get(name));
  }

  /** By name. Throws invalid_parameter for a filter it does not know. */
  list(filters: Filters): VolumeView[] {
    filters.accept(VOLUME_FILTERS);
    const wantDangling = filters.has('dangling') ? filters.bool('dangling', false) : null;
    const names = filters.get('name');
    const drivers = filters.get('driver');
    return [...this.#records.values()]
      .filter(
        (record) =>
          (wantDangling === null || wantDangling === !this.#inUse(record.name)) &&
          (drivers.length === 0 || drivers.includes('local')) &&
          (names.length === 0 || names.some((part) => record.name.includes(part))) &&
          filters.matchLabels('label', record.labels),
      )
      .sort((a, b) => (a.name < b.name ? -1 : 1))
      .map((record) => this.#view(record));
  }

  /** Throws not_found (unless forced) and conflict while a container uses it. */
  async remove(name: string, force: boolean): Promise<void> {
    if (!this.#records.has(name)) {
      if (force) return;
      this.#get(name);
    }
    const users = [...(this.#users.get(name) ?? [])];
    if (users.length > 0) {
      throw new GantryError('conflict', `remove ${name}: volume is in use - [${users.join(', ')}]`);
    }
    await this.#delete(name);
  }

  /**
   * Removes what no container uses: anonymous volumes, or all with the filter all=true. Returns names and the bytes
   * freed.
   */
  async prune(filters: Filters, options: { allByDefault: boolean }): Promise<{ deleted: string[]; bytes: number }> {
    filters.accept(VOLUME_PRUNE_FILTERS);
    const all = filters.bool('all', options.allByDefault);
    const deleted: string[] = [];
    let bytes = 0;
    for (const record of [...this.#records.values()]) {
      if (this.#inUse(record.name)) continue;
      if (!all && record.labels?.[ANONYMOUS_LABEL] === undefined) continue;
      if (!filters.matchLabels('label', record.labels)) continue;
      if (filters.has('label!') && filters.get('label!').some((term) => hasLabel(record.labels, term))) continue;
      const size = await directorySize(this.path(record.name));
      // Somebody may have taken or removed it while its size was counted.
      if (this.#inUse(record.name) || !this.#records.has(record.name)) continue;
      await this.#delete(record.name);
      deleted.push(record.name);
      bytes += size;
    }
    this.#events.emit('volume', 'prune', '', { reclaimed: String(bytes) });
    return { deleted, bytes };
  }

  /** With size (bytes) and number of containers, for `system df`. */
  async usage(): Promise<VolumeView[]> {
    const views: VolumeView[] = [];
    for (const record of this.#records.values()) {
      const Size = await directorySize(this.path(record.name));
      views.push({ ...this.#view(record), UsageData: { Size, RefCount: this.#users.get(record.name)?.size ?? 0 } });
    }
    return views;
  }

  /** Data directory of a volume. */
  path(name: string): string {
    return join(this.#root, name, '_data');
  }

  /** Notes that a container uses it, so that nobody removes it. */
  acquire(name: string, containerId: string): void {
    const users = this.#users.get(name) ?? new Set();
    users.add(containerId);
    this.#users.set(name, users);
  }

  /** Of a container that is removed: it uses none any more. Returns the volumes it used. */
  release(containerId: string): string[] {
    const released: string[] = [];
    for (const [name, users] of this.#users) {
      if (!users.delete(containerId)) continue;
      released.push(name);
      if (users.size === 0) this.#users.delete(name);
    }
    return released;
  }

  /** IDs of the containers that use a volume. */
  usersOf(name: string): string[] {
    return [...(this.#users.get(name) ?? [])];
  }

  #inUse(name: string): boolean {
    return (this.#users.get(name)?.size ?? 0) > 0;
  }

  #get(name: string): VolumeRecord {
    const record = this.#records.get(name);
    if (record === undefined) throw new GantryError('not_found', `get ${name}: no such volume`);
    return record;
  }

  #view(record: VolumeRecord): VolumeView {
    return {
      CreatedAt: record.createdAt,
      Driver: 'local',
      Labels: record.labels,
      Mountpoint: this.path(record.name),
      Name: record.name,
      Options: null,
      Scope: 'local',
    };
  }

  /** The parents keep other users out; the directory itself is whatever the containers make of it. */
  #makeDirectory(name: string): void {
    const data = this.path(name);
    if (existsSync(data)) return;
    mkdirSync(join(this.#root, name), { recursive: true, mode: 0o701 });
    mkdirSync(data);
    chmodSync(data, 0o755);
  }

  async #delete(name: string): Promise<void> {
    const removed = join(this.#root, `.removed-${name.slice(0, 200)}-${randomBytes(4).toString('hex')}`);
    this.#records.delete(name);
    if (existsSync(join(this.#root, name))) renameSync(join(this.#root, name), removed);
    this.#store.keep(`volume ${name}`, 'durable', 'DELETE FROM volume WHERE name = ?', name);
    this.#events.emit('volume', 'destroy', name, { driver: 'local' });
    await rm(removed, { recursive: true, force: true });
  }
}

function checkCreateName(name: string): void {
  try {
    checkVolumeName(name);
  } catch (error) {
    throw new GantryError('invalid_parameter', `create ${name}: ${(error as Error).message}`);
  }
  if (name.length > 255) throw new GantryError('invalid_parameter', `create ${name}: volume name is too long`);
}

function hasLabel(labels: Record<string, string> | null, term: string): boolean {
  const at = term.indexOf('=');
  const value = labels?.[at < 0 ? term : term.slice(0, at)];
  return value !== undefined && (at < 0 || value === term.slice(at + 1));
}

/** Bytes of the files below a directory; hard links count once. */
async function directorySize(path: string): Promise<number> {
  const seen = new Set<string>();
  let total = 0;
  const walk = async (directory: string): Promise<void> => {
    for (const entry of await readdir(directory, { withFileTypes: true }).catch(() => [])) {
      const child = join(directory, entry.name);
      if (entry.isDirectory()) {
        await walk(child);
        continue;
      }
      const stats = await lstat(child).catch(() => null);
      if (stats === null) continue;
      const key = `${stats.dev}:${stats.ino}`;
      if (stats.nlink > 1 && seen.has(key)) continue;
      seen.add(key);
      total += stats.size;
    }
  };
  await walk(path);
  return total;
}
