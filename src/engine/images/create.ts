/** Images made here: from a container (commit) and from a plain root file system (import). */
import type { Readable } from 'node:stream';
import { GantryError } from '../../api/errors.ts';
import type { ImageConfig } from '../../api/schemas/image.ts';
import type { Layer } from '../../storage/contract.ts';
import type { ContainerRecord } from '../container-record.ts';
import type { HistoryEntry, ImageRecord } from '../image-record.ts';
import { applyChanges } from './changes.ts';
import { imageConfigOf, mergeConfig } from './image-config.ts';
import { buildConfig, recordOf } from './oci-config.ts';
import { hostArchitecture, parsePlatform } from './platform.ts';
import { familiarString, type Reference } from './reference.ts';
import { type ImageScope, imageEvent } from './scope.ts';
import { imageTarget, putImage, tagImage } from './tag.ts';

/** Digest of a tar without entries (two blocks of zeros): such a layer adds nothing and is left out. */
const EMPTY_TAR = 'sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef';

export interface CommitOptions {
  /** '' for an image without a name. */
  repo: string;
  tag: string;
  comment: string;
  author: string;
  changes: string[];
  /** What the new image's config shall hold instead of the container's. */
  config: ImageConfig | null;
}

/** `docker commit`: an image of the container's changes on top of its image; the caller pauses the container. Returns the ID. */
export async function commitContainer(
  scope: ImageScope,
  container: ContainerRecord,
  options: CommitOptions,
): Promise<string> {
  const reference = imageTarget(options.repo, options.tag);
  const parent = scope.store.get(container.imageId);
  const own = imageConfigOf(container.config);
  const config = mergeConfig(applyChanges(options.config ?? own, options.changes), own);
  return scope.layers.pinned(async (pin) => {
    const base = layersUnder(scope, container.chainId);
    for (const layer of base) await pin(layer.chainId);
    const layer = await scope.layers.register(
      scope.context.storage.writable.diffTar(container.id),
      container.chainId,
      pin,
    );
    const empty = layer.diffId === EMPTY_TAR;
    const created = new Date().toISOString();
    const step: HistoryEntry = {
      created,
      created_by: (container.config.Cmd ?? []).join(' '),
      ...(options.author === '' ? {} : { author: options.author }),
      ...(options.comment === '' ? {} : { comment: options.comment }),
      ...(empty ? { empty_layer: true } : {}),
    };
    const id = await store(scope, {
      layers: empty ? base : [...base, layer],
      history: [...(parent?.history ?? []), step],
      config,
      created,
      author: options.author,
      comment: options.comment,
      parent: container.imageId,
      architecture: parent?.architecture ?? hostArchitecture(),
      variant: parent?.variant ?? '',
      reference,
    });
    imageEvent(scope, 'create', id, id);
    scope.context.events.emit('container', 'commit', container.id, {
      ...container.config.Labels,
      comment: options.comment,
      image: container.config.Image ?? '',
      imageID: id,
      imageRef: reference === null ? '' : familiarString(reference),
      name: container.name,
    });
    return id;
  });
}

export interface ImportOptions {
  repo: string;
  tag: string;
  message: string;
  changes: string[];
  /** '' or os[/arch[/variant]]. */
  platform: string;
  signal: AbortSignal;
  onProgress: (bytes: number) => void;
}

/** `docker import`: an image with one layer, the given tar (plain or compressed). Returns the ID. */
export async function importImage(scope: ImageScope, tar: Readable, options: ImportOptions): Promise<string> {
  const reference = imageTarget(options.repo, options.tag);
  const config = applyChanges({}, options.changes);
  const platform = parsePlatform(options.platform);
  if (platform.os !== 'linux') {
    throw new GantryError('invalid_parameter', `operating system is not supported: ${platform.os}`);
  }
  return scope.layers.pinned(async (pin) => {
    const layer = await scope.layers.register(tar, null, pin, {
      signal: options.signal,
      onProgress: options.onProgress,
    });
    const created = new Date().toISOString();
    const id = await store(scope, {
      layers: [layer],
      history: [{ created, comment: options.message }],
      config,
      created,
      author: '',
      comment: options.message,
      parent: '',
      ...platform,
      reference,
    });
    imageEvent(scope, 'import', id, id);
    return id;
  });
}

interface NewImage {
  layers: Layer[];
  history: HistoryEntry[];
  config: ImageConfig;
  created: string;
  author: string;
  comment: string;
  parent: string;
  architecture: string;
  variant: string;
  reference: Reference | null;
}

async function store(scope: ImageScope, image: NewImage): Promise<string> {
  const id = await scope.context.storage.content.write(
    buildConfig({ ...image, diffIds: image.layers.map((layer) => layer.diffId) }),
  );
  const record: ImageRecord = recordOf(scope.context.storage.content.read(id), id, image.layers, {
    parent: image.parent,
    lastTagTime: '',
  });
  // The same steps at the same instant give the same image: keep what is known of it.
  putImage(scope, record);
  if (image.reference !== null) {
    tagImage(scope, scope.store.get(id)!, image.reference);
  }
  return id;
}

/** The layers up to `top`, bottom first. */
function layersUnder(scope: ImageScope, top: string | null): Layer[] {
  const layers: Layer[] = [];
  for (let at = top; at !== null; ) {
    const layer = scope.context.storage.layers.get(at);
    if (layer === null) throw new GantryError('system', `layer ${at} is missing`);
    layers.unshift(layer);
    at = layer.parent;
  }
  return layers;
}
