import { GantryError } from '../../api/errors.ts';
import type { ApiVersion } from '../contract.ts';

/** Newest and oldest Engine API that this daemon speaks. */
export const MAX_API_VERSION = '1.50';
export const MIN_API_VERSION = '1.24';

class Version implements ApiVersion {
  readonly major: number;
  readonly minor: number;

  constructor(text: string) {
    const [major = '', minor = ''] = text.split('.');
    this.major = Number(major);
    this.minor = Number(minor === '' ? 0 : minor);
  }

  lessThan(other: string): boolean {
    const that = new Version(other);
    return this.major !== that.major ? this.major < that.major : this.minor < that.minor;
  }

  toString(): string {
    return `${this.major}.${this.minor}`;
  }
}

export const NEWEST: ApiVersion = new Version(MAX_API_VERSION);

/** The version a path prefix asks for ("1.41"). Throws invalid_parameter, worded as Docker does, outside what is spoken. */
export function requestedVersion(text: string): ApiVersion {
  const version = new Version(text);
  if (NEWEST.lessThan(text)) {
    throw new GantryError(
      'invalid_parameter',
      `client version ${text} is too new. Maximum supported API version is ${MAX_API_VERSION}`,
    );
  }
  if (version.lessThan(MIN_API_VERSION)) {
    throw new GantryError(
      'invalid_parameter',
      `client version ${text} is too old. Minimum supported API version is ${MIN_API_VERSION}, please upgrade your client to a newer version`,
    );
  }
  return version;
}
