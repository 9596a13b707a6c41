import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { startDaemon } from '../support/daemon.ts';
import { create, download, importBusybox, run } from './api-helpers.ts';
import { tarOf } from './storage-helpers.ts';

test('files are copied into volumes of a container that never ran', async () => {
  await using daemon = await startDaemon();
  await importBusybox(daemon);
  const put = (id: string, path: string) =>
    daemon.request('PUT', `/containers/${id}/archive?path=${path}`, undefined, {
      raw: tarOf({ name: 'file', content: 'hello' }),
    });
  const volume = (name: string) => join(daemon.directory, 'data/volumes', name, '_data');

  const id = await create(daemon, ['cat', '/vol/file'], {
    HostConfig: { Binds: ['outer:/vol', 'inner:/vol/inner', 'deep:/a/b/c'] },
  });
  assert.equal((await put(id, '/vol')).status, 200);
  assert.equal((await put(id, '/a/b/c')).status, 200);
  assert.equal(readFileSync(join(volume('outer'), 'file'), 'utf8'), 'hello');
  assert.equal(readFileSync(join(volume('deep'), 'file'), 'utf8'), 'hello');
  assert.match((await download(daemon, `/containers/${id}/archive?path=/vol/file`)).bytes.toString(), /hello/);

  // A link that the image's files hold for the place of a volume leads nowhere outside.
  const linked = await run(daemon, ['ln', '-s', '/etc', '/out']);
  const commit = await daemon.request('POST', `/commit?container=${linked}&repo=linked`);
  assert.equal(commit.status, 201, commit.text);
  const escaping = await create(daemon, ['true'], {
    Image: 'linked',
    HostConfig: { Binds: ['led:/out/gantry-archive-test'] },
  });
  assert.equal((await put(escaping, '/out/gantry-archive-test')).status, 200);
  assert.equal(readFileSync(join(volume('led'), 'file'), 'utf8'), 'hello');
  assert.ok(!existsSync('/etc/gantry-archive-test'));

  const guarded = await create(daemon, ['true'], {
    HostConfig: { Binds: ['outer:/vol:ro'], ReadonlyRootfs: true },
  });
  for (const [path, message] of [
    ['/', 'container rootfs is marked read-only'],
    ['/vol', 'mounted volume is marked read-only'],
  ] as const) {
    const answer = await put(guarded, path);
    assert.deepEqual([answer.status, answer.json.message], [400, message]);
  }
});

test('a stopped container shows what its process saw', async () => {
  await using daemon = await startDaemon();
  await importBusybox(daemon);
  const get = async (id: string, path: string) =>
    (await download(daemon, `/containers/${id}/archive?path=${path}`)).bytes.toString();

  const fresh = await create(daemon, ['true'], { WorkingDir: '/made/at/create' });
  assert.match(await get(fresh, '/made/at/create'), /^create\//);
  const inTheWay = await daemon.request('POST', '/containers/create', {
    Image: 'busybox',
    Cmd: ['true'],
    WorkingDir: '/bin/busybox',
  });
  assert.deepEqual([inTheWay.status, inTheWay.json.message], [500, 'Cannot mkdir: /bin/busybox is not a directory']);

  const ran = await run(daemon, ['ln', '-s', '/etc', '/names']);
  for (const path of ['/etc/hosts', '/etc', '/', '/names/hosts']) {
    assert.match(await get(ran, path), new RegExp(`\\s${ran.slice(0, 12)}\\n`), path);
  }
});

test('an archive keeps its owners unless the container has a user of its own', async () => {
  await using daemon = await startDaemon();
  await importBusybox(daemon);
  const ownerIn = async (User: string, query: string): Promise<string> => {
    const id = await create(daemon, ['true'], { User });
    const answer = await daemon.request('PUT', `/containers/${id}/archive?path=/tmp${query}`, undefined, {
      raw: tarOf({ name: 'file', content: 'hello', uid: 2, gid: 3 }),
    });
    assert.equal(answer.status, 200, answer.text);
    const { bytes } = await download(daemon, `/containers/${id}/archive?path=/tmp/file`);
    // Owner and group are octal at these places of the header (POSIX ustar).
    return `${Number.parseInt(bytes.toString('latin1', 108, 115), 8)}:${Number.parseInt(bytes.toString('latin1', 116, 123), 8)}`;
  };
  assert.equal(await ownerIn('', ''), '2:3');
  assert.equal(await ownerIn('', '&copyUIDGID=1'), '2:3');
  assert.equal(await ownerIn('33:34', '&copyUIDGID=1'), '33:34');
  assert.equal(await ownerIn('33:34', ''), '2:3');
});
