import { GantryError } from '../../api/errors.ts';
import type { MountRequest } from './mount-request.ts';

/**
 * Whether a bind brings the daemon's own directory, or a part of it, into a container: below it lie the mounts of all containers.
 * A private copy of those would keep them, and the disk space of removed containers, until this container ends.
 */
export function showsDaemonRoot(source: string, daemonRoot: string): boolean {
  const holds = (directory: string, path: string) =>
    directory === '/' || path === directory || path.startsWith(`${directory}/`);
  return holds(source, daemonRoot) || holds(daemonRoot, source);
}

/** The propagation a bind gets when it is made. Throws invalid_parameter where another one would pin the daemon's mounts. */
export function propagationOf(request: MountRequest, daemonRoot: string): string {
  const { source, propagation } = request;
  if (!showsDaemonRoot(source, daemonRoot)) return propagation || 'rprivate';
  if (propagation === '') return 'rslave';
  if (propagation === 'rslave' || propagation === 'rshared') return propagation;
  throw new GantryError(
    'invalid_parameter',
    `invalid mount config: must use either propagation mode "rslave" or "rshared" when mount source is within the daemon root, daemon root: "${daemonRoot}", bind mount source: "${source}", propagation: "${propagation}"`,
  );
}
