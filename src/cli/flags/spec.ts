/**
 * The kinds of flags a command can take. A flag turns its text into a typed value when the command line is parsed, so
 * that a bad value is reported as the flag's error, in pflag's words (`invalid argument "x" for "-t, --timeout" flag: ...`).
 */

import { parseDuration } from '../../api/duration.ts';

export interface FlagSpec<T> {
  /** One letter, without the dash; '' when there is none. */
  readonly short: string;
  /** Shown behind the name in the help; '' for a boolean. */
  readonly type: string;
  readonly usage: string;
  readonly default: T;
  /** The default as the help shows it; '' shows none. */
  readonly showDefault: string;
  /** A flag that needs no value takes this one when it stands alone (pflag's NoOptDefVal). */
  readonly alone?: string;
  /** Left out of the help (deprecated names, flags of other platforms). */
  readonly hidden?: boolean;
  /** The value after one more occurrence. Throws an Error whose message is what stands after `flag: `. */
  parse(text: string, previous: T, first: boolean): T;
}

// biome-ignore lint/suspicious/noExplicitAny: a table of flags holds values of every type; FlagValues recovers each
export type FlagSpecs = Readonly<Record<string, FlagSpec<any>>>;
export type FlagValues<F extends FlagSpecs> = { readonly [K in keyof F]: F[K] extends FlagSpec<infer T> ? T : never };

interface Extra {
  hidden?: boolean;
  /** The type's name in the help, where it is not the usual one. */
  type?: string;
  showDefault?: string;
}

function syntaxError(func: string, text: string, why = 'invalid syntax'): Error {
  return new Error(`strconv.${func}: parsing ${JSON.stringify(text)}: ${why}`);
}

/** Go's strconv.ParseBool. */
export function parseBool(text: string): boolean {
  if (['1', 't', 'T', 'true', 'TRUE', 'True'].includes(text)) return true;
  if (['0', 'f', 'F', 'false', 'FALSE', 'False'].includes(text)) return false;
  throw syntaxError('ParseBool', text);
}

function parseInteger(text: string, min: number, max: number): number {
  const func = min === 0 ? 'ParseUint' : 'ParseInt';
  const value = /^[+-]?(0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO]?[0-7]+|[0-9]+)$/.test(text) ? goInteger(text) : Number.NaN;
  if (Number.isNaN(value) || (min === 0 && /^[+-]/.test(text))) throw syntaxError(func, text);
  if (value < min || value > max) throw syntaxError(func, text, 'value out of range');
  return value;
}

// strconv with base 0: a leading 0 alone means octal.
function goInteger(text: string): number {
  const sign = text.startsWith('-') ? -1 : 1;
  const digits = text.replace(/^[+-]/, '');
  return sign * (/^0[0-7]+$/.test(digits) ? Number.parseInt(digits, 8) : Number(digits));
}

export function bool(short: string, usage: string, value = false, extra: Extra = {}): FlagSpec<boolean> {
  return {
    short,
    type: '',
    usage,
    default: value,
    showDefault: value ? 'true' : '',
    alone: 'true',
    parse: (text) => parseBool(text),
    ...extra,
  };
}

export function string(short: string, usage: string, value = '', extra: Extra = {}): FlagSpec<string> {
  const showDefault = value === '' ? '' : JSON.stringify(value);
  return { short, type: 'string', usage, default: value, showDefault, parse: (text) => text, ...extra };
}

export function int(short: string, usage: string, value = 0, extra: Extra = {}): FlagSpec<number> {
  const showDefault = value === 0 ? '' : String(value);
  const parse = (text: string) => parseInteger(text, Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);
  return { short, type: 'int', usage, default: value, showDefault, parse, ...extra };
}

export function uint(short: string, usage: string, bits = 64, extra: Extra = {}): FlagSpec<number> {
  const max = bits === 64 ? Number.MAX_SAFE_INTEGER : 2 ** bits - 1;
  const type = bits === 64 ? 'uint' : `uint${bits}`;
  return { short, type, usage, default: 0, showDefault: '', parse: (text) => parseInteger(text, 0, max), ...extra };
}

/** A Go duration ("1m30s"); the value is in nanoseconds. */
export function duration(short: string, usage: string, extra: Extra = {}): FlagSpec<number> {
  return {
    short,
    type: 'duration',
    usage,
    default: 0,
    showDefault: '0s',
    parse: (text) => Number(parseDuration(text)),
    ...extra,
  };
}

/** A flag that may stand several times; every value is kept, commas are no separators. `check` may change or refuse one. */
export function list(
  short: string,
  usage: string,
  check?: (text: string) => string,
  extra: Extra = {},
): FlagSpec<string[]> {
  return {
    short,
    type: 'list',
    usage,
    default: [],
    showDefault: '',
    parse: (text, previous, first) => [...(first ? [] : previous), check ? check(text) : text],
    ...extra,
  };
}

/** A flag with a type of its own. */
export function value<T>(
  short: string,
  type: string,
  usage: string,
  initial: T,
  parse: (text: string, previous: T, first: boolean) => T,
  extra: Extra = {},
): FlagSpec<T> {
  return { short, type, usage, default: initial, showDefault: '', parse, ...extra };
}
