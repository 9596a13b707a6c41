import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { isMountPoint } from '../../src/linux/mount.ts';
import type { OverlayStorage } from '../../src/storage/storage.ts';
import { openStorage } from '../../src/storage/storage.ts';
import { collect, listTar, newStorage, scratch, sha256, stream, tarOf } from './storage-helpers.ts';

async function baseLayer(storage: OverlayStorage): Promise<string> {
  const tar = tarOf(
    { name: 'etc/', mode: 0o755 },
    { name: 'etc/passwd', content: 'root', mtime: 1000 },
    { name: 'etc/group', content: 'root' },
    { name: 'opt/', mode: 0o755 },
    { name: 'opt/a/', mode: 0o755 },
    { name: 'opt/a/one', content: '1' },
    { name: 'opt/a/two', content: '2' },
    { name: 'srv/', mode: 0o755 },
    { name: 'srv/x' },
  );
  return (await storage.layers.register(stream(tar), null)).chainId;
}

async function diff(storage: OverlayStorage, id: string): Promise<string[]> {
  return (await storage.writable.changes(id)).map(({ kind, path: name }) => `${'CAD'[kind]} ${name}`);
}

test('changes are those of docker diff', async (t) => {
  const storage = newStorage(t);
  await storage.writable.create('c', await baseLayer(storage));
  const merged = storage.writable.mount('c');
  assert.deepEqual(await diff(storage, 'c'), []);

  // Copied up, but as it was: a directory whose content did not change, a file that was only opened for writing.
  fs.chmodSync(`${merged}/srv`, 0o755);
  fs.utimesSync(`${merged}/etc/passwd`, 1000, 1000);
  assert.deepEqual(await diff(storage, 'c'), []);

  fs.writeFileSync(`${merged}/etc/passwd`, 'changed');
  fs.rmSync(`${merged}/etc/group`);
  fs.mkdirSync(`${merged}/new`);
  fs.writeFileSync(`${merged}/new/file`, '');
  fs.rmSync(`${merged}/srv`, { recursive: true });
  assert.deepEqual(await diff(storage, 'c'), [
    'C /etc',
    'D /etc/group',
    'C /etc/passwd',
    'A /new',
    'A /new/file',
    'D /srv',
  ]);
});

test('a directory made anew shows what it hides as deleted', async (t) => {
  const storage = newStorage(t);
  await storage.writable.create('c', await baseLayer(storage));
  const merged = storage.writable.mount('c');
  fs.rmSync(`${merged}/opt/a`, { recursive: true });
  fs.mkdirSync(`${merged}/opt/a`);
  fs.writeFileSync(`${merged}/opt/a/two`, 'other');
  assert.deepEqual(await diff(storage, 'c'), ['C /opt', 'C /opt/a', 'D /opt/a/one', 'C /opt/a/two']);
  fs.rmSync(`${merged}/opt/a`, { recursive: true });
  fs.writeFileSync(`${merged}/opt/a`, 'a file now');
  assert.deepEqual(await diff(storage, 'c'), ['C /opt', 'C /opt/a']);
});

test('a change in a lower directory that is opaque itself is compared with what it shows', async (t) => {
  const storage = newStorage(t);
  const base = await baseLayer(storage);
  const opaque = await storage.layers.register(stream(tarOf({ name: 'opt/.wh..wh..opq' }, { name: 'opt/b' })), base);
  await storage.writable.create('c', opaque.chainId);
  const merged = storage.writable.mount('c');
  fs.mkdirSync(`${merged}/opt/a`);
  assert.deepEqual(await diff(storage, 'c'), ['C /opt', 'A /opt/a']);
});

test('commit: the difference as a layer shows the same files on top of the parent', async (t) => {
  const storage = newStorage(t);
  const base = await baseLayer(storage);
  await storage.writable.create('c', base);
  const merged = storage.writable.mount('c');
  fs.rmSync(`${merged}/opt/a`, { recursive: true });
  fs.mkdirSync(`${merged}/opt/a`);
  fs.writeFileSync(`${merged}/opt/a/new`, 'n'.repeat(300_000));
  fs.linkSync(`${merged}/opt/a/new`, `${merged}/opt/a/same`);
  fs.rmSync(`${merged}/etc/group`);
  fs.symlinkSync('/etc/passwd', `${merged}/link`);
  execFileSync('mknod', [`${merged}/null`, 'c', '1', '3']);
  execFileSync('mkfifo', [`${merged}/pipe`]);
  const tar = await collect(storage.writable.diffTar('c'));
  assert.equal(sha256(await collect(storage.writable.diffTar('c'))), sha256(tar), 'reproducible');
  assert.deepEqual(listTar(tar), [
    'etc/',
    'etc/.wh.group',
    'link',
    'null',
    'opt/',
    'opt/a/',
    'opt/a/.wh..wh..opq',
    'opt/a/new',
    'opt/a/same',
    'pipe',
  ]);
  assert.equal(await storage.writable.size('c'), 300_000);
  const layer = await storage.layers.register(stream(tar), base);
  await storage.writable.create('d', layer.chainId);
  const again = storage.writable.mount('d');
  const list = (root: string): string =>
    execFileSync('sh', ['-c', "find . -printf '%p %y %m %s %n %l\\n' | grep -v '^[^ ]* d' | sort"], {
      cwd: root,
    }).toString();
  assert.equal(list(again), list(merged));
  assert.deepEqual(await diff(storage, 'd'), []);
});

test('mounts are counted, and unmount of what is not mounted does nothing', async (t) => {
  const storage = newStorage(t);
  await storage.writable.create('c', await baseLayer(storage));
  const merged = storage.writable.mount('c');
  assert.equal(storage.writable.mount('c'), merged);
  assert.equal(storage.writable.describe('c').mergedDir, merged);
  storage.writable.unmount('c');
  assert.ok(isMountPoint(merged));
  storage.writable.unmount('c');
  assert.ok(!isMountPoint(merged));
  storage.writable.unmount('c');
  storage.writable.unmount('nobody');
  fs.writeFileSync(`${storage.writable.mount('c')}/kept`, '1');
  storage.writable.unmount('c');
  assert.equal(fs.readFileSync(`${storage.writable.mount('c')}/kept`, 'utf8'), '1');
  await storage.writable.remove('c');
  assert.ok(!isMountPoint(merged));
  assert.equal(storage.writable.exists('c'), false);
  assert.deepEqual(fs.readdirSync(path.join(storage.root, 'tmp')), []);
  assert.throws(() => storage.writable.mount('c'), { code: 'not_found' });
});

test('a container from scratch has an empty root', async (t) => {
  const storage = newStorage(t);
  await storage.writable.create('c', null);
  const merged = storage.writable.mount('c');
  assert.deepEqual(fs.readdirSync(merged), []);
  fs.writeFileSync(`${merged}/a`, '');
  assert.deepEqual(await diff(storage, 'c'), ['A /a']);
});

test('a chain of 128 layers is mounted, whatever the length of the data root; 129 are refused', async (t) => {
  const root = path.join(scratch(t), 'a-long-name-for-a-data-root-'.repeat(3), 'data');
  const storage = openStorage(root);
  let parent: string | null = null;
  for (let i = 0; i < 128; i++) {
    parent = (
      await storage.layers.register(
        stream(tarOf({ name: `f${i}`, content: `${i}` }, { name: 'last', content: `${i}` })),
        parent,
      )
    ).chainId;
  }
  await storage.writable.create('c', parent);
  const before = process.cwd();
  const start = performance.now();
  const merged = storage.writable.mount('c');
  t.diagnostic(`mounted in ${(performance.now() - start).toFixed(2)} ms`);
  assert.equal(process.cwd(), before);
  assert.equal(fs.readdirSync(merged).length, 129);
  assert.equal(fs.readFileSync(`${merged}/last`, 'utf8'), '127');
  assert.equal(storage.describeLayer(parent!).lowerDirs.length, 127);
  await assert.rejects(storage.layers.register(stream(tarOf({ name: 'x' })), parent), {
    message: 'max depth exceeded',
  });
  await assert.rejects(storage.layers.remove(storage.layers.list()[0]!.chainId), { code: 'conflict' });
});

test('after a crash the mounts of running containers are kept and all others undone', async (t) => {
  const storage = newStorage(t);
  const base = await baseLayer(storage);
  for (const id of ['live', 'dead']) {
    await storage.writable.create(id, base);
    storage.writable.mount(id);
  }
  const after = openStorage(storage.root);
  await after.recover(new Set(['live']));
  const live = after.writable.describe('live').mergedDir;
  assert.ok(isMountPoint(live));
  assert.ok(!isMountPoint(after.writable.describe('dead').mergedDir));
  after.writable.unmount('live');
  assert.ok(!isMountPoint(live));
});

test('--storage-opt is refused, and names cannot lead out of the store', async (t) => {
  const storage = newStorage(t);
  await assert.rejects(storage.writable.create('c', null, { storageOpt: { size: '1G' } }), { code: 'not_supported' });
  await assert.rejects(storage.writable.create('c', null, { storageOpt: { quota: '1G' } }), {
    code: 'invalid_parameter',
  });
  await assert.rejects(storage.writable.create('../c', null), { code: 'invalid_parameter' });
  await assert.rejects(storage.writable.create('c', `sha256:${'0'.repeat(64)}`), { code: 'not_found' });
  assert.throws(() => storage.content.read('sha256:../../../etc/passwd'), { code: 'invalid_parameter' });
  assert.throws(() => openStorage('/tmp/a:b'), { code: 'invalid_parameter' });
  assert.throws(() => openStorage('relative'), { code: 'invalid_parameter' });
});

test('blobs are kept by digest, and damage is noticed', async (t) => {
  const storage = newStorage(t);
  const bytes = Buffer.from('{}');
  const digest = await storage.content.write(bytes);
  assert.equal(digest, sha256(bytes));
  assert.equal(await storage.content.write(bytes), digest);
  assert.deepEqual(storage.content.list(), [digest]);
  assert.ok(storage.content.read(digest).equals(bytes));
  fs.writeFileSync(path.join(storage.root, 'content/sha256', digest.slice(7)), 'evil');
  assert.throws(() => storage.content.read(digest), { code: 'system' });
  storage.content.delete(digest);
  assert.equal(storage.content.has(digest), false);
  assert.throws(() => storage.content.read(digest), { code: 'not_found' });
});
