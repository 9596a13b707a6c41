import { GantryError } from '../../api/errors.ts';
import type { Filters } from '../../api/filters.ts';
import type { ContainerSummary } from '../../api/schemas/container.ts';
import { parseNano } from '../../api/timestamp.ts';
import type { EngineContext } from '../context.ts';
import { DRY_RUN_FILTER } from '../prune-options.ts';
import { untilNs } from '../until-filter.ts';
import type { Container } from './container.ts';
import type { ImageLookup, ListOptions } from './contract.ts';
import { listFilter } from './list-filter.ts';
import type { NetworkIds } from './network-view.ts';
import { summaryOf } from './summary.ts';

export interface ListDeps {
  context: EngineContext;
  images: ImageLookup;
  networkIds: NetworkIds;
  resolve(reference: string): Container;
  /** All its names, with their slashes. */
  names(container: Container): string[];
}

/** ContainerList: newest first. `containers`: all, oldest first. */
export async function listContainers(
  containers: Container[],
  options: ListOptions,
  deps: ListDeps,
): Promise<ContainerSummary[]> {
  const filter = listFilter(options.filters, {
    resolve: deps.resolve,
    imageFamily: (reference) => imageFamily(reference, deps.images),
    networkId: deps.networkIds,
  });
  const all = options.all || options.limit > 0 || filter.impliesAll;
  const found: Container[] = [];
  let afterBefore = filter.before === null;
  for (const container of containers.toReversed()) {
    if (container === filter.since) break;
    if (!afterBefore) {
      afterBefore = container === filter.before;
      continue;
    }
    // One that waits for its restart counts as running.
    if (!all && !container.running && container.record.state.status !== 'restarting') continue;
    if (!filter.matches(container)) continue;
    found.push(container);
    if (options.limit > 0 && found.length === options.limit) break;
  }
  const imageIds = new Map<string, string | null>();
  const imageIdOf = (reference: string) => {
    let id = imageIds.get(reference);
    if (id === undefined) {
      id = findImage(reference, deps.images)?.id ?? null;
      imageIds.set(reference, id);
    }
    return id;
  };
  const now = Date.now();
  const { networkIds } = deps;
  const summaries = found.map((container) =>
    summaryOf(container, { networkIds, imageIdOf, now, names: deps.names(container) }),
  );
  if (!options.size) return summaries;
  for (const [at, container] of found.entries()) {
    const { rw, rootFs } = await sizesOf(container, deps);
    Object.assign(summaries[at]!, { SizeRw: rw, SizeRootFs: rootFs });
  }
  return summaries;
}

/** Bytes of the writable layer, and of it with the image's layers. Zeros for a container that is going away. */
export async function sizesOf(
  container: Container,
  deps: Pick<ListDeps, 'context'>,
): Promise<{ rw: number; rootFs: number }> {
  const { storage } = deps.context;
  let rw = 0;
  try {
    rw = await storage.writable.size(container.id);
  } catch {
    return { rw: 0, rootFs: 0 };
  }
  let rootFs = rw;
  for (let at = container.record.chainId; at !== null; ) {
    const layer = storage.layers.get(at);
    rootFs += layer?.size ?? 0;
    at = layer?.parent ?? null;
  }
  return { rw, rootFs };
}

/** Filter keys of ContainerPrune. */
export const CONTAINER_PRUNE_FILTERS = ['label', 'label!', 'until', DRY_RUN_FILTER];

/** Containers that prune removes. Throws invalid_parameter for unknown filters. */
export function pruneCandidates(containers: Container[], filters: Filters): Container[] {
  filters.accept(CONTAINER_PRUNE_FILTERS);
  const until = untilNs(filters);
  return containers.filter((container) => {
    const { record } = container;
    if (!['created', 'exited', 'dead'].includes(record.state.status)) return false;
    if (until !== null && parseNano(record.created)! > until) return false;
    if (!filters.matchLabels('label', record.config.Labels)) return false;
    return !filters.has('label!') || !filters.matchLabels('label!', record.config.Labels);
  });
}

function findImage(reference: string, images: ImageLookup) {
  try {
    return images.resolve(reference);
  } catch (error) {
    if (error instanceof GantryError) return null;
    throw error;
  }
}

function imageFamily(reference: string, images: ImageLookup): ReadonlySet<string> {
  const image = findImage(reference, images);
  const family = new Set<string>(image === null ? [] : [image.id]);
  // Sets hand out what is added while they are walked: children of children come in their turn.
  for (const id of family) for (const child of images.all()) if (child.parent === id) family.add(child.id);
  // Images with more layers on top of these, however they were made (a load keeps no parents).
  const top = image?.chainIds.at(-1);
  if (top === undefined) return family;
  for (const other of images.all()) if (other.chainIds.slice(0, -1).includes(top)) family.add(other.id);
  return family;
}
