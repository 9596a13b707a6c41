import { finished, type Readable } from 'node:stream';
import { GantryError } from '../../api/errors.ts';
import { type WrittenImage, writeImageArchive } from '../../storage/image-archive/write.ts';
import type { ImageRecord } from '../image-record.ts';
import { checkPlatform, type Platform } from './platform.ts';
import { familiarString, fullName, parseAnyReference, parseReference, storeKey } from './reference.ts';
import { type ImageScope, imageEvent } from './scope.ts';

/**
 * `docker save`: an archive of the images that `names` mean. A name with a tag brings that tag along, a name without one all tags of
 * its repository, an ID none. Throws not_found and invalid_parameter before the stream begins.
 */
export function saveImages(scope: ImageScope, names: readonly string[], platform: Platform | null): Readable {
  const selected = new Map<string, Set<string>>();
  const select = (image: ImageRecord, name: string, reference: string | null) => {
    checkPlatform(image, platform, name);
    const tags = selected.get(image.id) ?? new Set();
    selected.set(image.id, tags);
    if (reference === null) return;
    const parsed = parseReference(reference);
    if (parsed.digest === null) tags.add(familiarString(parsed));
  };
  for (const name of names) {
    const any = parseAnyReference(name);
    if ('id' in any) {
      select(scope.store.resolve(name), name, null);
      continue;
    }
    const { reference } = any;
    if (reference.tag === null && reference.digest === null) {
      const prefix = `${fullName(reference)}:`;
      const all = [...scope.store.allReferences()].filter(([key]) => key.startsWith(prefix));
      for (const [key, id] of all) select(scope.store.get(id)!, name, key);
      if (all.length === 0) select(scope.store.resolve(name), name, null);
    } else {
      const key = storeKey(reference);
      const named = scope.store.target(key);
      select(scope.store.resolve(name), name, named === null ? null : key);
    }
  }
  if (selected.size === 0) throw new GantryError('invalid_parameter', 'no image was named to save');
  const images: WrittenImage[] = [...selected].map(([id, tags]) => ({
    configDigest: id,
    layers: scope.store.get(id)!.chainIds,
    tags: [...tags].sort(),
  }));
  const archive = writeImageArchive(images, scope.context.storage);
  // Until the last byte is read nobody removes what is being read.
  void scope.layers.pinned(async (pin) => {
    for (const image of images) for (const chainId of image.layers) await pin(chainId);
    await new Promise<void>((resolve) => finished(archive, () => resolve()));
  });
  for (const { configDigest } of images) imageEvent(scope, 'save', configDigest, configDigest);
  return archive;
}
