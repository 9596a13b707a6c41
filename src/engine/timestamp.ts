import { GantryError } from '../api/errors.ts';

const UNIT_NS: Record<string, bigint> = {
  ns: 1n,
  us: 1_000n,
  µs: 1_000n,
  ms: 1_000_000n,
  s: 1_000_000_000n,
  m: 60_000_000_000n,
  h: 3_600_000_000_000n,
};

/** A Go duration ("1h30m", "1.5s", "-2m") in nanoseconds, or null when `text` is none. */
export function parseGoDuration(text: string): bigint | null {
  if (text === '0') return 0n;
  const match = /^([-+]?)((?:\d+(?:\.\d*)?|\.\d+)(?:ns|us|µs|ms|s|m|h))+$/.exec(text);
  if (match === null) return null;
  let total = 0n;
  for (const part of text.matchAll(/(\d*)(?:\.(\d*))?(ns|us|µs|ms|s|m|h)/g)) {
    const unit = UNIT_NS[part[3]!]!;
    const fraction = part[2] ?? '';
    total += BigInt(part[1] || '0') * unit;
    if (fraction !== '') total += (BigInt(fraction) * unit) / 10n ** BigInt(fraction.length);
  }
  return match[1] === '-' ? -total : total;
}

/**
 * A point in time as API clients give it, in nanoseconds since the epoch: Unix seconds with up to nine decimals, a Go duration
 * back from now, or a date as RFC 3339 allows to shorten it (without zone: local time). Throws invalid_parameter.
 */
export function parseTimestamp(text: string, now = BigInt(Date.now()) * 1_000_000n): bigint {
  const unix = /^(-?)(\d+)(?:\.(\d{0,9})\d*)?$/.exec(text);
  if (unix !== null) {
    const ns = BigInt(unix[2]!) * 1_000_000_000n + BigInt((unix[3] ?? '').padEnd(9, '0'));
    return unix[1] === '-' ? -ns : ns;
  }
  const duration = parseGoDuration(text);
  if (duration !== null) return now - duration;
  const date = /^(\d{4}-\d{2}-\d{2})(?:T(\d{2})(?::(\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?)?)?(Z|[-+]\d{2}:\d{2})?$/.exec(
    text,
  );
  if (date !== null) {
    const [, day, hour = '00', minute = '00', second = '00', fraction = '', zone = ''] = date;
    const milliseconds = Date.parse(`${day}T${hour}:${minute}:${second}${zone}`);
    if (!Number.isNaN(milliseconds)) return BigInt(milliseconds) * 1_000_000n + BigInt(fraction.padEnd(9, '0'));
  }
  throw new GantryError('invalid_parameter', `failed to parse value as time or duration: "${text}"`);
}

/** RFC 3339 in UTC with exactly nine decimals, as log lines carry it. */
export function formatNano(ns: bigint): string {
  let seconds = ns / 1_000_000_000n;
  let rest = ns % 1_000_000_000n;
  if (rest < 0n) {
    rest += 1_000_000_000n;
    seconds -= 1n;
  }
  return `${new Date(Number(seconds) * 1000).toISOString().slice(0, 19)}.${rest.toString().padStart(9, '0')}Z`;
}

/** Nanoseconds since the epoch of an RFC 3339 time, keeping all nine decimals; null when it is none. */
export function parseNano(text: string): bigint | null {
  const match = /^(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2})(?:\.(\d{1,9}))?(Z|[-+]\d{2}:\d{2})$/.exec(text);
  if (match === null) return null;
  const milliseconds = Date.parse(match[1]! + match[3]!);
  if (Number.isNaN(milliseconds)) return null;
  return BigInt(milliseconds) * 1_000_000n + BigInt((match[2] ?? '').padEnd(9, '0'));
}
