import type { TSchema } from 'typebox';
import type { Answer } from '../contract.ts';

export const RAW_STREAM = 'application/vnd.docker.raw-stream';
export const MULTIPLEXED_STREAM = 'application/vnd.docker.multiplexed-stream';
export const TAR = 'application/x-tar';

/** One JSON value. */
export function json(description: string, schema: TSchema): Answer {
  return { description, schema };
}

/** No body. */
export function empty(description: string, headers: Record<string, string> = {}): Answer {
  return { description, headers };
}

/** Bytes of one of these media types. */
export function bytes(description: string, ...types: string[]): Answer {
  return { description, types };
}
