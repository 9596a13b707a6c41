import { GantryError } from '../../api/errors.ts';
import type { HostConfig } from '../../api/schemas/host-config.ts';
import type { ContainerRecord, ImageMount } from '../container-record.ts';
import type { ImageRecord } from '../image-record.ts';
import { mountRequests, parseVolumesFrom } from './mount-request.ts';

/**
 * The images that a new container will have mounted: its own, and those of the containers whose volumes it takes over. Found at once, and
 * before anything is waited for, so that nobody removes one meanwhile. Throws not_found for an image, invalid_parameter for a container.
 */
export function imageMountsOf(
  hostConfig: HostConfig,
  find: { image(reference: string): ImageRecord; container(reference: string): ContainerRecord },
): ImageMount[] {
  const mounts = new Map<string, ImageMount>();
  for (const entry of hostConfig.VolumesFrom ?? []) {
    const other = donor(parseVolumesFrom(entry).container, find.container);
    for (const mount of other.imageMounts ?? []) mounts.set(mount.destination, mount);
  }
  for (const { type, source, destination } of mountRequests(hostConfig)) {
    mounts.delete(destination);
    if (type !== 'image') continue;
    const { id, chainIds } = find.image(source);
    mounts.set(destination, { destination, imageId: id, chainId: chainIds.at(-1) ?? null });
  }
  return [...mounts.values()];
}

/**
 * The container that VolumesFrom names. The request names an object of its own, which is there, and this one: when it is missing, what is
 * wrong is the request (invalid_parameter).
 */
export function donor(reference: string, find: (reference: string) => ContainerRecord): ContainerRecord {
  try {
    return find(reference);
  } catch (cause) {
    if (!(cause instanceof GantryError) || cause.code !== 'not_found') throw cause;
    throw new GantryError('invalid_parameter', cause.message, { cause });
  }
}
