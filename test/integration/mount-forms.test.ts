/** Binds with propagation, mounts below a bind, subpaths under attack, what a volume starts with. Needs root. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, renameSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { MNT_DETACH, MS_BIND, MS_SHARED, mount, umount } from '../../src/linux/mount.ts';
import { getXattr } from '../../src/linux/xattr.ts';
import { startDaemon, type TestDaemon } from '../support/daemon.ts';
import { create, download, importBusybox, run, start, textOf } from './api-helpers.ts';
import { tarOf } from './storage-helpers.ts';

let daemon: TestDaemon;
let base = '';
before(async () => {
  daemon = await startDaemon();
  await importBusybox(daemon);
  base = mkdtempSync(join(tmpdir(), 'gantry-forms-'));
  mount(base, base, null, MS_BIND);
  mount('', base, null, MS_SHARED);
});
after(async () => {
  await daemon[Symbol.asyncDispose]();
  umount(base, MNT_DETACH);
  rmSync(base, { recursive: true });
});

async function remove(...ids: string[]): Promise<void> {
  for (const id of ids) assert.equal((await daemon.request('DELETE', `/containers/${id}?force=1&v=1`)).status, 204);
}

/** Output of a command in a new container, which is removed. */
async function output(command: string, body: object): Promise<string> {
  const id = await run(daemon, ['sh', '-c', `exec 2>&1; ${command}`], body);
  const { bytes } = await download(daemon, `/containers/${id}/logs?stdout=1&stderr=1`);
  await remove(id);
  return textOf(bytes);
}

async function exec(id: string, command: string): Promise<string> {
  const made = await daemon.request('POST', `/containers/${id}/exec`, {
    Cmd: ['sh', '-c', command],
    AttachStdout: true,
  });
  const { stream } = await daemon.hijack(`/exec/${made.json.Id}/start`, {});
  const parts = await Array.fromAsync(stream as AsyncIterable<Buffer>);
  return textOf(Buffer.concat(parts));
}

test('propagation: shared goes both ways, slave comes in, private stays apart', async () => {
  const at = join(base, 'propagation');
  mkdirSync(at);
  const id = await start(daemon, ['sleep', '1000'], {
    HostConfig: {
      Privileged: true,
      Binds: [`${at}:/shared:rshared`, `${at}:/slave:rslave`, `${at}:/private`],
      Mounts: [{ Type: 'bind', Source: at, Target: '/long', BindOptions: { Propagation: 'slave' } }],
    },
  });
  for (const name of ['a', 'b', 'c']) mkdirSync(join(at, name));
  mount('from-host', join(at, 'a'), 'tmpfs');
  try {
    const seen = await exec(id, "grep from-host /proc/mounts | cut -d' ' -f2 | sort");
    assert.equal(seen, '/long/a\n/shared/a\n/slave/a\n');
    await exec(id, 'mount -t tmpfs from-shared /shared/b; mount -t tmpfs from-slave /slave/c');
    const mounts = execFileSync('grep', [at, '/proc/mounts']).toString();
    assert.match(mounts, /from-shared/);
    assert.doesNotMatch(mounts, /from-slave/);
    await exec(id, 'umount /shared/b');
  } finally {
    umount(join(at, 'a'), MNT_DETACH);
    await remove(id);
  }
});

test('mounts below a bind: come along or not, and read-only as asked', async () => {
  const at = join(base, 'below');
  mkdirSync(join(at, 'sub'), { recursive: true });
  mount('below', join(at, 'sub'), 'tmpfs');
  try {
    const bind = (Target: string, BindOptions: object, ReadOnly = true) => ({
      Type: 'bind',
      Source: at,
      Target,
      ReadOnly,
      BindOptions,
    });
    const text = await output(
      'for d in rro flat force none rw; do touch /$d/x 2>/dev/null && echo $d; touch /$d/sub/x 2>/dev/null && echo $d/sub; done; grep -c below /proc/mounts',
      {
        HostConfig: {
          Mounts: [
            bind('/rro', {}),
            bind('/flat', { ReadOnlyNonRecursive: true }),
            bind('/force', { ReadOnlyForceRecursive: true, Propagation: 'rprivate' }),
            bind('/none', { NonRecursive: true }),
            bind('/rw', {}, false),
          ],
        },
      },
    );
    assert.equal(text, 'flat/sub\nrw\nrw/sub\n4\n');
    // Clients before API 1.44 know flat ones alone.
    const body = { Image: 'busybox', Cmd: ['touch', '/v/sub/y'], HostConfig: { Binds: [`${at}:/v:ro`] } };
    const old = await daemon.request('POST', '/v1.43/containers/create', body);
    assert.equal(old.status, 201, old.text);
    assert.equal((await daemon.request('POST', `/containers/${old.json.Id}/start`)).status, 204);
    assert.equal((await daemon.request('POST', `/containers/${old.json.Id}/wait`)).json.StatusCode, 0);
    await remove(old.json.Id);
  } finally {
    umount(join(at, 'sub'), MNT_DETACH);
  }
});

test('a subpath that another container swaps for a link never leads outside', async () => {
  assert.equal((await daemon.request('POST', '/volumes/create', { Name: 'raced' })).status, 201);
  const volume = join(daemon.directory, 'data/volumes/raced/_data');
  mkdirSync(join(volume, 'good'));
  writeFileSync(join(volume, 'good/inside'), '');
  const outside = join(base, 'outside');
  mkdirSync(outside);
  writeFileSync(join(outside, 'secret'), '');
  symlinkSync(outside, join(volume, 'bad'));
  symlinkSync('good', join(volume, 'sub'));
  const Mounts = [{ Type: 'volume', Source: 'raced', Target: '/v', VolumeOptions: { Subpath: 'sub', NoCopy: true } }];
  const id = await create(daemon, ['ls', '/v'], { HostConfig: { Mounts } });
  // As fast as it goes: a link that leads within the volume, one that leads outside, each put in its place at once.
  let swapping = true;
  const swap = async () => {
    for (let turn = 0; swapping; turn++) {
      const next = join(volume, '.next');
      symlinkSync(turn % 2 === 0 ? outside : 'good', next);
      renameSync(next, join(volume, 'sub'));
      await new Promise((resolve) => setImmediate(resolve));
    }
  };
  const attack = swap();
  let started = 0;
  for (let turn = 0; turn < 15; turn++) {
    const answer = await daemon.request('POST', `/containers/${id}/start`);
    if (answer.status !== 204) {
      assert.match(answer.json.message, /cannot access path/);
      continue;
    }
    started++;
    await daemon.request('POST', `/containers/${id}/wait`);
  }
  for (let turn = 0; turn < 10; turn++) {
    const { bytes } = await download(daemon, `/containers/${id}/archive?path=/v`);
    assert.doesNotMatch(bytes.toString(), /secret/);
  }
  swapping = false;
  await attack;
  const { bytes } = await download(daemon, `/containers/${id}/logs?stdout=1`);
  assert.equal(textOf(bytes), 'inside\n'.repeat(started));
  await remove(id);
});

test('what a volume starts with: owners, links, holes, devices, attributes; a part of a volume as well', async () => {
  const tar = tarOf(
    { name: 'data/', type: 'directory', mode: 0o1770, uid: 5, gid: 6 },
    { name: 'data/one', content: 'one', mode: 0o4711, uid: 7, gid: 8 },
    { name: 'data/two', type: 'hardlink', linkName: 'data/one' },
    { name: 'data/soft', type: 'symlink', linkName: '/etc/passwd' },
    { name: 'data/pipe', type: 'fifo', mode: 0o600 },
    { name: 'data/null', type: 'char', devMajor: 1, devMinor: 3, mode: 0o666 },
    { name: 'data/hole', content: Buffer.alloc(1 << 20) },
    { name: 'data/cap', content: 'c', xattrs: new Map([['user.note', Buffer.from('kept')]]) },
  );
  const answer = await daemon.request('POST', '/images/create?fromSrc=-&repo=filled', undefined, { raw: tar });
  assert.equal(answer.status, 200, answer.text);
  const volume = (Source: string, VolumeOptions: object) => ({
    Type: 'volume',
    Source,
    Target: '/data',
    VolumeOptions,
  });
  assert.equal((await daemon.request('POST', '/volumes/create', { Name: 'parts' })).status, 201);
  mkdirSync(join(daemon.directory, 'data/volumes/parts/_data/part'));
  const ids: string[] = [];
  for (const [mounted, at] of [
    [volume('whole', {}), 'whole/_data'],
    [volume('parts', { Subpath: 'part' }), 'parts/_data/part'],
  ] as const) {
    ids.push(await create(daemon, ['x'], { Image: 'filled', HostConfig: { Mounts: [mounted] } }));
    const place = join(daemon.directory, 'data/volumes', at);
    const listed = execFileSync('find', [place, '-printf', '%P %y %m %U:%G %n %l\n']).toString().split('\n').sort();
    assert.deepEqual(
      listed.filter((line) => line !== ''),
      [
        ' d 1770 5:6 2 ',
        'cap f 644 0:0 1 ',
        'hole f 644 0:0 1 ',
        'null c 666 0:0 1 ',
        'one f 4711 7:8 2 ',
        'pipe p 600 0:0 1 ',
        'soft l 777 0:0 1 /etc/passwd',
        'two f 4711 7:8 2 ',
      ],
    );
    assert.equal(statSync(join(place, 'null')).rdev, 0x103);
    assert.equal(getXattr(join(place, 'cap'), 'user.note')?.toString(), 'kept');
  }
  // Not of what the user wants left empty, nor of a part that is not there yet.
  ids.push(
    await create(daemon, ['x'], { Image: 'filled', HostConfig: { Mounts: [volume('empty', { NoCopy: true })] } }),
  );
  ids.push(
    await create(daemon, ['x'], { Image: 'filled', HostConfig: { Mounts: [volume('empty', { Subpath: 'later' })] } }),
  );
  assert.equal(execFileSync('ls', ['-A', join(daemon.directory, 'data/volumes/empty/_data')]).toString(), '');
  await remove(...ids);
});
