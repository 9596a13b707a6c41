import { GantryError } from '../../api/errors.ts';
import { Filters } from '../../api/filters.ts';
import type { ContainerSummary } from '../../api/schemas/container.ts';
import type { ImageSummary } from '../../api/schemas/image.ts';
import type { Containers } from '../containers/containers.ts';
import type { EngineContext } from '../context.ts';
import type { Images } from '../images/images.ts';
import type { VolumeView } from '../volumes/volume-record.ts';
import type { Volumes } from '../volumes/volumes.ts';

export const USAGE_TYPES = ['container', 'image', 'volume', 'build-cache'] as const;

export interface DiskUsage {
  LayersSize?: number;
  Images?: ImageSummary[];
  Containers?: ContainerSummary[];
  Volumes?: VolumeView[];
  BuildCache?: never[];
}

/**
 * `docker system df` (Engine API, SystemDataUsage) for the types asked for, all of them for none. Sizes are read from disk: this
 * takes as long as there are files. Throws invalid_parameter for an unknown type.
 */
export async function diskUsage(
  parts: { context: EngineContext; images: Images; containers: Containers; volumes: Volumes },
  types: readonly string[],
): Promise<DiskUsage> {
  const unknown = types.find((type) => !USAGE_TYPES.includes(type as never));
  if (unknown !== undefined) throw new GantryError('invalid_parameter', `unknown object type: ${unknown}`);
  const wants = (type: string): boolean => types.length === 0 || types.includes(type);
  const usage: DiskUsage = {};
  if (wants('image')) {
    usage.LayersSize = parts.context.storage.layers.list().reduce((sum, layer) => sum + layer.size, 0);
    usage.Images = parts.images.list({ all: false, filters: new Filters(), sharedSize: true, containerCount: true });
  }
  if (wants('container'))
    usage.Containers = await parts.containers.list({
      all: true,
      limit: 0,
      size: true,
      filters: new Filters(),
    });
  if (wants('volume')) usage.Volumes = await parts.volumes.usage();
  if (wants('build-cache')) usage.BuildCache = [];
  return usage;
}
