/**
 * Writes images as `docker save` does since Docker 25: one archive that is an OCI image layout and has Docker's own manifest.json and
 * repositories beside. Layers are the tars that came in, byte for byte, each once; all times are 0, so equal images give equal bytes.
 */
import { Readable } from 'node:stream';
import { GantryError } from '../../api/errors.ts';
import { newEntry } from '../../tar/entry.ts';
import { END_OF_ARCHIVE, encodeEntry, encodeFile, paddingFor } from '../../tar/writer.ts';
import type { Digest, Storage } from '../contract.ts';
import { digestOf, hexOf } from '../digest.ts';
import { IMAGE_NAME, OCI_CONFIG, OCI_INDEX, OCI_LAYER, OCI_MANIFEST, REF_NAME } from './oci-layout.ts';

export interface WrittenImage {
  configDigest: Digest;
  /** Chain IDs, bottom layer first. */
  layers: Digest[];
  /** "busybox:latest", "example.com:5000/a/b:1": as Docker prints them. */
  tags: string[];
}

interface Blob {
  digest: Digest;
  size: number;
  open: () => Readable | Buffer;
}

/** The archive as a stream. Throws not_found when a layer or config is missing. */
export function writeImageArchive(images: readonly WrittenImage[], storage: Storage): Readable {
  const blobs = new Map<Digest, Blob>();
  const index: object[] = [];
  const manifest: object[] = [];
  const repositories: Record<string, Record<string, string>> = {};
  const addBytes = (bytes: Buffer): Blob => {
    const blob: Blob = { digest: digestOf(bytes), size: bytes.length, open: () => bytes };
    blobs.set(blob.digest, blob);
    return blob;
  };

  for (const image of images) {
    const layers = image.layers.map((chainId) => {
      const layer = storage.layers.get(chainId);
      if (layer === null) throw new GantryError('not_found', `layer ${chainId} not found`);
      const blob: Blob = {
        digest: layer.diffId,
        size: storage.layers.tarSize(chainId),
        open: () => storage.layers.tar(chainId),
      };
      if (!blobs.has(blob.digest)) blobs.set(blob.digest, blob);
      return { mediaType: OCI_LAYER, digest: blob.digest, size: blob.size };
    });
    const config = addBytes(storage.content.read(image.configDigest));
    const document = addBytes(
      Buffer.from(
        JSON.stringify({
          schemaVersion: 2,
          mediaType: OCI_MANIFEST,
          config: { mediaType: OCI_CONFIG, digest: config.digest, size: config.size },
          layers,
        }),
      ),
    );
    const descriptor = { mediaType: OCI_MANIFEST, digest: document.digest, size: document.size };
    if (image.tags.length === 0) index.push(descriptor);
    for (const name of image.tags) {
      const { repository, tag } = splitTag(name);
      index.push({ ...descriptor, annotations: { [IMAGE_NAME]: fullName(name), [REF_NAME]: tag } });
      const top = layers.at(-1);
      if (top !== undefined) {
        repositories[repository] ??= {};
        repositories[repository][tag] = hexOf(top.digest);
      }
    }
    manifest.push({
      Config: blobName(config.digest),
      RepoTags: image.tags.length === 0 ? null : image.tags,
      Layers: layers.map((layer) => blobName(layer.digest)),
      LayerSources: Object.fromEntries(layers.map((layer) => [layer.digest, layer])),
    });
  }

  const documents: [string, unknown][] = [
    ['index.json', { schemaVersion: 2, mediaType: OCI_INDEX, manifests: index }],
    ['manifest.json', manifest],
    ['oci-layout', { imageLayoutVersion: '1.0.0' }],
    ['repositories', repositories],
  ];
  return Readable.from(members([...blobs.values()], documents), { objectMode: false });
}

async function* members(blobs: Blob[], documents: [string, unknown][]): AsyncGenerator<Buffer> {
  yield encodeEntry(newEntry('blobs/', 'directory'));
  yield encodeEntry(newEntry('blobs/sha256/', 'directory'));
  blobs.sort((a, b) => (a.digest < b.digest ? -1 : 1));
  for (const blob of blobs) {
    yield encodeEntry({ ...newEntry(blobName(blob.digest), 'file'), size: blob.size });
    const content = blob.open();
    if (Buffer.isBuffer(content)) yield content;
    else yield* content as AsyncIterable<Buffer>;
    yield paddingFor(blob.size);
  }
  for (const [name, document] of documents) {
    const bytes = Buffer.from(JSON.stringify(document));
    yield encodeFile(newEntry(name, 'file'), bytes);
  }
  yield END_OF_ARCHIVE;
}

function blobName(digest: Digest): string {
  return `blobs/sha256/${hexOf(digest)}`;
}

/** "host:5000/a:1" is the tag 1 of "host:5000/a". */
function splitTag(name: string): { repository: string; tag: string } {
  const colon = name.indexOf(':', name.lastIndexOf('/') + 1);
  return colon < 0
    ? { repository: name, tag: 'latest' }
    : { repository: name.slice(0, colon), tag: name.slice(colon + 1) };
}

/** The name with its registry, as the distribution project normalises it: "busybox:1" is "docker.io/library/busybox:1". */
function fullName(name: string): string {
  const slash = name.indexOf('/');
  const first = slash < 0 ? '' : name.slice(0, slash);
  if (first !== '' && (/[.:]/.test(first) || first === 'localhost')) return name;
  return `docker.io/${slash < 0 ? 'library/' : ''}${name}`;
}
