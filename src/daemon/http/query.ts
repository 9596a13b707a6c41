import { GantryError } from '../../api/errors.ts';
import { Filters } from '../../api/filters.ts';
import type { Query } from '../contract.ts';

const FALSE_WORDS = new Set(['', '0', 'no', 'false', 'none']);

/** The query string of a request, read only when a handler asks. */
export class RequestQuery implements Query {
  readonly #text: string;
  #parsed: URLSearchParams | null = null;

  /** `text`: what follows the question mark. */
  constructor(text: string) {
    this.#text = text;
  }

  has(name: string): boolean {
    return this.#parameters().has(name);
  }

  string(name: string): string {
    return this.#parameters().get(name) ?? '';
  }

  strings(name: string): string[] {
    return this.#parameters().getAll(name);
  }

  bool(name: string, missing = false): boolean {
    const value = this.#parameters().get(name);
    return value === null ? missing : !FALSE_WORDS.has(value.trim().toLowerCase());
  }

  int(name: string): number | null {
    const value = this.#parameters().get(name);
    if (value === null || value === '') return null;
    const number = Number(value);
    if (!/^[+-]?\d+$/.test(value) || !Number.isSafeInteger(number)) {
      throw new GantryError(
        'invalid_parameter',
        `invalid value for parameter ${name}: "${value}" is not a whole number`,
      );
    }
    return number;
  }

  filters(): Filters {
    return Filters.parse(this.string('filters'));
  }

  #parameters(): URLSearchParams {
    this.#parsed ??= new URLSearchParams(this.#text);
    return this.#parsed;
  }
}
