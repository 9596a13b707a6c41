import { GantryError } from '../../api/errors.ts';
import { API_VERSION as MAX_API_VERSION, MIN_API_VERSION } from '../../api/version.ts';
import type { ApiVersion } from '../contract.ts';

class Version implements ApiVersion {
  readonly #text: string;

  constructor(text: string) {
    this.#text = text;
  }

  lessThan(other: string): boolean {
    return compare(this.#text, other) < 0;
  }

  toString(): string {
    return this.#text;
  }
}

/** Part by part, missing ones are 0: 1.50 is less than 1.50.1. */
function compare(one: string, other: string): number {
  const [left, right] = [one, other].map((text) => text.split('.').map(Number));
  for (let at = 0; at < Math.max(left!.length, right!.length); at++) {
    const difference = (left![at] ?? 0) - (right![at] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

export const NEWEST: ApiVersion = new Version(MAX_API_VERSION);

/** Whether a path prefix asks for less than is spoken; '' does not. */
export function isTooOld(text: string): boolean {
  return text !== '' && compare(text, MIN_API_VERSION) < 0;
}

/** The version a path prefix asks for ("1.41"). Throws invalid_parameter, worded as Docker does, outside what is spoken. */
export function requestedVersion(text: string): ApiVersion {
  const version = new Version(text);
  if (NEWEST.lessThan(text)) {
    throw new GantryError(
      'invalid_parameter',
      `client version ${text} is too new. Maximum supported API version is ${MAX_API_VERSION}`,
    );
  }
  if (isTooOld(text)) {
    throw new GantryError(
      'invalid_parameter',
      `client version ${text} is too old. Minimum supported API version is ${MIN_API_VERSION}, please upgrade your client to a newer version`,
    );
  }
  return version;
}
