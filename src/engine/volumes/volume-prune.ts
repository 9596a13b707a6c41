import type { Filters } from '../../api/filters.ts';
import type { EventBus } from '../events.ts';
import { DRY_RUN_FILTER, type PruneOptions } from '../prune-options.ts';
import { directorySize } from './directory-size.ts';
import type { VolumeCatalog } from './volume-catalog.ts';
import { pruneSelects, type VolumeRecord, type VolumeView } from './volume-record.ts';
import type { VolumeTable } from './volume-table.ts';

/** Filter keys of VolumePrune. */
export const VOLUME_PRUNE_FILTERS = ['label', 'label!', 'all', DRY_RUN_FILTER];

/** What volumes take on the disk, and what nobody needs of it. Volumes with options are left alone, as dockerd does: what they show is kept elsewhere. */
export class VolumePrune {
  readonly #table: VolumeTable;
  readonly #catalog: VolumeCatalog;
  readonly #events: EventBus;

  constructor(parts: { table: VolumeTable; catalog: VolumeCatalog; events: EventBus }) {
    this.#table = parts.table;
    this.#catalog = parts.catalog;
    this.#events = parts.events;
  }

  /** Removes what no container uses: anonymous volumes, or all with the filter all=true. Returns names and the bytes freed. */
  async prune(
    filters: Filters,
    options: PruneOptions & { allByDefault: boolean },
  ): Promise<{ deleted: string[]; bytes: number }> {
    filters.accept(VOLUME_PRUNE_FILTERS);
    const selected = pruneSelects(filters, options.allByDefault);
    const deleted: string[] = [];
    let bytes = 0;
    for (const record of this.#plain()) {
      const { name } = record;
      if (this.#table.usersOf(name).some((id) => !options.without.has(id))) continue;
      if (!selected(record)) continue;
      const size = await directorySize(this.#catalog.place(record));
      await this.#table.exclusively(name, async () => {
        if (!options.dryRun) {
          // Somebody may have taken or removed it while its size was counted.
          if (this.#table.usersOf(name).length > 0 || this.#table.get(name) !== record) return;
          await this.#catalog.delete(record);
        }
        deleted.push(name);
        bytes += size;
      });
    }
    if (!options.dryRun) this.#events.emit('volume', 'prune', '', { reclaimed: String(bytes) });
    return { deleted, bytes };
  }

  /** With size (bytes) and number of containers, for `system df`. */
  async usage(): Promise<VolumeView[]> {
    const views: VolumeView[] = [];
    for (const record of this.#plain()) {
      const Size = await directorySize(this.#catalog.place(record));
      const RefCount = this.#table.usersOf(record.name).length;
      views.push({ ...(await this.#catalog.view(record)), UsageData: { Size, RefCount } });
    }
    return views;
  }

  /** Of the local driver, in directories of ours. */
  #plain(): VolumeRecord[] {
    return this.#table.local().filter((record) => !record.options);
  }
}
