import type { Readable } from 'node:stream';
import { GantryError } from '../../api/errors.ts';
import { type ReadImage, readImageArchive } from '../../storage/image-archive/read.ts';
import { parseConfig, recordOf } from './oci-config.ts';
import type { Platform } from './platform.ts';
import { asTag, familiarString, parseReference, type Reference, storeKey } from './reference.ts';
import { type ImageScope, imageEvent } from './scope.ts';
import { putImage } from './tag.ts';

export interface LoadOptions {
  /** Which image of a multi-platform one to take, and which images to take at all; null for this machine's, and all. */
  platform: Platform | null;
  signal: AbortSignal;
  /** Lines for the user, as `docker load` prints them, with their newline. */
  onMessage: (text: string) => void;
  /** Bytes of a layer's tar done, of about `total` (smaller when the archive has it compressed). */
  onProgress: (diffId: string, bytes: number, total: number) => void;
}

/**
 * `docker load`: takes the images of an archive in, with their names, which leave the images that had them. Throws
 * invalid_parameter for a damaged or hostile archive; then nothing of it stays.
 */
export async function loadImages(scope: ImageScope, archive: Readable, options: LoadOptions): Promise<void> {
  const { platform } = options;
  await scope.layers.pinned(async (pin) => {
    const { images } = await readImageArchive(archive, scope.context.storage, {
      pin,
      signal: options.signal,
      ...(platform === null ? {} : { architecture: platform.architecture }),
      onProgress: (progress) => {
        if (progress.phase === 'layer') options.onProgress(progress.diffId, progress.bytes, progress.size);
      },
    });
    // All names are read before the first is given: a bad one leaves everything as it was.
    const wanted = images
      .filter((image) => fits(image, platform))
      .map((image) => ({ image, references: image.tags.map(tagOf) }));
    for (const { image, references } of wanted) store(scope, image, references, options);
  });
}

function fits(image: ReadImage, platform: Platform | null): boolean {
  const { architecture, variant, os } = parseConfig(image.configBytes);
  if (os !== undefined && os !== '' && os !== 'linux') {
    throw new GantryError('invalid_parameter', `cannot load ${os} image on linux`);
  }
  if (platform === null) return true;
  return architecture === platform.architecture && (platform.variant === '' || variant === platform.variant);
}

function tagOf(name: string): Reference {
  const reference = parseReference(name);
  if (reference.digest !== null) throw new GantryError('invalid_parameter', `invalid tag "${name}"`);
  return asTag(reference);
}

function store(scope: ImageScope, image: ReadImage, references: Reference[], options: LoadOptions): void {
  const id = image.configDigest;
  const { layers } = scope.context.storage;
  const record = recordOf(
    image.configBytes,
    id,
    image.layers.map((chainId) => layers.get(chainId)!),
    { parent: '', lastTagTime: '' },
  );
  // An image that is here already keeps its parent and the time of its last tag.
  putImage(scope, record);
  for (const reference of references) {
    const name = familiarString(reference);
    const before = scope.store.target(storeKey(reference));
    if (before !== null && before !== id) {
      options.onMessage(`The image ${name} already exists, renaming the old one with ID ${before} to empty string\n`);
    }
    // Neither an event nor a new time of the last tag: the load is what happened.
    scope.store.put(scope.store.get(id)!, [storeKey(reference)]);
    options.onMessage(`Loaded image: ${name}\n`);
  }
  if (references.length === 0) options.onMessage(`Loaded image ID: ${id}\n`);
  imageEvent(scope, 'load', id, id);
}
