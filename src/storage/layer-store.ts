/**
 * Layers as directories `<root>/layers/<hex of chain ID>`: `diff/` (the files, in overlayfs form), `record` (what of the tar is not
 * in the files), `replaced/` (see layer-record.ts) and `layer.json`. `<root>/l/<short>` are symlinks to the diffs, so that 128
 * of them fit in the one page that mount(2) takes.
 */
import { createHash, randomBytes, randomUUID } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { Readable } from 'node:stream';
import { GantryError, messageOf } from '../api/errors.ts';
import type { Digest, Layer, LayerStore } from './contract.ts';
import { chainIdOf, hexOf } from './digest.ts';
import { noSpace } from './durable.ts';
import { readRecord } from './layer-record.ts';
import type { LayerWorkers, UnpackResult } from './layer-workers.ts';
import { fixedOptions, mountReadOnly } from './overlay.ts';
import { Turns } from './tree.ts';

/** Docker's own bound; together with the short links it keeps the options of an overlay mount below a page. */
export const MAX_DEPTH = 128;

interface StoredLayer extends Layer {
  /** Name in `<root>/l`. */
  readonly link: string;
  readonly tarSize: number;
  /** Number of a file in the record -> where it is in `replaced/`. */
  readonly moved: readonly [number, string][];
}

interface RegisterOptions {
  expectedDiffId?: Digest;
  signal?: AbortSignal;
  onProgress?: (bytes: number) => void;
}

export class FileLayerStore implements LayerStore {
  readonly #root: string;
  readonly #workers: LayerWorkers;
  readonly #layers = new Map<Digest, StoredLayer>();
  /** Layers being unpacked whose chain ID is known beforehand: two pulls that share a layer unpack it once. */
  readonly #underway = new Map<Digest, Promise<Layer>>();

  constructor(root: string, workers: LayerWorkers) {
    this.#root = root;
    this.#workers = workers;
    fs.mkdirSync(path.join(root, 'layers'), { recursive: true, mode: 0o710 });
    fs.mkdirSync(path.join(root, 'l'), { recursive: true, mode: 0o710 });
    this.#load();
  }

  #load(): void {
    const links = new Set(fs.readdirSync(path.join(this.#root, 'l')));
    for (const hex of fs.readdirSync(path.join(this.#root, 'layers'))) {
      const layer = readStored(path.join(this.#root, 'layers', hex), `sha256:${hex}`);
      this.#layers.set(layer.chainId, layer);
      // The link is made after the layer is in place; a crash may have come in between.
      if (!links.delete(layer.link)) this.#makeLink(layer);
    }
    for (const link of links) fs.rmSync(path.join(this.#root, 'l', link), { force: true });
  }

  #makeLink(layer: StoredLayer): void {
    fs.symlinkSync(`../layers/${hexOf(layer.chainId)}/diff`, path.join(this.#root, 'l', layer.link));
  }

  #directory(chainId: Digest): string {
    return path.join(this.#root, 'layers', hexOf(chainId));
  }

  #stored(chainId: Digest): StoredLayer {
    const layer = this.#layers.get(chainId);
    if (layer === undefined) throw new GantryError('not_found', `layer ${chainId} not found`);
    return layer;
  }

  get(chainId: Digest): Layer | null {
    const layer = this.#layers.get(chainId);
    return layer === undefined ? null : publicPart(layer);
  }

  list(): Layer[] {
    return [...this.#layers.values()].map(publicPart);
  }

  /** The layer and its parents, top first. Throws not_found when one is missing. */
  chain(chainId: Digest | null): StoredLayer[] {
    const chain: StoredLayer[] = [];
    for (let id = chainId; id !== null; ) {
      const layer = this.#stored(id);
      chain.push(layer);
      id = layer.parent;
    }
    return chain;
  }

  /** Directory of the layer's own files, in overlayfs form. */
  diffDirectory(chainId: Digest): string {
    return path.join(this.#directory(chainId), 'diff');
  }

  async register(tar: Readable, parent: Digest | null, options: RegisterOptions = {}): Promise<Layer> {
    const { expectedDiffId } = options;
    if (expectedDiffId === undefined) return this.#unpack(tar, parent, options);
    hexOf(expectedDiffId);
    const chainId = chainIdOf(parent, expectedDiffId);
    const known = this.get(chainId);
    if (known !== null) {
      tar.destroy();
      return known;
    }
    const other = this.#underway.get(chainId);
    if (other !== undefined) {
      // When the other one fails (or is called off), this stream is still there to try.
      const layer = await other.catch(() => null);
      if (layer === null) return this.register(tar, parent, options);
      tar.destroy();
      return layer;
    }
    const work = this.#unpack(tar, parent, options);
    this.#underway.set(chainId, work);
    return work.finally(() => this.#underway.delete(chainId));
  }

  async #unpack(tar: Readable, parent: Digest | null, options: RegisterOptions): Promise<Layer> {
    const tmp = path.join(this.#root, 'tmp', `layer-${randomUUID()}`);
    try {
      const lowers = this.chain(parent);
      if (lowers.length >= MAX_DEPTH) throw new GantryError('invalid_parameter', 'max depth exceeded');
      await fs.promises.mkdir(tmp, { mode: 0o700 });
      const link = this.#newLink();
      const describe = (result: UnpackResult): StoredLayer => {
        if (options.expectedDiffId !== undefined && result.diffId !== options.expectedDiffId) {
          throw new GantryError(
            'invalid_parameter',
            `wrong diff id calculated on extraction: expected ${options.expectedDiffId}, got ${result.diffId}`,
          );
        }
        return { chainId: chainIdOf(parent, result.diffId), parent, link, ...result };
      };
      const result = await this.#workers.unpack(
        tar,
        tmp,
        lowers.map((layer) => this.diffDirectory(layer.chainId)),
        (unpacked) => JSON.stringify(describe(unpacked)),
        options,
      );
      return this.#place(describe(result), tmp);
    } catch (error) {
      tar.destroy();
      throw noSpace(error, 'failed to register layer');
    } finally {
      await removeTree(tmp);
    }
  }

  /**
   * Puts a layer that is whole and on disk in its place. The rename itself is journaled in order with what the caller writes next: its
   * own record of the image, synced on the same file system, is not there without the layer.
   */
  #place(layer: StoredLayer, tmp: string): Layer {
    const known = this.#layers.get(layer.chainId);
    if (known !== undefined) return publicPart(known);
    // The parent may have been removed while its child was unpacked.
    this.chain(layer.parent);
    fs.renameSync(tmp, this.#directory(layer.chainId));
    this.#makeLink(layer);
    this.#layers.set(layer.chainId, layer);
    return publicPart(layer);
  }

  #newLink(): string {
    for (;;) {
      const link = randomBytes(6).toString('base64url').slice(0, 7);
      // A leading dash or dot would do no harm to the kernel, but to people.
      if (/^[A-Za-z0-9]/.test(link) && !fs.existsSync(path.join(this.#root, 'l', link))) return link;
    }
  }

  tarSize(chainId: Digest): number {
    return this.#stored(chainId).tarSize;
  }

  tar(chainId: Digest): Readable {
    const layer = this.#stored(chainId);
    return Readable.from(assemble(layer, this.#directory(chainId)), { objectMode: false });
  }

  mount(chainId: Digest | null, target: string): void {
    const lowers = this.chain(chainId).map(({ link }) => `l/${link}`);
    mountReadOnly(this.#root, target, lowers, fixedOptions());
  }

  async remove(chainId: Digest): Promise<void> {
    const layer = this.#layers.get(chainId);
    if (layer === undefined) return;
    for (const other of this.#layers.values()) {
      if (other.parent === chainId) throw new GantryError('conflict', `layer ${chainId} has child layers`);
    }
    this.#layers.delete(chainId);
    // Out of the way by one rename; a crash while deleting leaves it to recover().
    const tmp = path.join(this.#root, 'tmp', `removed-${randomUUID()}`);
    fs.renameSync(this.#directory(chainId), tmp);
    fs.rmSync(path.join(this.#root, 'l', layer.link), { force: true });
    await removeTree(tmp);
  }
}

/** Throws Error, naming the directory, when it holds no whole layer: nothing is left out without a word. */
function readStored(directory: string, chainId: Digest): StoredLayer {
  let layer: StoredLayer | null = null;
  let reason = 'its layer.json is of another layer';
  try {
    layer = JSON.parse(fs.readFileSync(path.join(directory, 'layer.json'), 'utf8'));
  } catch (error) {
    reason = messageOf(error);
  }
  if (layer?.chainId === chainId && fs.existsSync(path.join(directory, 'diff'))) return layer;
  if (layer?.chainId === chainId) reason = 'its files are gone';
  throw new Error(`the layer in ${directory} is damaged (${reason}): move it away to start without the images on it`);
}

function publicPart(layer: StoredLayer): Layer {
  const { chainId, diffId, parent, size } = layer;
  return { chainId, diffId, parent, size };
}

/** Removes a directory and what is in it; nothing to remove is fine. */
export async function removeTree(directory: string): Promise<void> {
  await fs.promises.rm(directory, { recursive: true, force: true });
}

const READ_SIZE = 1 << 20;

/** The layer's tar; fails at the end when it is not what came in. */
async function* assemble(layer: StoredLayer, directory: string): AsyncGenerator<Buffer> {
  const hash = createHash('sha256');
  const moved = new Map(layer.moved);
  const turns = new Turns();
  let small: Buffer[] = [];
  let smallSize = 0;
  // Headers and small files come in pieces of a few hundred bytes; the reader is spared a turn for each.
  function* collect(bytes: Buffer): Generator<Buffer> {
    hash.update(bytes);
    small.push(bytes);
    smallSize += bytes.length;
    if (smallSize < READ_SIZE / 4) return;
    yield Buffer.concat(small, smallSize);
    small = [];
    smallSize = 0;
  }
  for await (const part of readRecord(path.join(directory, 'record'))) {
    if (part.kind === 'raw') {
      yield* collect(Buffer.from(part.bytes));
      continue;
    }
    const other = moved.get(part.file);
    const base = Buffer.from(path.join(directory, other === undefined ? 'diff' : 'replaced'));
    const file = Buffer.concat([base, Buffer.from(`/${other ?? part.path}`, 'latin1')]);
    const fd = fs.openSync(file, fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW);
    try {
      for (let done = 0; done < part.length; ) {
        await turns.pause();
        const buffer = Buffer.allocUnsafe(Math.min(READ_SIZE, part.length - done));
        const count = fs.readSync(fd, buffer, 0, buffer.length, part.offset + done);
        if (count === 0) throw new GantryError('system', `layer ${layer.chainId} is damaged: a file is too short`);
        done += count;
        yield* collect(buffer.subarray(0, count));
      }
    } finally {
      fs.closeSync(fd);
    }
  }
  if (smallSize > 0) yield Buffer.concat(small, smallSize);
  if (`sha256:${hash.digest('hex')}` !== layer.diffId) {
    throw new GantryError('system', `layer ${layer.chainId} is damaged: its tar does not have digest ${layer.diffId}`);
  }
}
