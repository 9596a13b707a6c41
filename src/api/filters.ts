import { GantryError } from './errors.ts';

/** The `filters` query parameter of list, prune and event operations: keys with sets of values. */
export class Filters {
  readonly #values: ReadonlyMap<string, ReadonlySet<string>>;

  constructor(values: Record<string, Iterable<string>> = {}) {
    this.#values = new Map(Object.entries(values).map(([key, list]) => [key, new Set(list)]));
  }

  /** Parses both wire forms, {"label":["a=b"]} and {"label":{"a=b":true}}. Throws invalid_parameter. */
  static parse(text: string): Filters {
    if (text === '') return new Filters();
    let value: unknown;
    try {
      value = JSON.parse(text);
    } catch (cause) {
      throw new GantryError('invalid_parameter', 'invalid filter', { cause });
    }
    if (value === null) return new Filters();
    if (!isObject(value)) throw new GantryError('invalid_parameter', 'invalid filter');
    return new Filters(Object.fromEntries(Object.entries(value).map(([key, set]) => [key, valuesOf(set)])));
  }

  /** Throws invalid_parameter for a key that the operation does not know. */
  accept(keys: readonly string[]): void {
    for (const key of this.#values.keys()) {
      if (!keys.includes(key)) throw new GantryError('invalid_parameter', `invalid filter '${key}'`);
    }
  }

  has(key: string): boolean {
    return (this.#values.get(key)?.size ?? 0) > 0;
  }

  get(key: string): string[] {
    return [...(this.#values.get(key) ?? [])];
  }

  keys(): string[] {
    return [...this.#values.keys()];
  }

  /** True when the key is absent or one of its values is exactly `value`. */
  exact(key: string, value: string): boolean {
    const set = this.#values.get(key);
    return set === undefined || set.size === 0 || set.has(value);
  }

  /** True when the key is absent or one of its values is found in `text`: see pattern(). */
  match(key: string, text: string): boolean {
    const set = this.#values.get(key);
    return set === undefined || set.size === 0 || [...set].some((value) => pattern(value)(text));
  }

  /** True when the key is absent or all of its "key" and "key=value" terms hold in `labels`. */
  matchLabels(key: string, labels: Record<string, string> | null | undefined): boolean {
    for (const term of this.#values.get(key) ?? []) {
      const at = term.indexOf('=');
      const name = at < 0 ? term : term.slice(0, at);
      const value = labels?.[name];
      if (value === undefined || (at >= 0 && value !== term.slice(at + 1))) return false;
    }
    return true;
  }

  /** A boolean filter (dangling=true); `missing` when absent. Throws invalid_parameter for other or both values. */
  bool(key: string, missing: boolean): boolean {
    const values = this.get(key);
    if (values.length === 0) return missing;
    const read = values.map((value) => {
      if (['1', 'true'].includes(value.toLowerCase())) return true;
      if (['0', 'false'].includes(value.toLowerCase())) return false;
      throw new GantryError('invalid_parameter', `invalid filter '${key}=[${values.join(' ')}]'`);
    });
    if (new Set(read).size > 1)
      throw new GantryError('invalid_parameter', `invalid filter '${key}=[${values.join(' ')}]'`);
    return read[0]!;
  }
}

/** Docker's match: the pattern anywhere in the text; a pattern that is no regular expression only matches itself. */
export function pattern(value: string): (text: string) => boolean {
  try {
    const expression = new RegExp(value);
    return (text) => text === value || expression.test(text);
  } catch {
    return (text) => text === value;
  }
}

const isObject = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function valuesOf(set: unknown): string[] {
  if (Array.isArray(set) && set.every((item) => typeof item === 'string')) return set;
  if (isObject(set) && Object.values(set).every((on) => typeof on === 'boolean')) {
    return Object.entries(set).flatMap(([item, on]) => (on ? [item] : []));
  }
  throw new GantryError('invalid_parameter', 'invalid filter');
}
