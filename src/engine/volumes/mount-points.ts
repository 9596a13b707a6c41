import { closeSync, existsSync, fstatSync, mkdirSync } from 'node:fs';
import { GantryError } from '../../api/errors.ts';
import type { ContainerConfig } from '../../api/schemas/container.ts';
import type { HostConfig } from '../../api/schemas/host-config.ts';
import type { MountPoint } from '../../api/schemas/mount.ts';
import { openInRoot } from '../../linux/in-root.ts';
import type { ContainerRecord } from '../container-record.ts';
import { copyUp } from './copy-up.ts';
import { propagationOf } from './daemon-root.ts';
import { donor } from './image-mounts.ts';
import { checkMountRequests, cleanPath, type MountRequest, mountRequests, parseVolumesFrom } from './mount-request.ts';
import type { VolumeView } from './volume-record.ts';
import type { Volumes } from './volumes.ts';

export interface MountPlanInput {
  containerId: string;
  config: ContainerConfig;
  hostConfig: HostConfig;
  /** The daemon's own directory (data root). */
  daemonRoot: string;
  /** Mounted root file system of the new container, for the content that volumes start with. */
  rootfs: string;
  /** Record of the container that VolumesFrom names. Throws not_found, which becomes invalid_parameter. */
  container(reference: string): ContainerRecord;
  /** Where the image of an image mount will lie on the host. */
  imagePath(destination: string): string;
}

export interface MountPlan {
  /** As inspect shows them, and as the container record keeps them. */
  mounts: MountPoint[];
  /** Volumes without a name of the user's, made for this container or the one they come from: rm -v removes them. */
  anonymousVolumes: string[];
  /** See ContainerRecord. */
  inheritedMounts: MountRequest[];
}

/**
 * Finds or makes the volumes of a new container: those of other containers (--volumes-from), then its own mounts, then
 * the image's volumes where nothing else is mounted. New volumes are filled from the image. The container holds them
 * until Volumes.release(). Throws invalid_parameter and not_found.
 */
export async function resolveMounts(input: MountPlanInput, volumes: Volumes): Promise<MountPlan> {
  const { hostConfig, containerId } = input;
  const points = new Map<string, MountPoint>();
  const anonymousVolumes: string[] = [];
  const inherited: string[] = [];
  const inheritedMounts = new Map<string, MountRequest>();
  for (const entry of hostConfig.VolumesFrom ?? []) {
    const { mounts, requests, anonymous } = mountsOf(entry, input);
    for (const point of mounts) {
      const destination = point.Destination!;
      points.set(destination, point.Type === 'image' ? { ...point, Source: input.imagePath(destination) } : point);
      // A volume of the image that it comes from has none.
      const request = requests.find((asked) => asked.destination === destination);
      if (request === undefined) inheritedMounts.delete(destination);
      else inheritedMounts.set(destination, request);
    }
    inherited.push(...anonymous);
  }
  const copies: MountRequest[] = [];
  try {
    for (const request of checkMountRequests(hostConfig)) {
      points.set(request.destination, await pointOf(request, volumes, input, anonymousVolumes));
      inheritedMounts.delete(request.destination);
      if (request.type === 'volume' && request.copy) copies.push(request);
    }
    const tmpfs = new Set(Object.keys(hostConfig.Tmpfs ?? {}).map(cleanPath));
    for (const path of Object.keys(input.config.Volumes ?? {})) {
      const destination = cleanPath(path);
      if (points.has(destination) || tmpfs.has(destination)) continue;
      refuseFile(input.rootfs, destination);
      const made = await volumes.create({ Driver: hostConfig.VolumeDriver ?? '' }, containerId);
      anonymousVolumes.push(made.Name);
      points.set(destination, volumePoint(made, destination, '', true));
      await fill(made.Name, { destination, subpath: '' }, input, volumes);
    }
    for (const request of copies) {
      const name = points.get(request.destination)!.Name!;
      await fill(name, request, input, volumes);
    }
    for (const { Type, Name } of points.values()) if (Type === 'volume') volumes.acquire(Name!, containerId);
  } catch (error) {
    volumes.release(containerId);
    for (const name of anonymousVolumes) await volumes.remove(name, true);
    throw error;
  }
  const mounted = new Set([...points.values()].flatMap(({ Type, Name }) => (Type === 'volume' ? [Name] : [])));
  const kept = inherited.filter((name) => mounted.has(name));
  return {
    mounts: [...points.values()],
    anonymousVolumes: [...new Set([...kept, ...anonymousVolumes])],
    inheritedMounts: [...inheritedMounts.values()],
  };
}

/** What a container asked for at create, itself or by the containers whose volumes it took over. */
export function requestsOf(record: Pick<ContainerRecord, 'hostConfig' | 'inheritedMounts'>): MountRequest[] {
  return [...mountRequests(record.hostConfig), ...(record.inheritedMounts ?? [])];
}

/** Copies what the image has into an empty volume, or part of one, which is mounted for that alone. */
async function fill(
  name: string,
  mount: Pick<MountRequest, 'destination' | 'subpath'>,
  input: MountPlanInput,
  volumes: Volumes,
): Promise<void> {
  const user = `${input.containerId}-content`;
  const directory = await volumes.mount(name, user);
  try {
    await copyUp(input.rootfs, mount.destination, directory, mount.subpath);
  } finally {
    await volumes.unmount(name, user);
  }
}

async function pointOf(
  request: MountRequest,
  volumes: Volumes,
  input: MountPlanInput,
  anonymous: string[],
): Promise<MountPoint> {
  const { destination, mode } = request;
  const RW = !request.readOnly;
  if (request.type === 'bind') {
    const Propagation = propagationOf(request, input.daemonRoot) as NonNullable<MountPoint['Propagation']>;
    return { Type: 'bind', Source: request.source, Destination: destination, Mode: mode, RW, Propagation };
  }
  if (request.type === 'image') {
    const Source = input.imagePath(destination);
    return {
      Type: 'image',
      Name: request.source,
      Source,
      Destination: destination,
      Mode: '',
      RW,
      Propagation: 'rprivate',
    };
  }
  if (request.type === 'tmpfs') {
    return { Type: 'tmpfs', Source: '', Destination: destination, Mode: '', RW, Propagation: '' };
  }
  const made = await volumes.create(
    { Name: request.source, Driver: request.driver, DriverOpts: request.driverOptions, Labels: request.labels },
    input.containerId,
  );
  if (request.source === '') anonymous.push(made.Name);
  return volumePoint(made, destination, mode || 'z', RW);
}

function volumePoint(volume: VolumeView, destination: string, mode: string, RW: boolean): MountPoint {
  return {
    Type: 'volume',
    Name: volume.Name,
    Source: volume.Mountpoint,
    Destination: destination,
    Driver: volume.Driver,
    Mode: mode,
    RW,
    Propagation: '',
  };
}

/** What another container has mounted, read-only when asked for or when it is so there. */
function mountsOf(
  entry: string,
  input: MountPlanInput,
): { mounts: MountPoint[]; requests: readonly MountRequest[]; anonymous: readonly string[] } {
  const { container, mode } = parseVolumesFrom(entry);
  const other = donor(container, input.container);
  const writable = !mode.split(',').includes('ro');
  const mounts = other.mounts
    .filter((point) => point.Type !== 'tmpfs')
    .map((point) => ({ ...point, RW: point.RW !== false && writable }));
  return { mounts, requests: requestsOf(other), anonymous: other.anonymousVolumes };
}

function refuseFile(rootfs: string, destination: string): void {
  let fd: number;
  try {
    fd = openInRoot(rootfs, destination);
  } catch {
    return; // Not there: the runtime makes the directory.
  }
  try {
    if (!fstatSync(fd).isDirectory()) {
      throw new GantryError('invalid_parameter', `cannot mount volume over existing file, file exists ${destination}`);
    }
  } finally {
    closeSync(fd);
  }
}

/** Makes the host directories that -v names and that are missing. Throws system. */
export function createBindSources(requests: readonly MountRequest[]): void {
  for (const { type, source, createSource } of requests) {
    if (type !== 'bind' || !createSource || existsSync(source)) continue;
    try {
      mkdirSync(source, { recursive: true, mode: 0o755 });
    } catch (cause) {
      throw new GantryError(
        'system',
        `error while creating mount source path '${source}': ${(cause as Error).message}`,
        {
          cause,
        },
      );
    }
  }
}
