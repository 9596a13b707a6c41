import { GantryError } from '../api/errors.ts';
import type { Filters } from '../api/filters.ts';
import { filterTime } from './timestamp.ts';

/** The `until` filter of prune operations in nanoseconds since the epoch, null for none. Throws invalid_parameter. */
export function untilNs(filters: Filters): bigint | null {
  const values = filters.get('until');
  if (values.length > 1) throw new GantryError('invalid_parameter', 'more than one until filter specified');
  return values.length === 0 ? null : filterTime(values[0]!);
}
