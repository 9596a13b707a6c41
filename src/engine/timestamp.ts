import { GantryError } from '../api/errors.ts';
import { nowNs, parseTimestamp, parseUnixTime } from '../api/timestamp.ts';

/** The time of a filter, in nanoseconds since the epoch (see parseTimestamp). Throws invalid_parameter. */
export function filterTime(text: string, now: bigint = nowNs()): bigint {
  const time = parseTimestamp(text, now);
  if (time === null) {
    throw new GantryError('invalid_parameter', `failed to parse value as time or duration: ${JSON.stringify(text)}`);
  }
  return time;
}

/** The time of a query, which may also be Unix seconds before the epoch. Throws invalid_parameter. */
export function queryTime(text: string): bigint {
  return parseUnixTime(text) ?? filterTime(text);
}
