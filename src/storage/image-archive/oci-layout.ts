/** OCI image layouts: index.json, nested indexes, manifests (image-spec image-layout.md, image-index.md, manifest.md). */
import { GantryError } from '../../api/errors.ts';
import type { Digest } from '../contract.ts';
import { hexOf } from '../digest.ts';
import type { DescribedImage } from './read.ts';
import type { ImageSpool } from './spool.ts';

export const OCI_INDEX = 'application/vnd.oci.image.index.v1+json';
export const OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
export const OCI_CONFIG = 'application/vnd.oci.image.config.v1+json';
export const OCI_LAYER = 'application/vnd.oci.image.layer.v1.tar';
const DOCKER_LIST = 'application/vnd.docker.distribution.manifest.list.v2+json';
const DOCKER_CONFIG = 'application/vnd.docker.container.image.v1+json';

/** Annotation with the full name, as containerd and Docker write it. */
export const IMAGE_NAME = 'io.containerd.image.name';
/** image-spec annotations.md: name or tag within a layout. */
export const REF_NAME = 'org.opencontainers.image.ref.name';

/** Indexes in indexes; two levels are in use (a layout's index and a multi-platform image). */
const MAX_NESTING = 8;

interface Descriptor {
  mediaType?: string;
  digest: Digest;
  annotations?: Record<string, string>;
  platform?: { os?: string; architecture?: string };
}

/** The images of a layout for one architecture, with the names that their descriptors carry. Throws invalid_parameter. */
export function readOciLayout(spool: ImageSpool, architecture: string): DescribedImage[] {
  const images = new Map<Digest, DescribedImage>();
  const descriptors = descriptorsOf(spool.json('index.json'), 'index.json');
  const fits = (descriptor: Descriptor): boolean => platformFits(descriptor, architecture);
  const anyFits = descriptors.some((descriptor) => descriptor.platform !== undefined && fits(descriptor));
  for (const descriptor of descriptors) {
    if (isAttestation(descriptor)) continue;
    // A layout of one multi-platform image lists the platforms here.
    if (anyFits && descriptor.platform !== undefined && !fits(descriptor)) continue;
    const manifest = choose(spool, descriptor, architecture, 0);
    const image = images.get(manifest) ?? readManifest(spool, manifest);
    images.set(manifest, image);
    const name = nameOf(descriptor);
    if (name !== null && !image.tags.includes(name)) image.tags.push(name);
  }
  if (images.size === 0) throw new GantryError('invalid_parameter', 'invalid archive: index.json lists no image');
  return [...images.values()];
}

function platformFits({ platform }: Descriptor, architecture: string): boolean {
  return platform?.os === 'linux' && platform.architecture === architecture;
}

/** BuildKit's provenance and SBOM manifests stand beside the images that they speak of. */
function isAttestation({ annotations, platform }: Descriptor): boolean {
  return annotations?.['vnd.docker.reference.type'] !== undefined || platform?.os === 'unknown';
}

/** The full name of an image, or null: a bare tag names nothing outside of its layout. */
function nameOf({ annotations }: Descriptor): string | null {
  const name = annotations?.[IMAGE_NAME] ?? annotations?.[REF_NAME];
  return typeof name === 'string' && /[:/]/.test(name) ? name : null;
}

/** Digest of the manifest that a descriptor leads to, through indexes. */
function choose(spool: ImageSpool, descriptor: Descriptor, architecture: string, depth: number): Digest {
  const where = `blobs/sha256/${hexOf(descriptor.digest)}`;
  const document = spool.json(where) as { mediaType?: unknown; manifests?: unknown } | null;
  const type = descriptor.mediaType ?? document?.mediaType;
  const index = type === OCI_INDEX || type === DOCKER_LIST || (type === undefined && document?.manifests !== undefined);
  if (!index) return descriptor.digest;
  if (depth >= MAX_NESTING) throw new GantryError('invalid_parameter', 'invalid archive: indexes are nested too deep');
  const images = descriptorsOf(document, where).filter((candidate) => !isAttestation(candidate));
  const match = images.find((candidate) => platformFits(candidate, architecture));
  const only = images.length === 1 && images[0]!.platform === undefined ? images[0] : undefined;
  const chosen = match ?? only;
  if (chosen === undefined) {
    throw new GantryError('invalid_parameter', `no image for platform linux/${architecture} in the archive`);
  }
  return choose(spool, chosen, architecture, depth + 1);
}

function descriptorsOf(document: unknown, where: string): Descriptor[] {
  const { manifests } = (document ?? {}) as { manifests?: unknown };
  if (!Array.isArray(manifests))
    throw new GantryError('invalid_parameter', `invalid archive: ${where} has no manifests`);
  for (const item of manifests as (Descriptor | null)[]) checkDescriptor(item, where);
  return manifests;
}

function checkDescriptor(descriptor: Descriptor | null | undefined, where: string): Descriptor {
  if (typeof descriptor?.digest !== 'string') {
    throw new GantryError('invalid_parameter', `invalid archive: damaged descriptor in ${where}`);
  }
  hexOf(descriptor.digest);
  return descriptor;
}

function readManifest(spool: ImageSpool, digest: Digest): DescribedImage {
  const where = `blobs/sha256/${hexOf(digest)}`;
  const document = spool.json(where) as { config?: Descriptor; layers?: unknown } | null;
  const config = checkDescriptor(document?.config, where);
  if (config.mediaType !== undefined && config.mediaType !== OCI_CONFIG && config.mediaType !== DOCKER_CONFIG) {
    throw new GantryError('invalid_parameter', `invalid archive: ${digest} is no image but ${config.mediaType}`);
  }
  if (!Array.isArray(document?.layers))
    throw new GantryError('invalid_parameter', `invalid archive: ${where} has no layers`);
  return {
    configBytes: spool.blob(config.digest),
    layers: (document.layers as Descriptor[]).map(
      (layer) => `blobs/sha256/${hexOf(checkDescriptor(layer, where).digest)}`,
    ),
    tags: [],
  };
}
