import { GantryError } from '../../api/errors.ts';
import { Filters } from '../../api/filters.ts';

/**
 * Query parameters as a route declares them. The declaration is what reads them, and what the OpenAPI document shows: a handler
 * cannot read one that is not declared.
 */
export type QueryParameter = FlagParameter | TextParameter | NumberParameter | ListParameter | FiltersParameter;
export type QueryShape = Readonly<Record<string, QueryParameter>>;

interface FlagParameter {
  kind: 'flag';
  description: string;
  missing: boolean;
  strict: boolean;
}
interface TextParameter {
  kind: 'text';
  description: string;
  missing: string;
  choices: readonly string[] | null;
}
interface NumberParameter {
  kind: 'number';
  description: string;
}
interface ListParameter {
  kind: 'list';
  description: string;
  choices: readonly string[] | null;
}
interface FiltersParameter {
  kind: 'filters';
  description: string;
  keys: readonly string[];
}

/** What a handler gets for a declared shape. */
export type QueryValues<Q> = { readonly [K in keyof Q]: ValueOf<Q[K]> };
type ValueOf<P> = P extends FlagParameter
  ? boolean
  : P extends TextParameter
    ? string
    : P extends NumberParameter
      ? number | null
      : P extends ListParameter
        ? string[]
        : P extends FiltersParameter
          ? Filters
          : never;

const FALSE_WORDS = new Set(['', '0', 'no', 'false', 'none']);

/** Docker's rule: false for '', 0, no, false and none, true for anything else. `strict`: only what Go reads as a boolean is one. */
export function flag(description: string, options: { missing?: boolean; strict?: boolean } = {}): FlagParameter {
  return { kind: 'flag', description, missing: options.missing ?? false, strict: options.strict ?? false };
}

/** `missing`: also for an empty one. `choices`: for the document; the handler refuses others, in its own words. */
export function text(
  description: string,
  options: { missing?: string; choices?: readonly string[] } = {},
): TextParameter {
  return { kind: 'text', description, missing: options.missing ?? '', choices: options.choices ?? null };
}

/** A whole number; null when missing or empty. */
export function number(description: string): NumberParameter {
  return { kind: 'number', description };
}

/** All values of a repeated parameter. */
export function list(description: string, options: { choices?: readonly string[] } = {}): ListParameter {
  return { kind: 'list', description, choices: options.choices ?? null };
}

/** Both forms, {"label":["a"]} and {"label":{"a":true}}; another key than these is refused. */
export function filters(description: string, keys: readonly string[]): FiltersParameter {
  return { kind: 'filters', description, keys };
}

/** Values of `shape` in a query string (what follows the question mark). Throws invalid_parameter. */
export function readQuery<Q extends QueryShape>(shape: Q, query: string): QueryValues<Q> {
  checkQuery(query);
  const given = new URLSearchParams(query);
  return Object.fromEntries(
    Object.entries(shape).map(([name, parameter]) => [name, read(name, parameter, given)]),
  ) as QueryValues<Q>;
}

/** What Go's parser refuses, and URLSearchParams would guess at. */
function checkQuery(query: string): void {
  const wrong = /%(?![0-9a-f]{2}).{0,2}/i.exec(query);
  if (wrong !== null) throw new GantryError('invalid_parameter', `invalid URL escape ${JSON.stringify(wrong[0])}`);
  if (query.includes(';')) throw new GantryError('invalid_parameter', 'invalid semicolon separator in query');
}

function read(name: string, parameter: QueryParameter, given: URLSearchParams): unknown {
  const value = given.get(name);
  switch (parameter.kind) {
    case 'flag':
      if (parameter.strict && value) return goBoolean(name, value);
      return value === null ? parameter.missing : !FALSE_WORDS.has(value.trim().toLowerCase());
    case 'text':
      return value || parameter.missing;
    case 'number':
      return value === null || value === '' ? null : wholeNumber(value);
    case 'list':
      return given.getAll(name);
    case 'filters': {
      const parsed = Filters.parse(value ?? '');
      parsed.accept(parameter.keys);
      return parsed;
    }
  }
}

/** Worded as clients of Docker know it. */
function goBoolean(name: string, value: string): boolean {
  if (/^([1tT]|true|True|TRUE)$/.test(value)) return true;
  if (/^([0fF]|false|False|FALSE)$/.test(value)) return false;
  const why = `strconv.ParseBool: parsing ${JSON.stringify(value)}: invalid syntax`;
  throw new GantryError('invalid_parameter', `invalid value for ${name}: ${value}: ${why}`);
}

/** Worded as clients of Docker know it. */
function wholeNumber(value: string): number {
  const quoted = JSON.stringify(value);
  if (!/^[+-]?\d+$/.test(value)) {
    throw new GantryError('invalid_parameter', `strconv.Atoi: parsing ${quoted}: invalid syntax`);
  }
  const result = Number(value);
  if (!Number.isSafeInteger(result)) {
    throw new GantryError('invalid_parameter', `strconv.Atoi: parsing ${quoted}: value out of range`);
  }
  return result;
}
