import { GantryError } from '../../api/errors.ts';
import type { Filters } from '../../api/filters.ts';
import type { Volume } from '../../api/schemas/volume.ts';
import { checkVolumeName } from './mount-request.ts';

/** Marks volumes that got their name from the engine: prune removes these alone unless told otherwise. */
export const ANONYMOUS_LABEL = 'com.docker.volume.anonymous';

export interface VolumeRecord {
  name: string;
  /** RFC 3339, whole seconds. */
  createdAt: string;
  labels: Record<string, string> | null;
  /** Missing in records from before there were others than local. */
  driver?: string;
  /** As the client gave them; missing or null for none. */
  options?: Record<string, string> | null;
  /** A restore is under way, or was when the daemon was killed. `staging`: see Restoration; `made`: the volume was made for it. */
  restoring?: { staging: string; made: boolean };
}

/** A volume as the API shows it: no labels and no options are null. */
export type VolumeView = Omit<Volume, 'Labels' | 'Options'> & {
  Name: string;
  Driver: string;
  Mountpoint: string;
  Labels: Record<string, string> | null;
  Options: Record<string, string> | null;
};

export function driverOf(record: VolumeRecord): string {
  return record.driver ?? 'local';
}

/** Throws invalid_parameter; '' (anonymous) is fine. */
export function checkCreateName(name: string): void {
  try {
    checkVolumeName(name);
  } catch (error) {
    throw new GantryError('invalid_parameter', `create ${name}: ${(error as Error).message}`);
  }
  if (name.length > 255) throw new GantryError('invalid_parameter', `create ${name}: volume name is too long`);
}

/** What a prune with these filters takes, users aside. Throws invalid_parameter. */
export function pruneSelects(filters: Filters, allByDefault: boolean): (record: VolumeRecord) => boolean {
  const all = filters.bool('all', allByDefault);
  return ({ labels }) =>
    (all || labels?.[ANONYMOUS_LABEL] !== undefined) &&
    filters.matchLabels('label', labels) &&
    !filters.get('label!').some((term) => hasLabel(labels, term));
}

/** Whether an object's labels fulfil a term "key" or "key=value". */
function hasLabel(labels: Record<string, string> | null, term: string): boolean {
  const at = term.indexOf('=');
  const value = labels?.[at < 0 ? term : term.slice(0, at)];
  return value !== undefined && (at < 0 || value === term.slice(at + 1));
}
