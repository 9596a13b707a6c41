/** Go's durations ("1h5m", "300ms"), in nanoseconds. */

/** Nanoseconds in each unit (time.ParseDuration). */
const UNIT: Readonly<Record<string, bigint>> = {
  ns: 1n,
  us: 1_000n,
  '\u00b5s': 1_000n,
  '\u03bcs': 1_000n,
  ms: 1_000_000n,
  s: 1_000_000_000n,
  m: 60_000_000_000n,
  h: 3_600_000_000_000n,
};

/** What Go's type holds: about 292 years. */
const MAX = (1n << 63n) - 1n;

/** Reads a Go duration; parts of a nanosecond are cut off. Throws an Error with time.ParseDuration's message. */
export function parseDuration(text: string): bigint {
  const fail = (what: string) => new Error(`time: ${what} duration ${JSON.stringify(text)}`);
  let rest = text.replace(/^[+-]/, '');
  if (rest === '0') return 0n;
  if (rest === '') throw fail('invalid');
  let total = 0n;
  while (rest !== '') {
    const match = /^(?:([0-9]+)\.?([0-9]*)|\.([0-9]+))([^0-9.]*)/.exec(rest);
    if (!match) throw fail('invalid');
    const [all, whole = '0', decimals = '', bare = '', name = ''] = match;
    if (name === '') throw fail('missing unit in');
    const unit = UNIT[name];
    if (unit === undefined)
      throw new Error(`time: unknown unit ${JSON.stringify(name)} in duration ${JSON.stringify(text)}`);
    // Further decimals are below a nanosecond of any unit.
    const fraction = (decimals + bare).slice(0, 18);
    total += BigInt(whole) * unit + (BigInt(fraction || '0') * unit) / 10n ** BigInt(fraction.length);
    if (total > MAX) throw fail('invalid');
    rest = rest.slice(all.length);
  }
  return text.startsWith('-') ? -total : total;
}
