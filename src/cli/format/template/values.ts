/** Go's view of JSON values: truth, printing with %v, comparison, printf. */

export class TemplateRunError extends Error {
  override name = 'TemplateRunError';
}

/** A key that a map does not hold: prints as "<no value>". */
export const MISSING = Symbol('no value');

/**
 * Marks an object as a Go struct of that type: its fields are known beforehand, it is never empty, and it prints as
 * `{a b}`. What does not carry it is a map.
 */
export const TYPE = Symbol('Go type');
/** What a struct is as JSON, where that is not its fields. */
export const AS_JSON = Symbol('as JSON');

function structType(value: unknown): string | undefined {
  return value !== null && typeof value === 'object' ? (value as { [TYPE]?: string })[TYPE] : undefined;
}

export function isMap(value: unknown): value is Record<string, unknown> {
  return value !== null && typeof value === 'object' && !Array.isArray(value);
}

/** Go's rule: false, 0, nil, and empty strings, lists and maps are false. */
export function truth(value: unknown): boolean {
  if (value === null || value === undefined || value === MISSING) return false;
  if (Array.isArray(value)) return value.length > 0;
  if (typeof value === 'object') return structType(value) !== undefined || Object.keys(value).length > 0;
  return Boolean(value);
}

/** fmt's %v. */
export function format(value: unknown): string {
  if (value === MISSING) return '<no value>';
  if (value === null || value === undefined) return '<nil>';
  if (typeof value === 'number') return formatNumber(value);
  if (Array.isArray(value)) return `[${value.map(format).join(' ')}]`;
  if (isMap(value)) {
    if (structType(value) !== undefined) return `{${Object.values(value).map(format).join(' ')}}`;
    return `map[${Object.keys(value)
      .sort()
      .map((key) => `${key}:${format(value[key])}`)
      .join(' ')}]`;
  }
  return String(value);
}

const exponent = (text: string): string => text.replace(/e([+-])(\d)$/, 'e$10$2');

function formatNumber(value: number): string {
  return Number.isInteger(value) && Math.abs(value) < 1e21 ? BigInt(value).toString() : shortest(value);
}

/** Go's %g without a precision: an exponent below 1e-4 and from 1e6 on (JSON's large integers are integers in Go, too). */
function shortest(value: number): string {
  const scientific = value.toExponential();
  const power = Number(scientific.slice(scientific.indexOf('e') + 1));
  return power < -4 || power >= (Number.isInteger(value) ? 21 : 6) ? exponent(scientific) : String(value);
}

export function typeName(value: unknown): string {
  if (value === null || value === undefined || value === MISSING) return 'nil';
  const struct = structType(value);
  if (struct !== undefined) return struct;
  if (Array.isArray(value)) {
    return value.length > 0 && value.every((item) => typeof item === 'string') ? '[]string' : '[]interface {}';
  }
  if (typeof value === 'bigint') return 'int64';
  if (typeof value === 'number') return Number.isInteger(value) ? 'int' : 'float64';
  if (typeof value === 'boolean') return 'bool';
  if (typeof value === 'object') return 'map[string]interface {}';
  return 'string';
}

/** Go's encoding/json without HTML escaping, as Docker's `json` function prints it. Map keys keep the order they came in. */
export function toJson(value: unknown): string {
  if (value === MISSING || value === undefined) return 'null';
  return JSON.stringify(value, (_key, item) => {
    if (typeof item === 'function') return undefined;
    return item !== null && typeof item === 'object' && AS_JSON in item ? item[AS_JSON] : item;
  });
}

function pad(text: string, width: number, left: boolean, zero: boolean): string {
  const missing = width - [...text].length;
  if (missing <= 0) return text;
  if (left) return text + ' '.repeat(missing);
  if (!zero) return ' '.repeat(missing) + text;
  return /^[+-]/.test(text) ? text[0] + '0'.repeat(missing) + text.slice(1) : '0'.repeat(missing) + text;
}

function formatVerb(verb: string, flags: string, precision: number | null, value: unknown): string {
  const bad = (): string => `%!${verb}(${typeName(value)}=${format(value)})`;
  const sign = (text: string): string => (flags.includes('+') && !text.startsWith('-') ? `+${text}` : text);
  switch (verb) {
    case 'v':
      return flags.includes('#') && typeof value === 'string' ? JSON.stringify(value) : format(value);
    case 's': {
      if (typeof value === 'number' || typeof value === 'boolean') return bad();
      const text = format(value);
      return precision === null ? text : [...text].slice(0, precision).join('');
    }
    case 'q':
      return typeof value === 'number'
        ? `'${String.fromCodePoint(value)}'`
        : Array.isArray(value)
          ? `[${value.map((item) => JSON.stringify(format(item))).join(' ')}]`
          : JSON.stringify(format(value));
    case 'd':
      return typeof value === 'bigint' || (typeof value === 'number' && Number.isInteger(value))
        ? sign(format(value))
        : bad();
    case 't':
      return typeof value === 'boolean' ? String(value) : bad();
    case 'f':
    case 'F':
      return typeof value === 'number' ? sign(value.toFixed(precision ?? 6)) : bad();
    case 'e':
      return typeof value === 'number' ? sign(exponent(value.toExponential(precision ?? 6))) : bad();
    case 'g':
      return typeof value === 'number'
        ? sign(precision === null ? shortest(value) : String(Number(value.toPrecision(precision))))
        : bad();
    case 'x':
    case 'X': {
      const text = typeof value === 'number' ? value.toString(16) : Buffer.from(format(value)).toString('hex');
      return (flags.includes('#') ? '0x' : '') + (verb === 'X' ? text.toUpperCase() : text);
    }
    case 'o':
      return typeof value === 'number' ? value.toString(8) : bad();
    case 'b':
      return typeof value === 'number' ? value.toString(2) : bad();
    case 'c':
      return typeof value === 'number' ? String.fromCodePoint(value) : bad();
    case 'U':
      return typeof value === 'number' ? `U+${value.toString(16).toUpperCase().padStart(4, '0')}` : bad();
    case 'T':
      return typeName(value);
    default:
      return bad();
  }
}

/** fmt.Sprintf for the values a template has. */
export function sprintf(pattern: string, args: unknown[]): string {
  let next = 0;
  const text = pattern.replace(
    /%([-+# 0]*)(\*|\d+)?(?:\.(\*|\d+)?)?([^-+# 0-9.*])|%$/gu,
    (whole, flags: string, width: string | undefined, precision: string | undefined, verb: string | undefined) => {
      if (verb === undefined) return '%!(NOVERB)';
      if (verb === '%') return '%';
      const size = (given: string | undefined): number | null =>
        given === undefined ? null : given === '*' ? Number(args[next++]) : Number(given);
      const columns = size(width);
      const digits = whole.includes('.') ? (size(precision) ?? 0) : null;
      if (next >= args.length) return `%!${verb}(MISSING)`;
      return pad(formatVerb(verb, flags, digits, args[next++]), columns ?? 0, flags.includes('-'), flags.includes('0'));
    },
  );
  if (next >= args.length) return text;
  return `${text}%!(EXTRA ${args
    .slice(next)
    .map((value) => `${typeName(value)}=${format(value)}`)
    .join(', ')})`;
}

/** Go's basic-kind comparison for eq, lt and their kin. Throws when the types do not compare. */
export function compare(a: unknown, b: unknown): number {
  if (typeof a === 'number' && typeof b === 'number') return a - b;
  if (typeof a === 'string' && typeof b === 'string') return a < b ? -1 : a > b ? 1 : 0;
  if (typeof a === 'boolean' && typeof b === 'boolean') throw new TemplateRunError('invalid type for comparison');
  throw new TemplateRunError('incompatible types for comparison');
}

export function equal(a: unknown, b: unknown): boolean {
  const left = a === MISSING || a === undefined ? null : a;
  const right = b === MISSING || b === undefined ? null : b;
  if (left === null || right === null) return left === right;
  if (typeof left === 'object' || typeof right === 'object') throw new TemplateRunError('non-comparable type');
  if (typeof left !== typeof right) throw new TemplateRunError('incompatible types for comparison');
  return left === right;
}
