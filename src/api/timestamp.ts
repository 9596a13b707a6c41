/** Points in time as the API takes and gives them, in nanoseconds since the epoch. */
import { parseDuration } from './duration.ts';

const SECOND = 1_000_000_000n;

/**
 * Unix seconds, perhaps with a fraction; null when `text` is none. The fraction counts forward from the seconds before the epoch
 * too, as Go writes a time: "-2.500000000" is a second and a half before it.
 */
export function parseUnixTime(text: string): bigint | null {
  const match = /^([-+]?[0-9]{1,18})(?:\.([0-9]+))?$/.exec(text);
  if (match === null) return null;
  return BigInt(match[1]!) * SECOND + BigInt((match[2] ?? '').slice(0, 9).padEnd(9, '0'));
}

/** The reverse of parseUnixTime, with nine decimals. */
export function formatUnixTime(ns: bigint): string {
  const { seconds, fraction } = split(ns);
  return `${seconds}.${fraction}`;
}

/** Seconds rounded down and the nanoseconds above them in nine digits. */
function split(ns: bigint): { seconds: bigint; fraction: string } {
  const above = ((ns % SECOND) + SECOND) % SECOND;
  return { seconds: (ns - above) / SECOND, fraction: above.toString().padStart(9, '0') };
}

/**
 * A time as filters, --since and --until take it: a Go duration back from `now`, a date of RFC 3339 whole or cut short after the day,
 * the hour or the minute, or Unix seconds. A date without a zone is in the zone that holds here at `now`, as with Docker
 * (GetTimestamp in moby's api/types/time). Null when `text` is none of them.
 */
export function parseTimestamp(text: string, now: bigint): bigint | null {
  return parseDate(text, now) ?? (text.startsWith('-') ? null : parseUnixTime(text)) ?? before(text, now);
}

function before(text: string, now: bigint): bigint | null {
  try {
    return now - parseDuration(text);
  } catch {
    return null;
  }
}

const DATE =
  /^(\d{4})-(\d{2})-(\d{2})(?:T(\d{1,2})(?::(\d{2})(?::(\d{2})(?:\.(\d+))?)?)?)?(Z|[-+](?:[01]\d|2[0-4]):[0-5]\d)?$/;

function parseDate(text: string, now: bigint): bigint | null {
  const match = DATE.exec(text);
  if (match === null) return null;
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map((part) => Number(part ?? 0)) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const local = Date.UTC(year, month - 1, day, hour, minute, second);
  const date = new Date(local);
  // What does not exist (30 February, 24:00) would become some later time.
  const same = date.getUTCMonth() === month - 1 && date.getUTCDate() === day && date.getUTCHours() === hour;
  if (!same || minute > 59 || second > 59 || year < 100) return null;
  const ns = BigInt(local - offsetOf(match[8], now)) * 1_000_000n;
  return ns + BigInt((match[7] ?? '').slice(0, 9).padEnd(9, '0'));
}

/** Milliseconds that the zone is ahead of UTC; without one, the zone here. */
function offsetOf(zone: string | undefined, now: bigint): number {
  if (zone === undefined) return -60_000 * new Date(Number(now / 1_000_000n)).getTimezoneOffset();
  if (zone === 'Z') return 0;
  const minutes = 60 * Number(zone.slice(1, 3)) + Number(zone.slice(4));
  return (zone.startsWith('-') ? -60_000 : 60_000) * minutes;
}

/** The time now. The clock gives milliseconds, the rest keeps times of one process apart. */
export function nowNs(): bigint {
  return BigInt(Date.now()) * 1_000_000n + (process.hrtime.bigint() % 1_000_000n);
}

/** RFC 3339 in UTC with exactly nine decimals, as log lines carry it. */
export function formatNano(ns: bigint): string {
  const { seconds, fraction } = split(ns);
  return `${new Date(Number(seconds) * 1000).toISOString().slice(0, 19)}.${fraction}Z`;
}

/** RFC 3339 in UTC with as many decimals as it takes, as the API writes times (Go's RFC3339Nano). */
export function formatTime(ns: bigint): string {
  return formatNano(ns).replace(/\.?0+Z$/, 'Z');
}

/** The nanoseconds of an RFC 3339 time, all nine decimals; null when it is none. */
export function parseNano(text: string): bigint | null {
  const match = /^(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2})(?:\.(\d{1,9}))?(Z|[-+]\d{2}:\d{2})$/.exec(text);
  if (match === null) return null;
  const milliseconds = Date.parse(match[1]! + match[3]!);
  if (Number.isNaN(milliseconds)) return null;
  return BigInt(milliseconds) * 1_000_000n + BigInt((match[2] ?? '').padEnd(9, '0'));
}
