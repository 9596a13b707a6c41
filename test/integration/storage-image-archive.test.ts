import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { readImageArchive } from '../../src/storage/image-archive/read.ts';
import { type WrittenImage, writeImageArchive } from '../../src/storage/image-archive/write.ts';
import type { OverlayStorage } from '../../src/storage/storage.ts';
import {
  collect,
  listTar,
  type Member,
  newStorage,
  rootfs,
  scratch,
  sha256,
  stream,
  tarOf,
} from './storage-helpers.ts';

const LAYER_A = tarOf({ name: 'etc/', mode: 0o755 }, { name: 'etc/a', content: 'a' });
const LAYER_B = tarOf({ name: 'b', content: 'b' });

function configOf(...layers: Buffer[]): Buffer {
  const rootfs = { type: 'layers', diff_ids: layers.map(sha256) };
  return Buffer.from(JSON.stringify({ architecture: 'amd64', os: 'linux', config: { Cmd: ['/x'] }, rootfs }));
}

async function storeImage(storage: OverlayStorage, tags: string[], ...layers: Buffer[]): Promise<WrittenImage> {
  const chain: string[] = [];
  for (const layer of layers) {
    chain.push((await storage.layers.register(stream(layer), chain.at(-1) ?? null)).chainId);
  }
  return { configDigest: await storage.content.write(configOf(...layers)), layers: chain, tags };
}

/** Nothing of a refused archive stays. */
async function refused(t: Parameters<typeof newStorage>[0], archive: Buffer, message?: RegExp): Promise<void> {
  const storage = newStorage(t);
  await assert.rejects(readImageArchive(stream(archive), storage), (error: Error & { code?: string }) => {
    assert.equal(error.code, 'invalid_parameter', String(error));
    if (message !== undefined) assert.match(error.message, message);
    return true;
  });
  assert.deepEqual([storage.layers.list(), storage.content.list()], [[], []]);
  assert.deepEqual(fs.readdirSync(path.join(storage.root, 'tmp')), []);
}

function legacyArchive(config: Buffer, layers: Member[], extra: object = {}): Member[] {
  const name = `${sha256(config).slice(7)}.json`;
  const manifest = [{ Config: name, RepoTags: ['old:1'], Layers: layers.map((layer) => layer.name), ...extra }];
  return [...layers, { name, content: config }, { name: 'manifest.json', content: JSON.stringify(manifest) }];
}

test('what is saved is loaded again: the same images, names and bytes', async (t) => {
  const storage = newStorage(t);
  const one = await storeImage(storage, ['busybox:latest', 'example.com:5000/a/b:1'], LAYER_A, LAYER_B);
  const two = await storeImage(storage, [], LAYER_A);
  const archive = await collect(writeImageArchive([one, two], storage));
  assert.equal(sha256(await collect(writeImageArchive([one, two], storage))), sha256(archive), 'deterministic');
  const names = listTar(archive);
  assert.equal(new Set(names).size, names.length, 'shared layers are there once');
  assert.deepEqual(names.slice(-4), ['index.json', 'manifest.json', 'oci-layout', 'repositories']);
  for (const bytes of [archive, gzipSync(archive), zstdCompressSync(archive)]) {
    const other = newStorage(t);
    const { images } = await readImageArchive(stream(bytes), other);
    assert.deepEqual(
      images.map(({ configDigest, layers, tags }) => ({ configDigest, layers, tags })),
      [one, two],
    );
    assert.equal(sha256(await collect(writeImageArchive([one, two], other))), sha256(archive));
    assert.deepEqual(fs.readdirSync(path.join(other.root, 'tmp')), []);
  }
});

test('skopeo and umoci read what is saved, and what skopeo writes is loaded', async (t) => {
  const directory = scratch(t);
  const storage = newStorage(t);
  const busybox = fs.readFileSync(rootfs('busybox'));
  const image = await storeImage(storage, ['busybox:latest'], busybox, LAYER_B);
  const file = path.join(directory, 'saved.tar');
  fs.writeFileSync(file, await collect(writeImageArchive([image], storage)));
  const skopeo = (...args: string[]): string => execFileSync('skopeo', args, { cwd: directory }).toString();
  for (const source of [`docker-archive:${file}`, `oci-archive:${file}`]) {
    const inspected = JSON.parse(skopeo('inspect', '--config', source));
    assert.deepEqual(inspected.rootfs.diff_ids, [sha256(busybox), sha256(LAYER_B)], source);
  }
  skopeo('copy', '-q', `oci-archive:${file}`, `oci:${directory}/layout:tag`);
  execFileSync('umoci', ['unpack', '--image', `${directory}/layout:tag`, `${directory}/bundle`], { stdio: 'pipe' });
  assert.equal(fs.readFileSync(`${directory}/bundle/rootfs/b`, 'utf8'), 'b');

  const targets = [
    ['docker-archive', `${directory}/d.tar`, 'busybox:latest'],
    ['oci-archive', `${directory}/o.tar`, 'example.com/x:1'],
  ] as const;
  for (const [transport, target, tag] of targets) {
    skopeo('copy', '-q', `docker-archive:${file}`, `${transport}:${target}:${tag}`);
    const other = newStorage(t);
    const { images } = await readImageArchive(fs.createReadStream(target), other);
    assert.equal(images.length, 1);
    assert.deepEqual(images[0]!.layers, image.layers, transport);
    assert.match(images[0]!.tags.join(), new RegExp(`${tag}$`));
  }
});

test('the older layout is loaded: a directory a layer, links between equal layers', async (t) => {
  const storage = newStorage(t);
  const archive = tarOf(
    { name: 'aaaa/' },
    { name: 'bbbb/layer.tar', type: 'symlink', linkName: '../aaaa/layer.tar' },
    ...legacyArchive(configOf(LAYER_A, LAYER_A), [{ name: 'aaaa/layer.tar', content: LAYER_A }], {
      Layers: ['aaaa/layer.tar', 'bbbb/layer.tar'],
    }),
  );
  const { images } = await readImageArchive(stream(archive), storage);
  assert.deepEqual(images[0]!.tags, ['old:1']);
  assert.equal(images[0]!.layers.length, 2);
  assert.equal(storage.layers.list().length, 2);
});

/** An OCI layout of blobs and an index. */
function layout(index: object, ...blobs: Buffer[]): Buffer {
  return tarOf(
    { name: 'oci-layout', content: '{"imageLayoutVersion":"1.0.0"}' },
    { name: 'index.json', content: JSON.stringify(index) },
    ...blobs.map((blob) => ({ name: `blobs/sha256/${sha256(blob).slice(7)}`, content: blob })),
  );
}

function describe(bytes: Buffer, extra: object = {}): object {
  return { digest: sha256(bytes), size: bytes.length, ...extra };
}

function manifestOf(config: Buffer, ...layers: Buffer[]): Buffer {
  const mediaType = 'application/vnd.oci.image.manifest.v1+json';
  return Buffer.from(
    JSON.stringify({ schemaVersion: 2, mediaType, config: describe(config), layers: layers.map((l) => describe(l)) }),
  );
}

test('of an index the image for this machine is taken', async (t) => {
  const zipped = gzipSync(LAYER_A);
  const amd = manifestOf(configOf(LAYER_A), zipped);
  const arm = manifestOf(configOf(LAYER_B), LAYER_B);
  const attestation = manifestOf(Buffer.from('{}'));
  const inner = Buffer.from(
    JSON.stringify({
      mediaType: 'application/vnd.oci.image.index.v1+json',
      manifests: [
        describe(attestation, { platform: { os: 'unknown', architecture: 'unknown' } }),
        describe(arm, { platform: { os: 'linux', architecture: 'arm64', variant: 'v8' } }),
        describe(amd, { platform: { os: 'linux', architecture: 'amd64' } }),
      ],
    }),
  );
  const annotations = {
    'io.containerd.image.name': 'docker.io/library/multi:1',
    'org.opencontainers.image.ref.name': '1',
  };
  const archive = layout(
    { manifests: [describe(inner, { annotations })] },
    inner,
    amd,
    arm,
    attestation,
    zipped,
    LAYER_B,
    configOf(LAYER_A),
    configOf(LAYER_B),
  );
  for (const [architecture, layer] of [
    ['amd64', LAYER_A],
    ['arm64', LAYER_B],
  ] as const) {
    const { images } = await readImageArchive(stream(archive), newStorage(t), { architecture });
    assert.deepEqual(
      images.map((image) => [image.layers, image.tags]),
      [[[sha256(layer)], ['docker.io/library/multi:1']]],
    );
  }
  await assert.rejects(readImageArchive(stream(archive), newStorage(t), { architecture: 'riscv64' }), {
    message: 'no image for platform linux/riscv64 in the archive',
  });
});

test('damaged and hostile image archives are refused and leave nothing', async (t) => {
  const config = configOf(LAYER_A, LAYER_B);
  const layers = [
    { name: 'a/layer.tar', content: LAYER_A },
    { name: 'b/layer.tar', content: LAYER_B },
  ];
  const good = legacyArchive(config, layers);
  await readImageArchive(stream(tarOf(...good)), newStorage(t));
  await refused(t, tarOf(), /manifest.json/);
  await refused(t, tarOf(...good).subarray(0, 3000), /unexpected end/);
  await refused(t, Buffer.alloc(4096, 'x'));
  await refused(t, tarOf({ name: '../manifest.json', content: '[]' }), /invalid path/);
  await refused(t, tarOf({ name: 'x', type: 'symlink', linkName: '../../etc/passwd' }), /invalid path/);
  await refused(t, tarOf({ name: 'x', type: 'char', devMajor: 1, devMinor: 3 }));
  await refused(t, tarOf({ name: 'manifest.json', content: '{' }), /JSON/);
  await refused(t, tarOf({ name: 'manifest.json', content: '[null]' }));
  // The second layer is wrong: the first, already registered, goes again.
  await refused(
    t,
    tarOf(...legacyArchive(config, [layers[0]!, { name: 'b/layer.tar', content: LAYER_A }])),
    /wrong diff id/,
  );
  await refused(t, tarOf(...legacyArchive(config, layers, { Layers: ['a/layer.tar', 'gone'] })), /gone is missing/);
  await refused(t, tarOf(...legacyArchive(config, layers.slice(0, 1))), /length mismatch: expected 2, got 1/);
  await refused(
    t,
    tarOf(...legacyArchive(config, layers, { Config: `${'0'.repeat(64)}.json` }), {
      name: `${'0'.repeat(64)}.json`,
      content: config,
    }),
    /digest/,
  );
  await refused(
    t,
    tarOf({ name: 'l', type: 'symlink', linkName: 'l' }, ...legacyArchive(config, layers, { Layers: ['l', 'l'] })),
    /missing/,
  );
  const manifest = manifestOf(config, LAYER_A, LAYER_B);
  await refused(t, layout({ manifests: [describe(manifest)] }, config, LAYER_A, LAYER_B), /missing/);
  await refused(t, layout({ manifests: [{ digest: 'sha256:../../x' }] }), /invalid digest/);
  const forged = tarOf({ name: `blobs/sha256/${'0'.repeat(64)}`, content: 'x' });
  await refused(t, forged, /has digest/);
  const self = Buffer.from('{"manifests":[]}');
  await refused(
    t,
    layout({ manifests: [describe(self, { mediaType: 'application/vnd.oci.image.index.v1+json' })] }, self),
    /no image/,
  );
});
