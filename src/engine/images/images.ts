import type { Readable } from 'node:stream';
import type { Filters } from '../../api/filters.ts';
import type {
  ImageDeleteResponseItem,
  ImageHistoryItem,
  ImageInspect,
  ImagePruneResponse,
  ImageSummary,
} from '../../api/schemas/image.ts';
import type { ContainerRecord } from '../container-record.ts';
import type { EngineContext } from '../context.ts';
import type { ImageRecord } from '../image-record.ts';
import type { PruneOptions } from '../prune-options.ts';
import { type CommitOptions, commitContainer, type ImportOptions, importImage } from './create.ts';
import { ImageStore } from './image-store.ts';
import { imageHistory, inspectImage } from './inspect.ts';
import { LayerUse } from './layer-use.ts';
import { type ImageListOptions, listImages } from './list.ts';
import { type LoadOptions, loadImages } from './load.ts';
import { checkPlatform, type Platform } from './platform.ts';
import { type ImageRemoveOptions, pruneImages, removeImage } from './remove.ts';
import { saveImages } from './save.ts';
import type { ImageScope } from './scope.ts';
import { tagImage, tagTarget } from './tag.ts';

export interface ImagesDeps {
  /** Records of all containers, running or not: what they stand on is in use. */
  containers(): ContainerRecord[];
}

/** The images of the engine and what can be done with them (Engine API, tag "Image"). */
export class Images {
  readonly #scope: ImageScope;

  constructor(context: EngineContext, deps: ImagesDeps) {
    const store = new ImageStore(context.store);
    const containers = () => deps.containers();
    this.#scope = { context, store, containers, layers: new LayerUse(context, store, containers) };
  }

  /** By ID, unambiguous ID prefix or name. Throws not_found `No such image: x:latest`, invalid_parameter. */
  resolve(nameOrId: string): ImageRecord {
    return this.#scope.store.resolve(nameOrId);
  }

  /** By full ID. */
  get(id: string): ImageRecord | null {
    return this.#scope.store.get(id);
  }

  all(): ImageRecord[] {
    return this.#scope.store.list();
  }

  list(options: ImageListOptions): ImageSummary[] {
    return listImages(this.#scope, options);
  }

  inspect(nameOrId: string, platform: Platform | null = null): ImageInspect {
    return inspectImage(this.#scope, this.#resolveFor(nameOrId, platform));
  }

  history(nameOrId: string, platform: Platform | null = null): ImageHistoryItem[] {
    return imageHistory(this.#scope, this.#resolveFor(nameOrId, platform));
  }

  #resolveFor(nameOrId: string, platform: Platform | null): ImageRecord {
    const image = this.resolve(nameOrId);
    checkPlatform(image, platform, nameOrId);
    return image;
  }

  tag(nameOrId: string, repo: string, tag: string): void {
    const reference = tagTarget(repo, tag);
    tagImage(this.#scope, this.resolve(nameOrId), reference);
  }

  remove(nameOrId: string, options: ImageRemoveOptions): Promise<ImageDeleteResponseItem[]> {
    return removeImage(this.#scope, nameOrId, options);
  }

  prune(filters: Filters, options: PruneOptions): Promise<ImagePruneResponse> {
    return pruneImages(this.#scope, filters, options);
  }

  /** Makes an image of a container, which the caller has paused. Returns the image's ID. */
  commit(container: ContainerRecord, options: CommitOptions): Promise<string> {
    return commitContainer(this.#scope, container, options);
  }

  import(tar: Readable, options: ImportOptions): Promise<string> {
    return importImage(this.#scope, tar, options);
  }

  /** See loadImages(). */
  load(archive: Readable, options: LoadOptions): Promise<void> {
    return loadImages(this.#scope, archive, options);
  }

  /** See saveImages(). */
  save(names: readonly string[], platform: Platform | null): Readable {
    return saveImages(this.#scope, names, platform);
  }

  /** After a container was removed: drops the layers that only it still used (its image was removed by force before). */
  async releaseLayers(container: Pick<ContainerRecord, 'imageId' | 'chainId' | 'imageMounts'>): Promise<void> {
    const tops = [container, ...(container.imageMounts ?? [])]
      .filter(({ imageId }) => this.get(imageId) === null)
      .flatMap(({ chainId }) => (chainId === null ? [] : [chainId]));
    if (tops.length > 0) await this.#scope.layers.removeUnused(tops);
  }

  /** At daemon start, once the containers are known: removes layers and config blobs that no image or container uses. */
  async recover(): Promise<void> {
    const { storage, log } = this.#scope.context;
    for (const image of this.all()) {
      const missing = image.chainIds.filter((chainId) => storage.layers.get(chainId) === null);
      if (missing.length > 0) log.error('image has lost layers', { image: image.id, layers: missing });
    }
    const removed = await this.#scope.layers.removeUnused();
    let blobs = 0;
    for (const digest of storage.content.list()) {
      if (this.get(digest) !== null) continue;
      storage.content.delete(digest);
      blobs++;
    }
    if (removed.length + blobs > 0) log.info('removed what no image uses', { layers: removed.length, blobs });
  }
}
