/** Pax extended headers: records of the form "<length> <key>=<value>\n" (IEEE 1003.1, pax utility). */
import { TarError } from './entry.ts';

export interface PaxRecord {
  key: string;
  /** Byte string. */
  value: string;
}

/** Parses the data of an "x" or "g" member. Throws TarError for records that do not add up. */
export function parsePax(data: Buffer): PaxRecord[] {
  const records: PaxRecord[] = [];
  let at = 0;
  while (at < data.length) {
    const blank = data.indexOf(0x20, at);
    // Some writers pad the data with NULs up to its size.
    if (data[at] === 0) break;
    if (blank < 0 || blank - at > 10) throw new TarError('damaged pax record: no length');
    const lengthText = data.toString('latin1', at, blank);
    const length = Number(lengthText);
    if (!/^[0-9]+$/.test(lengthText) || length < blank - at + 3 || at + length > data.length) {
      throw new TarError('damaged pax record: wrong length');
    }
    const end = at + length - 1;
    const equals = data.indexOf(0x3d, blank + 1);
    if (data[end] !== 0x0a || equals < 0 || equals >= end || equals === blank + 1) {
      throw new TarError('damaged pax record');
    }
    records.push({ key: data.toString('latin1', blank + 1, equals), value: data.toString('latin1', equals + 1, end) });
    at = end + 1;
  }
  return records;
}

/** Encodes records in the order given. */
export function encodePax(records: readonly PaxRecord[]): Buffer {
  const parts: Buffer[] = [];
  for (const { key, value } of records) {
    const body = 3 + key.length + value.length;
    // The length counts its own digits, which may make it one digit longer.
    let total = body + String(body).length;
    if (String(total).length !== String(body).length) total = body + String(total).length;
    parts.push(Buffer.from(`${total} ${key}=${value}\n`, 'latin1'));
  }
  return Buffer.concat(parts);
}

/** A decimal number, perhaps with a sign. Throws TarError. */
export function paxInteger(key: string, value: string): number {
  const number = Number(value);
  if (!/^-?[0-9]+$/.test(value) || !Number.isSafeInteger(number))
    throw new TarError(`damaged pax record: ${key}=${value}`);
  return number;
}

/** "seconds[.fraction]" as seconds rounded down and nanoseconds above them. Throws TarError. */
export function paxTime(key: string, value: string): { seconds: number; nanoseconds: number } {
  const match = /^(-?)([0-9]{1,15})(?:\.([0-9]*))?$/.exec(value);
  if (match === null) throw new TarError(`damaged pax record: ${key}=${value}`);
  const whole = Number(match[2]);
  const fraction = Number((match[3] ?? '').slice(0, 9).padEnd(9, '0'));
  if (match[1] === '') return { seconds: whole, nanoseconds: fraction };
  return fraction === 0
    ? { seconds: -whole, nanoseconds: 0 }
    : { seconds: -whole - 1, nanoseconds: 1_000_000_000 - fraction };
}

/** The reverse of paxTime. */
export function formatPaxTime(seconds: number, nanoseconds: number): string {
  if (nanoseconds === 0) return String(seconds);
  const negative = seconds < 0;
  const whole = negative ? -seconds - 1 : seconds;
  const fraction = negative ? 1_000_000_000 - nanoseconds : nanoseconds;
  return `${negative ? '-' : ''}${whole}.${String(fraction).padStart(9, '0').replace(/0+$/, '')}`;
}
