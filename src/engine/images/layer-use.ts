import type { Readable } from 'node:stream';
import { GantryError, messageOf } from '../../api/errors.ts';
import type { Digest, Layer } from '../../storage/contract.ts';
import type { ContainerRecord } from '../container-record.ts';
import type { EngineContext } from '../context.ts';
import type { ImageStore } from './image-store.ts';

/**
 * Says which layers somebody uses, and removes those that nobody does. In use are the layers of every image record, those
 * under every container or mounted in one (whose image may be gone by now), and those that an operation under way has pinned because it has
 * registered them and its image record is still to come.
 */
export class LayerUse {
  readonly #context: EngineContext;
  readonly #images: ImageStore;
  readonly #containers: () => ContainerRecord[];
  readonly #pins = new Map<Digest, number>();
  readonly #removing = new Map<Digest, Promise<void>>();

  constructor(context: EngineContext, images: ImageStore, containers: () => ContainerRecord[]) {
    this.#context = context;
    this.#images = images;
    this.#containers = containers;
  }

  /** Chain IDs in use, every one with its parents. */
  used(): Set<Digest> {
    const used = new Set<Digest>();
    for (const image of this.#images.list()) for (const chainId of image.chainIds) used.add(chainId);
    for (const { chainId, imageMounts } of this.#containers()) {
      this.#addChain(used, chainId);
      for (const mount of imageMounts ?? []) this.#addChain(used, mount.chainId);
    }
    for (const chainId of this.#pins.keys()) this.#addChain(used, chainId);
    return used;
  }

  #addChain(used: Set<Digest>, top: Digest | null): void {
    for (let chainId = top; chainId !== null && !used.has(chainId); ) {
      used.add(chainId);
      chainId = this.#context.storage.layers.get(chainId)?.parent ?? null;
    }
  }

  /** Runs `work` with a pin function whose pins hold until it ends; what is then unused (it failed) is removed. */
  async pinned<T>(work: (pin: (chainId: Digest) => Promise<void>) => Promise<T>): Promise<T> {
    const mine: Digest[] = [];
    const pin = async (chainId: Digest) => {
      this.#pins.set(chainId, (this.#pins.get(chainId) ?? 0) + 1);
      mine.push(chainId);
      await this.#removing.get(chainId);
    };
    try {
      return await work(pin);
    } finally {
      for (const chainId of mine) {
        const count = this.#pins.get(chainId)! - 1;
        if (count === 0) this.#pins.delete(chainId);
        else this.#pins.set(chainId, count);
      }
      await this.removeUnused(mine);
    }
  }

  /** Registers a layer and pins it. */
  async register(
    tar: Readable,
    parent: Digest | null,
    pin: (chainId: Digest) => Promise<void>,
    options?: { expectedDiffId?: Digest; signal?: AbortSignal; onProgress?: (bytes: number) => void },
  ): Promise<Layer> {
    const layer = await this.#context.storage.layers.register(tar, parent, options);
    await pin(layer.chainId);
    if (this.#context.storage.layers.get(layer.chainId) === null) {
      // A removal of the same layer was under way when it was registered; rare enough to ask the user to repeat.
      throw new GantryError('conflict', `layer ${layer.chainId} was removed at the same time, try again`);
    }
    return layer;
  }

  /**
   * Removes those of `candidates` (default: all layers) that nobody uses, children before their parents, and returns what was
   * removed. A layer that cannot be removed is logged and left to the next recover().
   */
  async removeUnused(candidates?: Iterable<Digest>): Promise<Digest[]> {
    const { layers } = this.#context.storage;
    const used = this.used();
    const wanted = new Set<Digest>();
    for (const chainId of candidates ?? layers.list().map((layer) => layer.chainId)) {
      for (let at: Digest | null = chainId; at !== null && !used.has(at) && !wanted.has(at); ) {
        const layer = layers.get(at);
        if (layer === null) break;
        // A parent stays while a child outside of this removal stands on it: that child is in use, so the parent is too.
        wanted.add(at);
        at = layer.parent;
      }
    }
    const removed: Digest[] = [];
    const depth = (chainId: Digest): number => {
      let count = 0;
      for (let at: Digest | null = chainId; at !== null; at = layers.get(at)?.parent ?? null) count++;
      return count;
    };
    const ordered = [...wanted]
      .map((chainId) => ({ chainId, depth: depth(chainId) }))
      .sort((a, b) => b.depth - a.depth);
    for (const { chainId } of ordered) {
      // An operation may have pinned it, or made an image of it, while an earlier one was being removed.
      if (this.used().has(chainId) || layers.get(chainId) === null) continue;
      const removal = this.#removing.get(chainId) ?? layers.remove(chainId);
      this.#removing.set(chainId, removal);
      try {
        await removal;
        removed.push(chainId);
      } catch (error) {
        this.#context.log.warn('cannot remove layer', { layer: chainId, error: messageOf(error) });
      } finally {
        this.#removing.delete(chainId);
      }
    }
    return removed;
  }
}
