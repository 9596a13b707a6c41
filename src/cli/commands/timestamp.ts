import { parseDuration } from '../flags/duration.ts';

/**
 * --since and --until as the API takes them: seconds since the epoch with a fraction. Reads a Go duration back from now
 * ("10m"), a Unix time, and RFC 3339 whole or cut short ("2026-11-21", "2026-11-21T04:55"), in local time without a zone.
 * Throws for anything else; undefined for ''.
 */
export function timestampQuery(text: string, now = Date.now()): string | undefined {
  if (text === '') return undefined;
  if (/^\d+(\.\d+)?$/.test(text)) return text;
  const date = /^(\d{4}-\d\d-\d\d)(?:T(\d\d)(?::(\d\d)(?::(\d\d)(\.\d{1,9})?)?)?)?(Z|[+-]\d\d:\d\d)?$/.exec(text);
  if (date !== null) {
    const [, day, hour = '00', minute = '00', second = '00', fraction = '', zone = ''] = date;
    const milliseconds = Date.parse(`${day}T${hour}:${minute}:${second}${zone}`);
    if (Number.isNaN(milliseconds)) throw new Error(`invalid time: ${text}`);
    return `${Math.trunc(milliseconds / 1000)}.${fraction.slice(1).padEnd(9, '0')}`;
  }
  let nanoseconds: number;
  try {
    nanoseconds = parseDuration(text);
  } catch {
    throw new Error(
      `invalid value for a time: ${JSON.stringify(text)}: use a duration (10m), a Unix time or RFC 3339 (2026-01-02T15:04:05Z)`,
    );
  }
  const at = BigInt(now) * 1_000_000n - BigInt(Math.trunc(nanoseconds));
  return `${at / 1_000_000_000n}.${String(at % 1_000_000_000n).padStart(9, '0')}`;
}
