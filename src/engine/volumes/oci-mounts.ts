import {
  closeSync,
  fstatSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { errnoOf, GantryError, messageOf } from '../../api/errors.ts';
import type { MountPoint } from '../../api/schemas/mount.ts';
import { openInRoot, pathOfFd } from '../../linux/in-root.ts';
import { MNT_DETACH, MS_BIND, MS_REC, mount, UMOUNT_NOFOLLOW, umount } from '../../linux/mount.ts';
import type { ResolvedMount } from '../../runtime/spec/input.ts';
import { checkPropagation, tmpfsOptions } from '../../runtime/spec/mounts.ts';
import type { ContainerRecord } from '../container-record.ts';
import { showsDaemonRoot } from './daemon-root.ts';
import { createBindSources } from './mount-points.ts';
import { checkMountRequests, type MountRequest } from './mount-request.ts';

/** Where the volumes of a container are mounted, by name. */
export type VolumePaths = ReadonlyMap<string, string>;

/** Since Linux 5.12 (mount_setattr(2)) a bind can be made read-only together with the mounts below it. */
const RECURSIVE_READONLY: [number, number] = [5, 12];

/**
 * The mounts of a container at its start, ready for the spec. `staging`: a directory of this container alone on a
 * tmpfs, for the mounts that a volume's subpath needs; recoverStaging() clears it. Throws invalid_parameter (a source
 * that is gone) and system.
 */
export function ociMounts(
  record: Pick<ContainerRecord, 'mounts' | 'hostConfig' | 'flatReadOnly'>,
  volumes: VolumePaths,
  options: { staging: string; daemonRoot: string; kernel: [number, number] },
): ResolvedMount[] {
  const requests = checkMountRequests(record.hostConfig);
  createBindSources(requests);
  const byDestination = new Map(requests.map((request) => [request.destination, request]));
  recoverStaging(options.staging);
  try {
    return record.mounts.map((point, index) => {
      const request = byDestination.get(point.Destination!);
      if (point.Type === 'tmpfs') return tmpfsMount(point, request);
      const source = sourceOf(point, request, volumes, join(options.staging, String(index)));
      const flat = record.flatReadOnly === true && point.Type === 'bind';
      return bindMount(
        point,
        flat && request !== undefined ? { ...request, readOnlyRecursion: 'never' } : request,
        source,
        options,
      );
    });
  } catch (error) {
    recoverStaging(options.staging);
    throw error;
  }
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

function sourceOf(point: MountPoint, request: MountRequest | undefined, volumes: VolumePaths, target: string): string {
  if (point.Type !== 'volume') return point.Source!;
  const root = volumes.get(point.Name!)!;
  if (!request?.subpath) return root;
  stage(root, request.subpath, target);
  return target;
}

/**
 * Another container may swap a directory of the volume for a symlink at any time, and the runtime would follow it. So
 * the subpath is opened within the volume and bound, by its descriptor, to a place nobody else can reach.
 */
function stage(root: string, subpath: string, target: string): void {
  let fd: number;
  try {
    fd = openInRoot(root, subpath);
  } catch (cause) {
    const why = errnoOf(cause) === 'ENOENT' ? 'no such file or directory' : messageOf(cause);
    throw new GantryError(
      'invalid_parameter',
      `failed to mount subpath: cannot access path ${join(root, subpath)}: ${why}`,
      {
        cause,
      },
    );
  }
  try {
    mkdirSync(dirname(target), { recursive: true, mode: 0o700 });
    if (fstatSync(fd).isDirectory()) mkdirSync(target, { recursive: true });
    else writeFileSync(target, '');
    mount(pathOfFd(fd), target, null, MS_BIND | MS_REC);
  } finally {
    closeSync(fd);
  }
}

/** Unmounts and removes what lies in a staging directory, and the directory. Never throws for what is gone. */
export function recoverStaging(staging: string): void {
  let entries: string[];
  try {
    entries = readdirSync(staging);
  } catch {
    return;
  }
  for (const entry of entries) {
    const path = join(staging, entry);
    try {
      umount(path, MNT_DETACH | UMOUNT_NOFOLLOW);
    } catch (error) {
      if (errnoOf(error) !== 'EINVAL') continue; // Still mounted: removing it would remove the volume's content.
    }
    if (lstatSync(path).isDirectory()) rmdirSync(path);
    else rmSync(path);
  }
  rmdirSync(staging);
}
