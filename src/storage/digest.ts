import { createHash } from 'node:crypto';
import { GantryError } from '../api/errors.ts';
import type { Digest } from './contract.ts';

const DIGEST = /^sha256:([0-9a-f]{64})$/;

/** Digest of the bytes. */
export function digestOf(bytes: Uint8Array | string): Digest {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

/** The hex part. Throws invalid_parameter for anything but "sha256:<64 hex digits>": it becomes a file name. */
export function hexOf(digest: Digest): string {
  const match = DIGEST.exec(digest);
  if (match === null) throw new GantryError('invalid_parameter', `invalid digest: ${JSON.stringify(digest)}`);
  return match[1]!;
}

/** Image-spec config.md, "Layer ChainID". */
export function chainIdOf(parent: Digest | null, diffId: Digest): Digest {
  return parent === null ? diffId : digestOf(`${parent} ${diffId}`);
}
