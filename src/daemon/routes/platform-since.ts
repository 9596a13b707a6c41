import { type Platform, parseJsonPlatform } from '../../engine/images/platform.ts';
import type { ApiVersion } from '../contract.ts';

/** A `platform` parameter that came with an API version: it means nothing in older ones. Throws invalid_parameter. */
export function platformSince(since: string, version: ApiVersion, platform: string): Platform | null {
  return version.lessThan(since) ? null : parseJsonPlatform(platform);
}
