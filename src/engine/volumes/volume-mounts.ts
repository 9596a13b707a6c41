import { randomBytes } from 'node:crypto';
import { GantryError, messageOf } from '../../api/errors.ts';
import type { LocalDriver } from './local-driver.ts';
import type { VolumeCatalog } from './volume-catalog.ts';
import { driverOf } from './volume-record.ts';
import { Restoration } from './volume-restore.ts';
import type { VolumeTable } from './volume-table.ts';

/** Who has which volume mounted now: containers that run, copies, backups. */
export class VolumeMounts {
  readonly #table: VolumeTable;
  readonly #catalog: VolumeCatalog;
  readonly #local: LocalDriver;
  readonly #users = new Map<string, Set<string>>();

  constructor(parts: { table: VolumeTable; catalog: VolumeCatalog; local: LocalDriver }) {
    this.#table = parts.table;
    this.#catalog = parts.catalog;
    this.#local = parts.local;
  }

  /** Takes over what a container that an earlier daemon started has mounted. */
  adopt(name: string, user: string): void {
    const record = this.#table.get(name);
    if (record === undefined) return;
    // Plugins count for themselves.
    if (driverOf(record) === 'local') this.#local.adopt(name, user);
    this.#note(name, user);
  }

  /** Makes the content available to a user until unmount(); returns its directory. Throws not_found and what the driver throws. */
  async mount(name: string, user: string): Promise<string> {
    return await this.#table.exclusively(name, async () => {
      const record = this.#catalog.get(name);
      try {
        const driver = await this.#catalog.driverOf(record, { retry: true });
        const directory = await driver.mount(name, user);
        try {
          // One that a kill of the daemon cut short: the content is there only now.
          if (record.restoring !== undefined) await new Restoration(directory, record.restoring.staging).finish();
        } catch (error) {
          await driver.unmount(name, user);
          throw error;
        }
        this.#table.settleRestore(name);
        this.#catalog.notePlace(name, directory);
        this.#note(name, user);
        return directory;
      } catch (cause) {
        const code = cause instanceof GantryError ? cause.code : 'system';
        const place = this.#catalog.place(record);
        throw new GantryError(code, `error while mounting volume '${place}': ${messageOf(cause)}`, { cause });
      }
    });
  }

  /** Mounts it for a moment, which completes a restore that was cut short. Throws as mount(). */
  async completed(name: string): Promise<void> {
    const user = `complete-${randomBytes(8).toString('hex')}`;
    await this.mount(name, user);
    await this.unmount(name, user);
  }

  /** Nothing for a volume that is gone. */
  async unmount(name: string, user: string): Promise<void> {
    await this.#table.exclusively(name, async () => {
      const record = this.#table.get(name);
      const users = this.#users.get(name);
      users?.delete(user);
      if (users?.size === 0) this.#users.delete(name);
      if (record !== undefined) await (await this.#catalog.driverOf(record)).unmount(name, user);
    });
  }

  /** Throws conflict when somebody has it mounted. */
  refuseMounted(action: string, name: string): void {
    const users = [...(this.#users.get(name) ?? [])];
    if (users.length > 0) {
      throw new GantryError('conflict', `${action} ${name}: volume is mounted - [${users.join(', ')}]`);
    }
  }

  #note(name: string, user: string): void {
    this.#users.set(name, (this.#users.get(name) ?? new Set()).add(user));
  }
}
