import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { makeDevice, splitDevice } from '../../src/api/device-number.ts';
import { getXattr, setXattr } from '../../src/linux/xattr.ts';
import { openStorage } from '../../src/storage/storage.ts';
import { collect, digestOfStream, newStorage, rootfs, scratch, sha256, stream, tarOf } from './storage-helpers.ts';

const CAPABILITY = Buffer.from('0100000200040000000000000000000000000000', 'hex');

function layerDirectory(root: string, chainId: string): string {
  return path.join(root, 'layers', chainId.slice(7), 'diff');
}

test('a Debian layer comes back byte for byte, from each compression', async (t) => {
  const file = rootfs('debian');
  const diffId = await digestOfStream(fs.createReadStream(file));
  const bytes = fs.readFileSync(file);
  const sources: Record<string, Buffer> = {
    plain: bytes,
    gzip: gzipSync(bytes, { level: 1 }),
    zstd: zstdCompressSync(bytes),
  };
  for (const [name, source] of Object.entries(sources)) {
    const storage = newStorage(t, 400);
    const start = performance.now();
    const layer = await storage.layers.register(stream(source, 1 << 20), null, { expectedDiffId: diffId });
    t.diagnostic(`${name}: registered in ${Math.round(performance.now() - start)} ms`);
    assert.equal(layer.chainId, diffId);
    assert.equal(storage.layers.tarSize(layer.chainId), bytes.length);
    assert.equal(await digestOfStream(storage.layers.tar(layer.chainId)), diffId);
  }
});

test('bzip2 and xz are unpacked by their tools', async (t) => {
  const bytes = tarOf({ name: 'a', content: 'x'.repeat(100_000) });
  const storage = newStorage(t);
  for (const tool of ['bzip2', 'xz']) {
    const layer = await storage.layers.register(stream(execFileSync(tool, ['-c'], { input: bytes })), null);
    assert.equal(layer.diffId, sha256(bytes));
    await storage.layers.remove(layer.chainId);
    const cut = execFileSync(tool, ['-c'], { input: bytes }).subarray(0, 60);
    await assert.rejects(storage.layers.register(stream(cut), null), { code: 'invalid_parameter' });
  }
});

test('what GNU tar unpacks, a layer has: owners, modes, times, links, devices', async (t) => {
  const directory = scratch(t, 800);
  const file = rootfs('debian');
  const peer = path.join(directory, 'peer');
  fs.mkdirSync(peer);
  execFileSync('tar', ['-xpf', file, '-C', peer, '--numeric-owner', '--xattrs', '--xattrs-include=*']);
  const storage = openStorage(path.join(directory, 'data'));
  const layer = await storage.layers.register(fs.createReadStream(file), null);
  const list = (root: string): string =>
    execFileSync(
      'sh',
      [
        '-c',
        "find . -printf '%p %y %m %U %G %s %T@ %n %l\\n' | sed -E 's/^(\\S+ d \\S+ \\S+ \\S+) [0-9]+ /\\1 /' | sort",
      ],
      {
        cwd: root,
        maxBuffer: 1 << 26,
      },
    ).toString();
  const mine = list(layerDirectory(storage.root, layer.chainId))
    .split('\n')
    .filter((line) => !line.startsWith('. '));
  const theirs = list(peer)
    .split('\n')
    .filter((line) => !line.startsWith('. '));
  assert.ok(theirs.length > 8000);
  assert.deepEqual(mine, theirs);
});

test('members of all kinds are made as the archive says', async (t) => {
  const storage = newStorage(t);
  const bytes = tarOf(
    { name: './', mode: 0o755 },
    { name: 'bin/', mode: 0o2775, uid: 3, gid: 4, mtime: 1000, mtimeNs: 5 },
    { name: 'bin/su', mode: 0o4755, uid: 1, gid: 2, mtime: 1_600_000_000, mtimeNs: 123456789, content: 'su' },
    { name: 'bin/hard', type: 'hardlink', linkName: './bin/su' },
    { name: 'bin/ping', mode: 0o755, content: 'ping', xattrs: new Map([['security.capability', CAPABILITY]]) },
    { name: 'soft', type: 'symlink', linkName: '../../etc/passwd', uid: 5, gid: 6, mtime: 77 },
    { name: 'null', type: 'char', devMajor: 1, devMinor: 3, mode: 0o666 },
    { name: 'disk', type: 'block', devMajor: 259, devMinor: 300, mode: 0o660 },
    { name: 'pipe', type: 'fifo', mode: 0o600 },
    { name: `${'long/'.repeat(60)}file`, content: 'deep' },
    { name: '\xff\xfe', content: 'no UTF-8' },
  );
  const layer = await storage.layers.register(stream(bytes), null);
  const root = layerDirectory(storage.root, layer.chainId);
  const stat = (name: string): fs.BigIntStats => fs.lstatSync(path.join(root, name), { bigint: true });
  assert.equal(stat('bin').mode & 0o7777n, 0o2775n);
  assert.equal(stat('bin').mtimeNs, 1_000_000_000_005n);
  assert.deepEqual([stat('bin/su').mode & 0o7777n, stat('bin/su').uid, stat('bin/su').gid], [0o4755n, 1n, 2n]);
  assert.equal(stat('bin/su').mtimeNs, 1_600_000_000_123_456_789n);
  assert.equal(stat('bin/hard').ino, stat('bin/su').ino);
  assert.deepEqual(getXattr(path.join(root, 'bin/ping'), 'security.capability'), CAPABILITY);
  assert.equal(fs.readlinkSync(path.join(root, 'soft')), '../../etc/passwd');
  assert.deepEqual([stat('soft').uid, stat('soft').mtimeNs], [5n, 77_000_000_000n]);
  assert.equal(stat('null').rdev, makeDevice(1, 3));
  assert.deepEqual(splitDevice(stat('disk').rdev), { major: 259, minor: 300 });
  assert.ok(stat('disk').isBlockDevice() && stat('pipe').isFIFO());
  assert.equal(fs.readFileSync(path.join(root, 'long/'.repeat(60), 'file'), 'utf8'), 'deep');
  assert.equal(
    fs.readFileSync(Buffer.concat([Buffer.from(`${root}/`), Buffer.from([0xff, 0xfe])]), 'utf8'),
    'no UTF-8',
  );
  assert.equal(layer.size, 2 + 4 + 4 + 8);
  assert.deepEqual(await collect(storage.layers.tar(layer.chainId)), bytes);
});

test('sparse files of all GNU formats are unpacked with their holes and come back as they were', async (t) => {
  const directory = scratch(t);
  const name = path.join(directory, 'sparse');
  const fd = fs.openSync(name, 'w');
  for (let i = 0; i < 40; i++) fs.writeSync(fd, Buffer.alloc(4096, 65 + i), 0, 4096, i * 1_048_576);
  fs.ftruncateSync(fd, 64 << 20);
  fs.closeSync(fd);
  const storage = openStorage(path.join(directory, 'data'));
  for (const options of [
    ['--format=gnu'],
    ...['0.0', '0.1', '1.0'].map((v) => ['--format=pax', `--sparse-version=${v}`]),
  ]) {
    const bytes = execFileSync('tar', ['-cS', ...options, '-C', directory, 'sparse'], { maxBuffer: 1 << 26 });
    assert.ok(bytes.length < 1 << 20, 'tar wrote a sparse member');
    const layer = await storage.layers.register(stream(bytes), null);
    const file = path.join(layerDirectory(storage.root, layer.chainId), 'sparse');
    assert.ok(fs.readFileSync(file).equals(fs.readFileSync(name)), options.join(' '));
    assert.ok(fs.statSync(file).blocks * 512 < 1 << 20, 'the holes are holes');
    assert.deepEqual(await collect(storage.layers.tar(layer.chainId)), bytes);
    await storage.layers.remove(layer.chainId);
  }
});

test('whiteouts hide what the lower layers have, and only that', async (t) => {
  const storage = newStorage(t);
  const base = await storage.layers.register(
    stream(
      tarOf(
        { name: 'a', content: '1' },
        { name: 'd/', mode: 0o711, uid: 9 },
        { name: 'd/x' },
        { name: 'e/x' },
        { name: 'f/x' },
      ),
    ),
    null,
  );
  const bytes = tarOf(
    { name: '.wh.a' },
    { name: 'd/.wh.x' },
    { name: 'e/' },
    { name: 'e/.wh..wh..opq' },
    { name: 'e/new', content: 'n' },
    { name: '.wh.f' },
    { name: 'f/' },
    { name: 'f/y' },
    { name: '.wh..wh.plnk/', type: 'directory' },
  );
  const top = await storage.layers.register(stream(bytes), base.chainId);
  await storage.writable.create('c', top.chainId);
  const merged = storage.writable.mount('c');
  assert.deepEqual(fs.readdirSync(merged).sort(), ['d', 'e', 'f']);
  assert.deepEqual(fs.readdirSync(`${merged}/d`), []);
  assert.deepEqual(fs.readdirSync(`${merged}/e`), ['new']);
  assert.deepEqual(fs.readdirSync(`${merged}/f`), ['y']);
  // The upper archive does not list d itself: it looks as in the layer below.
  assert.deepEqual([fs.statSync(`${merged}/d`).mode & 0o7777, fs.statSync(`${merged}/d`).uid], [0o711, 9]);
  assert.deepEqual(await collect(storage.layers.tar(top.chainId)), bytes);
});

test('what a later member of the archive replaces is gone from the layer and still in its tar', async (t) => {
  const storage = newStorage(t);
  const bytes = tarOf(
    { name: 'f', content: 'first' },
    { name: 'd/a', content: 'in d' },
    { name: 'd/deep/b', content: 'deeper' },
    { name: 'f', content: 'second' },
    { name: 'd', content: 'now a file' },
    { name: 'h', type: 'hardlink', linkName: 'f' },
    { name: 'f', type: 'symlink', linkName: 'h' },
  );
  const layer = await storage.layers.register(stream(bytes), null);
  const root = layerDirectory(storage.root, layer.chainId);
  assert.equal(fs.readFileSync(`${root}/d`, 'utf8'), 'now a file');
  assert.equal(fs.readFileSync(`${root}/h`, 'utf8'), 'second');
  assert.equal(fs.readlinkSync(`${root}/f`), 'h');
  const reopened = openStorage(storage.root);
  assert.deepEqual(await collect(reopened.layers.tar(layer.chainId)), bytes);
});

test('a member below a symlink lands where the symlink leads within the layer', async (t) => {
  const storage = newStorage(t);
  const bytes = tarOf(
    { name: 'lib', type: 'symlink', linkName: '/usr/lib' },
    { name: 'up', type: 'symlink', linkName: '../../../../tmp' },
    { name: 'lib/x', content: 'x' },
    { name: 'up/y', content: 'y' },
  );
  const layer = await storage.layers.register(stream(bytes), null);
  const root = layerDirectory(storage.root, layer.chainId);
  assert.equal(fs.readFileSync(`${root}/usr/lib/x`, 'utf8'), 'x');
  assert.equal(fs.readFileSync(`${root}/tmp/y`, 'utf8'), 'y');
});

test('hostile and damaged archives are refused and leave nothing', async (t) => {
  const storage = newStorage(t);
  const good = tarOf({ name: 'a', content: 'x'.repeat(3000) });
  const wrongSum = Buffer.from(good);
  wrongSum[0] = 0x62;
  const loop = tarOf({ name: 'l', type: 'symlink', linkName: 'l' }, { name: 'l/x' });
  const corpus: Record<string, Buffer> = {
    'leads up': tarOf({ name: '../evil', content: 'x' }),
    'leads up later': tarOf({ name: 'a/../../evil', content: 'x' }),
    'hard link out': tarOf({ name: 'h', type: 'hardlink', linkName: '../../../../etc/passwd' }),
    'hard link to the host': tarOf({ name: 'h', type: 'hardlink', linkName: '/etc/passwd' }),
    'hard link through a symlink': tarOf(
      { name: 's', type: 'symlink', linkName: '/etc' },
      { name: 'h', type: 'hardlink', linkName: 's/passwd' },
    ),
    'hard link to itself': tarOf({ name: 'h', content: '1' }, { name: 'h', type: 'hardlink', linkName: 'h' }),
    'root as a symlink': tarOf({ name: './', type: 'symlink', linkName: '/etc' }),
    'symlink loop': loop,
    'file as a directory': tarOf({ name: 'a' }, { name: 'a/b' }),
    'name too long': tarOf({ name: 'n'.repeat(300) }),
    'path too long': tarOf({ name: 'abcdefg/'.repeat(600) }),
    'whiteout of the parent': tarOf({ name: 'd/' }, { name: 'd/.wh...' }),
    'device flood': tarOf(
      ...Array.from({ length: 10_001 }, (_, i) => ({ name: `d${i}`, type: 'char' as const, devMajor: 1, devMinor: 3 })),
    ),
    truncated: good.subarray(0, 2000),
    'wrong checksum': wrongSum,
    garbage: Buffer.alloc(5000, 'garbage '),
    'truncated gzip': gzipSync(good).subarray(0, 40),
    'damaged zstd': Buffer.concat([zstdCompressSync(good).subarray(0, 12), Buffer.alloc(30, 7)]),
  };
  for (const [name, bytes] of Object.entries(corpus)) {
    await assert.rejects(storage.layers.register(stream(bytes), null), { code: 'invalid_parameter' }, name);
  }
  await assert.rejects(storage.layers.register(stream(good), null, { expectedDiffId: `sha256:${'0'.repeat(64)}` }), {
    code: 'invalid_parameter',
  });
  await assert.rejects(storage.layers.register(stream(good), `sha256:${'0'.repeat(64)}`), { code: 'not_found' });
  assert.deepEqual(storage.layers.list(), []);
  assert.deepEqual(fs.readdirSync(path.join(storage.root, 'tmp')), []);
  assert.deepEqual(fs.readdirSync(path.join(storage.root, 'layers')), []);
  assert.deepEqual(fs.readdirSync(path.dirname(storage.root)), ['data']);
});

test("overlayfs's own attributes cannot be set by an archive", async (t) => {
  const storage = newStorage(t);
  const xattrs = new Map([
    ['trusted.overlay.redirect', Buffer.from('/etc')],
    ['trusted.overlay.opaque', Buffer.from('y')],
    ['user.kept', Buffer.from('1')],
  ]);
  const layer = await storage.layers.register(stream(tarOf({ name: 'd/', xattrs })), null);
  const directory = path.join(layerDirectory(storage.root, layer.chainId), 'd');
  assert.equal(getXattr(directory, 'trusted.overlay.redirect'), null);
  assert.equal(getXattr(directory, 'trusted.overlay.opaque'), null);
  assert.equal(getXattr(directory, 'user.kept')?.toString(), '1');
});

test('a full disk is told as no_space, and what was written goes away', async (t) => {
  const storage = newStorage(t, 4);
  await assert.rejects(
    storage.layers.register(stream(tarOf({ name: 'big', content: Buffer.alloc(8 << 20, 1) })), null),
    {
      code: 'no_space',
      status: 500,
    },
  );
  assert.deepEqual(fs.readdirSync(path.join(storage.root, 'tmp')), []);
  await assert.rejects(storage.content.write(Buffer.alloc(8 << 20)), { code: 'no_space' });
  const layer = await storage.layers.register(stream(tarOf({ name: 'small', content: 'x' })), null);
  assert.equal(storage.layers.list().length, 1);
  await storage.layers.remove(layer.chainId);
});

test('a damaged layer is named when the store is opened', async (t) => {
  const storage = newStorage(t);
  const { chainId } = await storage.layers.register(stream(tarOf({ name: 'a', content: 'x' })), null);
  const directory = path.join(storage.root, 'layers', chainId.slice(7));
  const file = path.join(directory, 'layer.json');
  const whole = fs.readFileSync(file, 'utf8');
  const refused = () =>
    assert.throws(() => openStorage(storage.root), new RegExp(`the layer in ${directory} is damaged`));
  for (const text of ['', whole.slice(0, 20), '{}', 'null', whole.replace(/[0-9a-f]{64}/, '0'.repeat(64))]) {
    fs.writeFileSync(file, text);
    refused();
  }
  fs.writeFileSync(file, whole);
  fs.renameSync(path.join(directory, 'diff'), path.join(directory, 'other'));
  refused();
  fs.renameSync(path.join(directory, 'other'), path.join(directory, 'diff'));
  assert.deepEqual(openStorage(storage.root).layers.get(chainId), storage.layers.get(chainId));
});

test('a register that is called off leaves nothing', async (t) => {
  const storage = newStorage(t, 400);
  const abort = new AbortController();
  const work = storage.layers.register(fs.createReadStream(rootfs('debian')), null, {
    signal: abort.signal,
    onProgress: () => abort.abort(),
  });
  await assert.rejects(work, { name: 'AbortError' });
  assert.deepEqual(fs.readdirSync(path.join(storage.root, 'tmp')), []);
  assert.deepEqual(storage.layers.list(), []);
});

test('two that register the same layer at the same time share the work', async (t) => {
  const storage = newStorage(t);
  const bytes = tarOf({ name: 'a', content: 'x' });
  const [one, two, three] = await Promise.all([
    storage.layers.register(stream(bytes), null, { expectedDiffId: sha256(bytes) }),
    storage.layers.register(stream(bytes), null, { expectedDiffId: sha256(bytes) }),
    storage.layers.register(stream(bytes), null),
  ]);
  assert.deepEqual(one, two);
  assert.deepEqual(one, three);
  assert.equal(storage.layers.list().length, 1);
});

test('a damaged layer is noticed when its tar is asked for', async (t) => {
  const storage = newStorage(t);
  const layer = await storage.layers.register(stream(tarOf({ name: 'a', content: 'good' })), null);
  fs.writeFileSync(path.join(layerDirectory(storage.root, layer.chainId), 'a'), 'evil');
  await assert.rejects(collect(storage.layers.tar(layer.chainId)), { code: 'system' });
});

test('kill -9 while layers are unpacked leaves only files in tmp, which recover removes', async (t) => {
  const root = path.join(scratch(t, 400), 'data');
  const storage = openStorage(root);
  const kept = await storage.layers.register(stream(tarOf({ name: 'a', content: 'x' })), null);
  const script = `
    import fs from 'node:fs';
    import { openStorage } from ${JSON.stringify(new URL('../../src/storage/storage.ts', import.meta.url).href)};
    const storage = openStorage(${JSON.stringify(root)});
    await storage.writable.create('left', ${JSON.stringify(kept.chainId)});
    storage.writable.mount('left');
    storage.layers.register(fs.createReadStream(${JSON.stringify(rootfs('debian'))}), null, {
      onProgress: (bytes) => { if (bytes > 20e6) process.kill(process.pid, 'SIGKILL'); },
    });
  `;
  assert.throws(() => execFileSync(process.execPath, ['--input-type=module', '-e', script]), { signal: 'SIGKILL' });
  assert.equal(fs.readdirSync(path.join(root, 'tmp')).length, 1);
  const after = openStorage(root);
  await after.recover(new Set());
  assert.deepEqual(fs.readdirSync(path.join(root, 'tmp')), []);
  assert.deepEqual(after.layers.list(), [kept]);
  assert.deepEqual(after.writable.list(), ['left']);
  assert.equal(fs.existsSync(path.join(root, 'rw/left/merged')), false);
});

test('a capability survives commit and the way through an archive', async (t) => {
  const storage = newStorage(t);
  const base = await storage.layers.register(stream(tarOf({ name: 'ping', mode: 0o755, content: 'p' })), null);
  await storage.writable.create('c', base.chainId);
  setXattr(`${storage.writable.mount('c')}/ping`, 'security.capability', CAPABILITY);
  assert.deepEqual(await storage.writable.changes('c'), [{ path: '/ping', kind: 0 }]);
  const layer = await storage.layers.register(storage.writable.diffTar('c'), base.chainId);
  const file = path.join(layerDirectory(storage.root, layer.chainId), 'ping');
  assert.deepEqual(getXattr(file, 'security.capability'), CAPABILITY);
});
