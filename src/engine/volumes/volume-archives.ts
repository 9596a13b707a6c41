import { randomBytes } from 'node:crypto';
import { finished, Readable } from 'node:stream';
import { sealedTree } from '../../storage/sealed-tar.ts';
import type { VolumeCatalog } from './volume-catalog.ts';
import type { VolumeMounts } from './volume-mounts.ts';
import { checkCreateName, type VolumeView } from './volume-record.ts';
import { Restoration } from './volume-restore.ts';
import type { VolumeTable } from './volume-table.ts';

/** The content of volumes as archives: a tar that ends with its checksum. */
export class VolumeArchives {
  readonly #table: VolumeTable;
  readonly #catalog: VolumeCatalog;
  readonly #mounts: VolumeMounts;

  constructor(parts: { table: VolumeTable; catalog: VolumeCatalog; mounts: VolumeMounts }) {
    this.#table = parts.table;
    this.#catalog = parts.catalog;
    this.#mounts = parts.mounts;
  }

  /** The content, which may be in use. The volume is mounted until the stream has ended. Throws not_found. */
  async backup(name: string): Promise<Readable> {
    const user = `backup-${randomBytes(8).toString('hex')}`;
    const tar = Readable.from(sealedTree(await this.#mounts.mount(name, user)), { objectMode: false });
    // What cannot be unmounted now is unmounted by the next who lets go of it.
    finished(tar, () => void this.#mounts.unmount(name, user).catch(() => {}));
    return tar;
  }

  /**
   * Fills a volume, made when there is none of that name, with a backup, plain or compressed; all of it or nothing, a kill of the daemon
   * included. Throws conflict while somebody has it mounted (who wants to mount it meanwhile waits) and what Restoration.run() throws.
   */
  async restore(name: string, archive: Readable, options: { replace: boolean }): Promise<VolumeView> {
    checkCreateName(name);
    // One that a kill of the daemon cut short is completed first.
    if (this.#table.get(name)?.restoring !== undefined) await this.#mounts.completed(name);
    return await this.#table.exclusively(name, async () => {
      this.#mounts.refuseMounted('restore', name);
      const existing = await this.#catalog.known(name);
      const restoring = { staging: `.gantry-restore-${randomBytes(8).toString('hex')}`, made: existing === undefined };
      const record = existing ?? (await this.#catalog.make(name, { anonymous: false }, restoring));
      if (existing !== undefined) this.#table.noteRestore(name, restoring);
      let decided = false;
      try {
        const driver = await this.#catalog.driverOf(record, { retry: true });
        const user = `restore-${randomBytes(8).toString('hex')}`;
        const directory = await driver.mount(name, user);
        const restoration = new Restoration(directory, restoring.staging);
        try {
          await restoration.run(archive, { name, ...options });
        } finally {
          decided = restoration.decided;
          await driver.unmount(name, user);
        }
      } catch (error) {
        // What is decided and could not be completed now is completed when the volume is next mounted.
        if (!decided && restoring.made) await this.#catalog.delete(record);
        else if (!decided) this.#table.settleRestore(name);
        throw error;
      }
      this.#table.settleRestore(name);
      return this.#catalog.view(this.#catalog.get(name));
    });
  }
}
