import { GantryError } from '../../api/errors.ts';

/** RFC 3339 in UTC with nanoseconds, as the API writes times (trailing zeros cut). */
export function rfc3339(nanoseconds: bigint): string {
  const seconds = new Date(Number(nanoseconds / 1_000_000n)).toISOString().slice(0, 19);
  const fraction = (nanoseconds % 1_000_000_000n).toString().padStart(9, '0').replace(/0+$/, '');
  return fraction === '' ? `${seconds}Z` : `${seconds}.${fraction}Z`;
}

/** Nanoseconds since the epoch; the clock gives milliseconds, the rest keeps times of one process apart. */
export function nowNs(): bigint {
  return BigInt(Date.now()) * 1_000_000n + (process.hrtime.bigint() % 1_000_000n);
}

const UNITS: Record<string, number> = { h: 3_600_000, m: 60_000, s: 1000, ms: 1, us: 1e-3, µs: 1e-3, ns: 1e-6 };

/**
 * A point in time as the API takes it in filters: Unix seconds (with fraction), RFC 3339 date or time, or a Go duration before `now`
 * ("1h30m"). Milliseconds since the epoch. Throws invalid_parameter.
 */
export function parseTime(text: string, now: number): number {
  if (/^\d+(\.\d+)?$/.test(text)) return Number(text) * 1000;
  if (/^(\d+(\.\d+)?(h|ms|us|µs|ns|m|s))+$/.test(text)) {
    let milliseconds = 0;
    for (const [, amount, unit] of text.matchAll(/(\d+(?:\.\d+)?)(h|ms|us|µs|ns|m|s)/g)) {
      milliseconds += Number(amount) * UNITS[unit!]!;
    }
    return now - milliseconds;
  }
  // Without a zone the time is local, as in Docker; a bare date would be UTC to Date.parse.
  const time = /^\d{4}-\d{2}-\d{2}/.test(text)
    ? Date.parse(text.length === 10 ? `${text}T00:00:00` : text)
    : Number.NaN;
  if (Number.isNaN(time)) {
    throw new GantryError('invalid_parameter', `failed to parse value as time or duration: "${text}"`);
  }
  return time;
}
