import { GantryError, messageOf } from '../../api/errors.ts';
import type { Filters } from '../../api/filters.ts';
import type { ImageDeleteResponseItem, ImagePruneResponse } from '../../api/schemas/image.ts';
import type { ImageRecord } from '../image-record.ts';
import { DRY_RUN_FILTER, type PruneOptions } from '../prune-options.ts';
import { untilNs } from '../until-filter.ts';
import { createdNs, matchesAnyLabel } from './list.ts';
import { familiarString, fullName, parseReference, storeKey } from './reference.ts';
import { rehearsal } from './rehearsal.ts';
import { type ImageScope, imageEvent, isRunning, shortId, usesImage } from './scope.ts';

export interface ImageRemoveOptions {
  force: boolean;
  /** Remove parents that nothing names or uses any more. */
  prune: boolean;
}

/** Why an image stays. `hard`: even force does not help. */
interface Conflict {
  hard: boolean;
  used: boolean;
  reason: string;
}

/**
 * `docker rmi`: takes the given name away, and with the last name the image, its layers and unnamed parents (Engine API,
 * ImageDelete). A name and an ID are treated differently as in Docker: an ID with several names is a conflict without force.
 * Throws not_found, and conflict with Docker's messages.
 */
export async function removeImage(
  scope: ImageScope,
  nameOrId: string,
  options: ImageRemoveOptions,
): Promise<ImageDeleteResponseItem[]> {
  if (nameOrId.trim() === '') throw new GantryError('invalid_parameter', 'image name cannot be blank');
  const image = scope.store.resolve(nameOrId);
  const records: ImageDeleteResponseItem[] = [];
  const references = scope.store.referencesOf(image.id);
  const byId = image.id.startsWith(nameOrId.startsWith('sha256:') ? nameOrId : `sha256:${nameOrId}`);
  let removedName = false;
  if (byId) {
    if (isSingle(references)) {
      const conflict = findConflict(scope, image, { stopped: !options.force, names: false });
      if (conflict !== null) throw conflictError(image, conflict);
      for (const reference of references) records.push(untag(scope, image, reference));
    }
  } else {
    const user = scope.containers().find((container) => usesImage(container, image.id));
    if (!options.force && isSingle(references) && user !== undefined) {
      throw new GantryError(
        'conflict',
        `conflict: unable to remove repository reference "${nameOrId}" (must force) - container ${shortId(user.id)} is using its referenced image ${shortId(image.id)}`,
      );
    }
    const parsed = parseReference(nameOrId);
    records.push(untag(scope, image, storeKey(parsed)));
    let left = scope.store.referencesOf(image.id).map(parseReference);
    const sameName = left.filter((reference) => fullName(reference) === fullName(parsed));
    if (parsed.digest === null && sameName.every((reference) => reference.digest !== null)) {
      // Digests that came with the tag go with the repository's last tag.
      for (const reference of sameName) records.push(untag(scope, image, storeKey(reference)));
      left = left.filter((reference) => !sameName.includes(reference));
    }
    if (left.length > 0) return records;
    removedName = true;
  }
  await removeRecord(scope, image, records, { ...options, quiet: removedName });
  return records;
}

async function removeRecord(
  scope: ImageScope,
  image: ImageRecord,
  records: ImageDeleteResponseItem[],
  options: ImageRemoveOptions & { quiet: boolean },
): Promise<void> {
  const conflict = findConflict(scope, image, { stopped: !options.force, names: !options.force });
  if (conflict !== null) {
    const dangling = scope.store.referencesOf(image.id).length === 0 && scope.store.childrenOf(image.id).length === 0;
    if (options.quiet && (!dangling || conflict.used)) return;
    throw conflictError(image, conflict);
  }
  for (const reference of scope.store.referencesOf(image.id)) records.push(untag(scope, image, reference));
  // The record goes first: a crash after it leaves layers that recover() finds unused, never an image without its layers.
  const labels = image.config.Labels ?? {};
  scope.store.delete(image.id);
  scope.context.events.emit('image', 'delete', image.id, { ...labels, name: image.id });
  records.push({ Deleted: image.id });
  for (const chainId of await scope.layers.removeUnused(image.chainIds)) records.push({ Deleted: chainId });
  if (scope.store.get(image.id) === null) scope.context.storage.content.delete(image.id);
  const parent = image.parent === '' ? null : scope.store.get(image.parent);
  if (options.prune && parent !== null) {
    await removeRecord(scope, parent, records, { force: false, prune: true, quiet: true });
  }
}

function untag(scope: ImageScope, image: ImageRecord, reference: string): ImageDeleteResponseItem {
  scope.store.untag(reference);
  imageEvent(scope, 'untag', image.id, image.id);
  return { Untagged: familiarString(parseReference(reference)) };
}

/** At most one tag, and digests of no other repository. */
function isSingle(references: string[]): boolean {
  if (references.length <= 1) return true;
  const parsed = references.map(parseReference);
  const tagged = parsed.filter((reference) => reference.digest === null);
  if (tagged.length > 1) return false;
  return new Set(parsed.map(fullName)).size === 1;
}

function findConflict(
  scope: ImageScope,
  image: ImageRecord,
  check: { stopped: boolean; names: boolean },
): Conflict | null {
  if (scope.store.childrenOf(image.id).length > 0) {
    return { hard: true, used: false, reason: 'image has dependent child images' };
  }
  const users = scope.containers().filter((container) => usesImage(container, image.id));
  const running = users.find(isRunning);
  if (running !== undefined) {
    return { hard: true, used: true, reason: `image is being used by running container ${shortId(running.id)}` };
  }
  if (check.names && scope.store.referencesOf(image.id).length > 0) {
    return { hard: false, used: false, reason: 'image is referenced in multiple repositories' };
  }
  if (check.stopped && users.length > 0) {
    return { hard: false, used: true, reason: `image is being used by stopped container ${shortId(users[0]!.id)}` };
  }
  return null;
}

function conflictError(image: ImageRecord, conflict: Conflict): GantryError {
  const force = conflict.hard ? 'cannot be forced' : 'must be forced';
  return new GantryError('conflict', `conflict: unable to delete ${shortId(image.id)} (${force}) - ${conflict.reason}`);
}

/** Filter keys of ImagePrune. */
export const IMAGE_PRUNE_FILTERS = ['dangling', 'label', 'label!', 'until', DRY_RUN_FILTER];

/** `docker image prune`: unnamed images, or with dangling=false all that no container uses (Engine API, ImagePrune). */
export async function pruneImages(
  real: ImageScope,
  filters: Filters,
  options: PruneOptions,
): Promise<ImagePruneResponse> {
  filters.accept(IMAGE_PRUNE_FILTERS);
  const scope = options.dryRun ? rehearsal(real, options.without) : real;
  const danglingOnly = filters.bool('dangling', true);
  const until = untilNs(filters);
  const sizes = new Map(scope.context.storage.layers.list().map((layer) => [layer.chainId, layer.size]));
  const deleted: ImageDeleteResponseItem[] = [];
  for (const image of scope.store.list()) {
    if (scope.store.get(image.id) === null || scope.store.childrenOf(image.id).length > 0) continue;
    if (until !== null && createdNs(image) > until) continue;
    if (!filters.matchLabels('label', image.config.Labels)) continue;
    if (filters.has('label!') && matchesAnyLabel(filters.get('label!'), image.config.Labels)) continue;
    const references = scope.store.referencesOf(image.id);
    if (danglingOnly && references.some((reference) => parseReference(reference).digest === null)) continue;
    for (const name of references.length === 0 ? [image.id] : references) {
      if (scope.store.find(name) === null) continue;
      try {
        deleted.push(...(await removeImage(scope, name, { force: false, prune: true })));
      } catch (error) {
        // In use: that is what prune leaves alone.
        if (!(error instanceof GantryError && error.code === 'conflict')) {
          scope.context.log.warn('cannot prune image', { image: name, error: messageOf(error) });
        }
      }
    }
  }
  const reclaimed = deleted.reduce((sum, item) => sum + (sizes.get(item.Deleted ?? '') ?? 0), 0);
  scope.context.events.emit('image', 'prune', '', { reclaimed: String(reclaimed) });
  return { ImagesDeleted: deleted.length === 0 ? null : deleted, SpaceReclaimed: reclaimed };
}
