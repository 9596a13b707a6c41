import { GantryError } from '../../api/errors.ts';
import type { Filters } from '../../api/filters.ts';
import { DRY_RUN_FILTER, type PruneOptions } from '../../engine/prune-options.ts';
import { flag, list } from '../http/parameters.ts';

/** Parameters that every prune takes. */
export const DRY_RUN = {
  'dry-run': flag('Change nothing and answer with what would go; so does the filter of this name'),
  without: list('In a dry run: IDs of containers that count as removed already'),
};

/** Throws invalid_parameter. */
export function pruneOptions(query: {
  'dry-run': boolean;
  without: readonly string[];
  filters: Filters;
}): PruneOptions {
  const dryRun = query['dry-run'] || query.filters.bool(DRY_RUN_FILTER, false);
  if (!dryRun && query.without.length > 0) {
    throw new GantryError('invalid_parameter', 'the parameter without is for dry runs alone');
  }
  return { dryRun, without: new Set(query.without) };
}
