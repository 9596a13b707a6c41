import type { ImageHistoryItem, ImageInspect } from '../../api/schemas/image.ts';
import type { HistoryEntry, ImageRecord } from '../image-record.ts';
import { familiarReferences } from './image-store.ts';
import type { ImageScope } from './scope.ts';

/** Name of the storage driver that clients are told; its on-disk form is the engine's own. */
const STORAGE_DRIVER = 'overlay2';
export const NEVER = '0001-01-01T00:00:00Z';

/** All of an image (Engine API 1.50, ImageInspect). Shapes of older versions are made by the route. */
export function inspectImage(scope: ImageScope, image: ImageRecord): ImageInspect {
  const { tags, digests } = familiarReferences(scope.store.referencesOf(image.id));
  const top = image.chainIds.at(-1);
  const data: Record<string, string> = {};
  if (top !== undefined) {
    const { upperDir, lowerDirs } = scope.context.storage.describeLayer(top);
    if (lowerDirs.length > 0) data.LowerDir = lowerDirs.join(':');
    data.UpperDir = upperDir;
  }
  return {
    Id: image.id,
    RepoTags: tags,
    RepoDigests: digests,
    Parent: image.parent,
    Comment: image.comment,
    ...(image.created === '' ? {} : { Created: image.created }),
    DockerVersion: '',
    Author: image.author,
    Config: withoutEmpty(image.config),
    Architecture: image.architecture,
    ...(image.variant === '' ? {} : { Variant: image.variant }),
    Os: image.os,
    ...(image.osVersion === '' ? {} : { OsVersion: image.osVersion }),
    Size: image.size,
    GraphDriver: { Name: STORAGE_DRIVER, Data: data },
    RootFS: { Type: 'layers', ...(image.diffIds.length === 0 ? {} : { Layers: image.diffIds }) },
    Metadata: { LastTagTime: image.lastTagTime === '' ? NEVER : image.lastTagTime },
  };
}

/** Drops empty members, as the API does since 1.50. */
function withoutEmpty<T extends object>(config: T): T {
  return Object.fromEntries(
    Object.entries(config).filter(([, value]) => {
      if (value === null || value === undefined || value === '' || value === false) return false;
      if (Array.isArray(value)) return value.length > 0;
      return typeof value !== 'object' || Object.keys(value).length > 0;
    }),
  ) as T;
}

/** The steps an image was made by, newest first (Engine API, ImageHistory). */
export function imageHistory(scope: ImageScope, image: ImageRecord): ImageHistoryItem[] {
  const items: ImageHistoryItem[] = [];
  let layer = 0;
  // An image without history still shows its layers, as Docker does.
  const entries: HistoryEntry[] = image.history.length > 0 ? image.history : image.diffIds.map(() => ({}));
  for (const entry of entries) {
    let size = 0;
    if (entry.empty_layer !== true) {
      const chainId = image.chainIds[layer++];
      size = chainId === undefined ? 0 : (scope.context.storage.layers.get(chainId)?.size ?? 0);
    }
    const created = Date.parse(entry.created ?? '');
    items.push({
      Id: '<missing>',
      Created: Number.isNaN(created) ? 0 : Math.floor(created / 1000),
      CreatedBy: entry.created_by ?? '',
      Tags: null,
      Size: size,
      Comment: entry.comment ?? '',
    });
  }
  items.reverse();
  let known: ImageRecord | null = image;
  for (const item of items) {
    if (known === null) break;
    item.Id = known.id;
    const { tags } = familiarReferences(scope.store.referencesOf(known.id));
    item.Tags = tags.length === 0 ? null : tags;
    known = known.parent === '' ? null : scope.store.get(known.parent);
  }
  return items;
}
