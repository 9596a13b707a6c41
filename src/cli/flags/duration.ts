/** Nanoseconds in each of Go's duration units (time.ParseDuration). */
const UNIT: Readonly<Record<string, number>> = {
  ns: 1,
  us: 1e3,
  '\u00b5s': 1e3,
  '\u03bcs': 1e3,
  ms: 1e6,
  s: 1e9,
  m: 60e9,
  h: 3600e9,
};

/** Reads a Go duration such as "1h5m" or "300ms"; returns nanoseconds. Throws with time.ParseDuration's message. */
export function parseDuration(text: string): number {
  const fail = (what: string) => new Error(`time: ${what} duration ${JSON.stringify(text)}`);
  const sign = text.startsWith('-') ? -1 : 1;
  let rest = text.replace(/^[+-]/, '');
  if (rest === '0') return 0;
  if (rest === '') throw fail('invalid');
  let total = 0;
  while (rest !== '') {
    const match = /^([0-9]+\.?[0-9]*|\.[0-9]+)([^0-9.]*)/.exec(rest);
    if (!match) throw fail('invalid');
    if (match[2] === '') throw fail('missing unit in');
    const unit = UNIT[match[2]!];
    if (unit === undefined)
      throw new Error(`time: unknown unit ${JSON.stringify(match[2])} in duration ${JSON.stringify(text)}`);
    total += Number(match[1]) * unit;
    rest = rest.slice(match[0].length);
  }
  return sign * Math.round(total);
}
