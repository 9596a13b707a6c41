/**
 * Reads the archives of `docker save` (manifest.json, all versions) and OCI image layouts (image-spec image-layout.md).
 */
import { randomUUID } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import type { Readable } from 'node:stream';
import { GantryError } from '../../api/errors.ts';
import { TarError } from '../../tar/entry.ts';
import type { Digest, Storage } from '../contract.ts';
import { chainIdOf, digestOf } from '../digest.ts';
import { noSpace } from '../durable.ts';
import { readOciLayout } from './oci-layout.ts';
import { ImageSpool } from './spool.ts';

export interface ReadImage {
  configDigest: Digest;
  configBytes: Buffer;
  /** Chain IDs, bottom layer first. */
  layers: Digest[];
  /** As the archive writes them ("busybox:latest", "docker.io/library/busybox:latest"). */
  tags: string[];
}

export interface ReadImageOptions {
  /** Bytes of the uncompressed archive read so far, then the layers one by one. */
  onProgress?: (
    progress:
      | { phase: 'reading'; bytes: number }
      | { phase: 'layer'; diffId: Digest; bytes: number /** Of the member, which may be compressed. */; size: number },
  ) => void;
  /**
   * Called with each layer's chain ID before it is looked for or registered: the caller keeps others from removing it from then on,
   * and removes what nobody uses when the load fails. Without it, a failed load removes the layers that it brought itself.
   */
  pin?: (chainId: Digest) => Promise<void>;
  signal?: AbortSignal;
  /** "amd64", "arm64": which image of an index to take; the host's when not given. */
  architecture?: string;
}

/** An image as an archive describes it: layers are members of the archive, bottom first. */
export interface DescribedImage {
  configBytes: Buffer;
  layers: string[];
  tags: string[];
}

/**
 * Takes in all images of an archive (plain, gzip, zstd, bzip2 or xz): registers their layers and stores their configs. Throws
 * invalid_parameter for a damaged or hostile archive; then nothing new stays.
 */
export async function readImageArchive(
  stream: Readable,
  storage: Storage,
  options: ReadImageOptions = {},
): Promise<{ images: ReadImage[] }> {
  const directory = path.join(storage.root, 'tmp', `load-${randomUUID()}`);
  const undo: (() => Promise<void>)[] = [];
  try {
    await fs.promises.mkdir(directory, { mode: 0o700 });
    const spool = new ImageSpool(directory);
    await spool.fill(stream, (bytes) => options.onProgress?.({ phase: 'reading', bytes }));
    options.signal?.throwIfAborted();
    const described = spool.has('manifest.json')
      ? readDockerManifest(spool)
      : spool.has('index.json')
        ? readOciLayout(spool, options.architecture ?? hostArchitecture())
        : null;
    if (described === null) {
      throw new GantryError('invalid_parameter', 'invalid archive: does not contain a manifest.json or index.json');
    }
    const images: ReadImage[] = [];
    for (const image of described) images.push(await register(image, spool, storage, options, undo));
    // Last, when all the rest is there: somebody else may make an image of a config as soon as it is stored.
    for (const image of images) await storage.content.write(image.configBytes);
    return { images };
  } catch (error) {
    stream.destroy();
    // A layer that another image has been put on meanwhile stays: remove() refuses.
    for (const step of undo.reverse()) {
      try {
        await step();
      } catch {}
    }
    throw explain(error);
  } finally {
    await fs.promises.rm(directory, { recursive: true, force: true });
  }
}

async function register(
  image: DescribedImage,
  spool: ImageSpool,
  storage: Storage,
  options: ReadImageOptions,
  undo: (() => Promise<void>)[],
): Promise<ReadImage> {
  const diffIds = diffIdsOf(image.configBytes);
  if (diffIds.length !== image.layers.length) {
    throw new GantryError(
      'invalid_parameter',
      `invalid manifest, layers length mismatch: expected ${diffIds.length}, got ${image.layers.length}`,
    );
  }
  const layers: Digest[] = [];
  let parent: Digest | null = null;
  for (const [index, diffId] of diffIds.entries()) {
    const chainId: Digest = chainIdOf(parent, diffId);
    await options.pin?.(chainId);
    if (storage.layers.get(chainId) === null) {
      await storage.layers.register(spool.open(image.layers[index]!), parent, {
        expectedDiffId: diffId,
        onProgress: (bytes) =>
          options.onProgress?.({ phase: 'layer', diffId, bytes, size: spool.size(image.layers[index]!) }),
        ...(options.signal === undefined ? {} : { signal: options.signal }),
      });
      if (options.pin === undefined) undo.push(() => storage.layers.remove(chainId));
    }
    layers.push(chainId);
    parent = chainId;
  }
  return { configDigest: digestOf(image.configBytes), configBytes: image.configBytes, layers, tags: image.tags };
}

/** rootfs.diff_ids of an image config (image-spec config.md). */
function diffIdsOf(config: Buffer): Digest[] {
  let document: { rootfs?: { type?: unknown; diff_ids?: unknown } } | null;
  try {
    document = JSON.parse(config.toString('utf8'));
  } catch (error) {
    throw new GantryError('invalid_parameter', 'invalid archive: an image config is no JSON', { cause: error });
  }
  const ids = document?.rootfs?.diff_ids ?? [];
  if (document?.rootfs === undefined || !Array.isArray(ids) || !ids.every((id) => typeof id === 'string')) {
    throw new GantryError('invalid_parameter', 'invalid archive: an image config has no rootfs');
  }
  return ids;
}

function readDockerManifest(spool: ImageSpool): DescribedImage[] {
  const manifest = spool.json('manifest.json');
  if (!Array.isArray(manifest)) throw new GantryError('invalid_parameter', 'invalid archive: manifest.json is no list');
  return manifest.map((item: { Config?: unknown; RepoTags?: unknown; Layers?: unknown } | null) => {
    const { Config, RepoTags, Layers } = item ?? {};
    if (typeof Config !== 'string' || !isStrings(Layers ?? []) || !isStrings(RepoTags ?? [])) {
      throw new GantryError('invalid_parameter', 'invalid archive: damaged manifest.json');
    }
    const configBytes = spool.bytes(Config);
    // The name of the config is the image's ID, whichever layout it has.
    const named = /(?:^|\/)([0-9a-f]{64})(?:\.json)?$/.exec(Config);
    if (named !== null && digestOf(configBytes) !== `sha256:${named[1]}`) {
      throw new GantryError('invalid_parameter', `invalid archive: ${Config} has digest ${digestOf(configBytes)}`);
    }
    return { configBytes, layers: (Layers ?? []) as string[], tags: (RepoTags ?? []) as string[] };
  });
}

function isStrings(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string');
}

/** GOARCH of this host. */
function hostArchitecture(): string {
  return process.arch === 'x64' ? 'amd64' : process.arch;
}

function explain(error: unknown): unknown {
  if (error instanceof GantryError) return error;
  const { code, message } = error as NodeJS.ErrnoException;
  if (error instanceof TarError || /^(Z_|ZSTD_|ERR_ZSTD)/.test(String(code))) {
    return new GantryError('invalid_parameter', `invalid archive: ${message}`, { cause: error });
  }
  return noSpace(error, 'failed to load the archive');
}
