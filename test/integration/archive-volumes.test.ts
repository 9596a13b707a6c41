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
