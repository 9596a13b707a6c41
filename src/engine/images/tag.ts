import { GantryError } from '../../api/errors.ts';
import type { ImageRecord } from '../image-record.ts';
import { asTag, checkTag, familiarString, parseReference, type Reference, storeKey } from './reference.ts';
import { type ImageScope, imageEvent } from './scope.ts';

/** The name a new image shall have: repo with an optional tag of its own; null for ''. Throws invalid_parameter. */
export function imageTarget(repo: string, tag: string): Reference | null {
  if (repo === '') return null;
  const reference = parseReference(repo);
  if (reference.digest !== null) {
    throw new GantryError('invalid_parameter', 'cannot import digest reference');
  }
  return asTag(tag === '' ? reference : { ...reference, tag: checkTag(tag) });
}

/** Points a name at an image, whatever it meant before (Engine API, ImageTag). */
export function tagImage(scope: ImageScope, image: ImageRecord, reference: Reference): void {
  const record = { ...image, lastTagTime: new Date().toISOString() };
  scope.store.put(record, [storeKey(reference)]);
  imageEvent(scope, 'tag', image.id, familiarString(reference));
}

/** The reference that POST /images/{name}/tag?repo=&tag= asks for. Throws invalid_parameter. */
export function tagTarget(repo: string, tag: string): Reference {
  const reference = parseReference(repo);
  if (reference.digest !== null) {
    throw new GantryError('invalid_parameter', 'refusing to create a tag with a digest reference');
  }
  return asTag(tag === '' ? reference : { ...reference, tag: checkTag(tag) });
}

/** Stores an image, or what is known of it already. An image that cannot be stored leaves no configuration behind. */
export function putImage(scope: ImageScope, record: ImageRecord): void {
  const known = scope.store.get(record.id);
  try {
    scope.store.put(known ?? record);
  } catch (error) {
    if (known === null) scope.context.storage.content.delete(record.id);
    throw error;
  }
}
