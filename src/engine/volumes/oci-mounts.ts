import { statSync } from 'node:fs';
import { GantryError } from '../../api/errors.ts';
import type { MountPoint } from '../../api/schemas/mount.ts';
import type { ResolvedMount } from '../../runtime/spec/input.ts';
import { checkPropagation, tmpfsOptions } from '../../runtime/spec/mounts.ts';
import type { ContainerRecord } from '../container-record.ts';
import { showsDaemonRoot } from './daemon-root.ts';
import { createBindSources, requestsOf } from './mount-points.ts';
import { checkBindSource, type MountRequest } from './mount-request.ts';
import type { MountStaging } from './mount-staging.ts';

/** Where the volumes of a container are mounted, by name. */
export type VolumePaths = ReadonlyMap<string, string>;

/** Since Linux 5.12 (mount_setattr(2)) a bind can be made read-only together with the mounts below it. */
const RECURSIVE_READONLY: [number, number] = [5, 12];

/**
 * The mounts of a container at its start, ready for the spec. What it mounts in `staging` for that is the container's, and stays there
 * until it is cleared. Throws invalid_parameter (a source that is gone) and system.
 */
export function ociMounts(
  record: Pick<ContainerRecord, 'id' | 'mounts' | 'hostConfig' | 'flatReadOnly' | 'imageMounts' | 'inheritedMounts'>,
  volumes: VolumePaths,
  options: { staging: MountStaging; daemonRoot: string; kernel: [number, number] },
): ResolvedMount[] {
  const requests = requestsOf(record);
  createBindSources(requests);
  for (const request of requests) checkBindSource(request);
  const byDestination = new Map(requests.map((request) => [request.destination, request]));
  return record.mounts.map((point) => {
    const request = byDestination.get(point.Destination!);
    if (point.Type === 'tmpfs') return tmpfsMount(point, request);
    const source = mountSource(record, point, { request, volumes, staging: options.staging, user: record.id });
    const flat = record.flatReadOnly === true && point.Type === 'bind';
    return bindMount(
      point,
      flat && request !== undefined ? { ...request, readOnlyRecursion: 'never' } : request,
      source,
      options,
    );
  });
}

/**
 * Path on the host of what is mounted at `point`, which is not a tmpfs. `user`: who has what is mounted in `staging` for it. Throws
 * invalid_parameter for a subpath that is not there.
 */
export function mountSource(
  record: Pick<ContainerRecord, 'imageMounts'>,
  point: MountPoint,
  how: { request: MountRequest | undefined; volumes: VolumePaths; staging: MountStaging; user: string },
): string {
  const { request, volumes, staging, user } = how;
  const destination = point.Destination!;
  const subpath = request?.subpath ?? '';
  if (point.Type === 'image') {
    const image = record.imageMounts?.find((mount) => mount.destination === destination);
    if (image === undefined) throw new GantryError('system', `no image is known for the mount at ${destination}`);
    return staging.image(user, destination, image.chainId, subpath);
  }
  if (point.Type !== 'volume') return point.Source!;
  const root = volumes.get(point.Name!)!;
  return subpath === '' ? root : staging.subpath(user, destination, root, subpath);
}

function tmpfsMount(point: MountPoint, request: MountRequest | undefined): ResolvedMount {
  return {
    destination: point.Destination!,
    type: 'tmpfs',
    source: 'tmpfs',
    options: tmpfsOptions(request?.tmpfs ?? ''),
  };
}

function bindMount(
  point: MountPoint,
  request: MountRequest | undefined,
  source: string,
  host: { daemonRoot: string; kernel: [number, number] },
): ResolvedMount {
  const options = [request?.nonRecursive === true ? 'bind' : 'rbind'];
  // Below a file nothing is mounted, and crun (1.8) takes "rro" for directories alone.
  const file = statSync(source, { throwIfNoEntry: false })?.isDirectory() === false;
  if (point.RW === false) options.push(file ? 'ro' : readOnlyOption(request, host.kernel));
  const propagation = passedOn(point, request, source, host.daemonRoot);
  // crun takes the recursion of a propagation option for that of the bind; on one mount alone both kinds mean the same.
  options.push(request?.nonRecursive === true ? propagation.replace(/^r/, '') : propagation);
  return { destination: point.Destination!, type: 'bind', source, options, propagation };
}

/** The propagation a bind can have here. Throws invalid_parameter when the user asked for another one. */
function passedOn(point: MountPoint, request: MountRequest | undefined, source: string, daemonRoot: string): string {
  const wanted = point.Propagation || 'rprivate';
  if (point.Type !== 'bind') return wanted;
  try {
    checkPropagation(source, wanted);
    return wanted;
  } catch (error) {
    // What nobody asked for (propagationOf) must not keep a container from its start on a host whose mounts are private.
    if (request?.propagation || !showsDaemonRoot(source, daemonRoot)) throw error;
    return 'rprivate';
  }
}

function readOnlyOption(request: MountRequest | undefined, kernel: [number, number]): 'ro' | 'rro' {
  const able =
    kernel[0] > RECURSIVE_READONLY[0] || (kernel[0] === RECURSIVE_READONLY[0] && kernel[1] >= RECURSIVE_READONLY[1]);
  if (request?.readOnlyRecursion === 'force' && !able) {
    throw new GantryError('invalid_parameter', 'recursively read-only mounts need Linux 5.12 or later');
  }
  return able && request?.readOnlyRecursion !== 'never' && request?.nonRecursive !== true ? 'rro' : 'ro';
}
