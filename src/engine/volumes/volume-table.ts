import { AsyncLock } from '../containers/async-lock.ts';
import type { StateStore } from '../state-store.ts';
import { driverOf, type VolumeRecord } from './volume-record.ts';

/** The volumes that this engine knows, as the state store keeps them, and the containers that refer to them. */
export class VolumeTable {
  readonly #store: StateStore;
  readonly #records = new Map<string, VolumeRecord>();
  /** IDs of the containers that use a volume, running or not. */
  readonly #users = new Map<string, Set<string>>();
  /** What is done to one volume is done one after the other. */
  readonly #locks = new Map<string, AsyncLock>();

  constructor(store: StateStore) {
    this.#store = store;
    for (const row of store.all('SELECT record FROM volume')) {
      const record = JSON.parse(row.record!) as VolumeRecord;
      this.#records.set(record.name, record);
    }
  }

  get(name: string): VolumeRecord | undefined {
    return this.#records.get(name);
  }

  all(): VolumeRecord[] {
    return [...this.#records.values()];
  }

  /** Those of the local driver. */
  local(): VolumeRecord[] {
    return this.all().filter((record) => driverOf(record) === 'local');
  }

  /** Throws no_space and system; nothing has changed then. */
  insert(record: VolumeRecord): VolumeRecord {
    const { name } = record;
    this.#store.run(`volume ${name}`, 'INSERT INTO volume (name, record) VALUES (?, ?)', name, JSON.stringify(record));
    this.#records.set(name, record);
    return record;
  }

  /** Puts a record with another name in the place of one. Throws as insert(). */
  rename(from: string, record: VolumeRecord): void {
    this.#store.run(
      `volume ${from}`,
      'UPDATE volume SET name = ?, record = ? WHERE name = ?',
      record.name,
      JSON.stringify(record),
      from,
    );
    this.#records.delete(from);
    this.#records.set(record.name, record);
  }

  /** Durable before the first change to the volume's content. Throws as insert(). */
  noteRestore(name: string, restoring: NonNullable<VolumeRecord['restoring']>): void {
    this.rename(name, { ...this.#records.get(name)!, restoring });
  }

  settleRestore(name: string): void {
    const { restoring, ...record } = this.#records.get(name)!;
    if (restoring !== undefined) this.rename(name, record);
  }

  erase(name: string): void {
    this.#records.delete(name);
    this.#store.keep(`volume ${name}`, 'durable', 'DELETE FROM volume WHERE name = ?', name);
  }

  /** IDs of the containers that use a volume. */
  usersOf(name: string): string[] {
    return [...(this.#users.get(name) ?? [])];
  }

  acquire(name: string, containerId: string): void {
    this.#users.set(name, (this.#users.get(name) ?? new Set()).add(containerId));
  }

  /** Returns the volumes that the container used. */
  release(containerId: string): string[] {
    const released: string[] = [];
    for (const [name, users] of this.#users) {
      if (!users.delete(containerId)) continue;
      released.push(name);
      if (users.size === 0) this.#users.delete(name);
    }
    return released;
  }

  /** Whether exclusively() has work on it. */
  busy(name: string): boolean {
    return this.#locks.has(name);
  }

  async exclusively<T>(name: string, task: () => Promise<T>): Promise<T> {
    const lock = this.#locks.get(name) ?? new AsyncLock();
    this.#locks.set(name, lock);
    try {
      return await lock.run(task);
    } finally {
      if (lock.depth === 0) this.#locks.delete(name);
    }
  }
}
