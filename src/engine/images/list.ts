import type { Filters } from '../../api/filters.ts';
import type { ImageSummary } from '../../api/schemas/image.ts';
import { parseNano } from '../../api/timestamp.ts';
import type { ImageRecord } from '../image-record.ts';
import { filterTime } from '../timestamp.ts';
import { familiarReferences } from './image-store.ts';
import { matchesReference } from './patterns.ts';
import type { ImageScope } from './scope.ts';

export interface ImageListOptions {
  /** Intermediate images too. */
  all: boolean;
  filters: Filters;
  /** Work out SharedSize (else -1). */
  sharedSize: boolean;
  /** Count the containers of each image (else -1). */
  containerCount: boolean;
}

/** Filter keys of ImageList. */
export const IMAGE_FILTERS = ['dangling', 'label', 'label!', 'before', 'since', 'reference', 'until'] as const;

/** Nanoseconds since the epoch; 0 for an image that does not say. */
export function createdNs(image: ImageRecord): bigint {
  return parseNano(image.created) ?? 0n;
}

/** `docker images`, newest first (Engine API, ImageList). Throws invalid_parameter for a filter that is none. */
export function listImages(scope: ImageScope, options: ImageListOptions): ImageSummary[] {
  const { filters } = options;
  filters.accept(IMAGE_FILTERS);
  const danglingOnly = filters.bool('dangling', false);
  const before = filters.get('before').map((name) => createdNs(scope.store.resolve(name)));
  const since = filters.get('since').map((name) => createdNs(scope.store.resolve(name)));
  const until = filters.get('until').map((text) => filterTime(text));
  const patterns = filters.get('reference');
  const parents = new Set(scope.store.list().map((image) => image.parent));
  const summaries: { image: ImageRecord; summary: ImageSummary }[] = [];
  for (const image of scope.store.list()) {
    const created = createdNs(image);
    if (before.some((limit) => created >= limit) || since.some((limit) => created <= limit)) continue;
    if (until.some((limit) => created > limit)) continue;
    if (!filters.matchLabels('label', image.config.Labels)) continue;
    if (filters.has('label!') && matchesAnyLabel(filters.get('label!'), image.config.Labels)) continue;
    const references = scope.store
      .referencesOf(image.id)
      .filter((reference) => patterns.length === 0 || patterns.some((pattern) => matchesReference(pattern, reference)));
    if (references.length === 0) {
      const intermediate = parents.has(image.id);
      if (intermediate && (!options.all || danglingOnly)) continue;
      if (patterns.length > 0 || (filters.has('dangling') && !danglingOnly)) continue;
    }
    const { tags, digests } = familiarReferences(references);
    if (danglingOnly && tags.length > 0) continue;
    summaries.push({
      image,
      summary: {
        Containers: -1,
        Created: Math.floor(Number(created / 1_000_000n) / 1000),
        Id: image.id,
        Labels: image.config.Labels ?? {},
        ParentId: image.parent,
        RepoDigests: digests,
        RepoTags: tags,
        SharedSize: -1,
        Size: image.size,
      },
    });
  }
  if (options.sharedSize) addSharedSizes(scope, summaries);
  if (options.containerCount) {
    const counts = new Map<string, number>();
    for (const { imageId } of scope.containers()) counts.set(imageId, (counts.get(imageId) ?? 0) + 1);
    for (const { image, summary } of summaries) summary.Containers = counts.get(image.id) ?? 0;
  }
  return summaries
    .sort((a, b) => Number(createdNs(b.image) - createdNs(a.image)) || a.image.id.localeCompare(b.image.id))
    .map(({ summary }) => summary);
}

/** Whether one of the "key" or "key=value" terms holds: an image with such a label is left alone by `label!`. */
export function matchesAnyLabel(terms: string[], labels: Record<string, string> | undefined): boolean {
  return terms.some((term) => {
    const at = term.indexOf('=');
    const value = labels?.[at < 0 ? term : term.slice(0, at)];
    return value !== undefined && (at < 0 || value === term.slice(at + 1));
  });
}

/** A layer is shared when it is part of more than one image of the store. */
function addSharedSizes(scope: ImageScope, summaries: { image: ImageRecord; summary: ImageSummary }[]): void {
  const users = new Map<string, number>();
  for (const image of scope.store.list()) {
    for (const chainId of new Set(image.chainIds)) users.set(chainId, (users.get(chainId) ?? 0) + 1);
  }
  for (const { image, summary } of summaries) {
    let shared = 0;
    for (const chainId of new Set(image.chainIds)) {
      if (users.get(chainId)! > 1) shared += scope.context.storage.layers.get(chainId)?.size ?? 0;
    }
    summary.SharedSize = shared;
  }
}
