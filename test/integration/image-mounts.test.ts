/** `--mount type=image`: another image, or a part of it, for reading. And what volumes-from hands on. Needs root. */
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { listMounts } from '../../src/linux/mount.ts';
import { startDaemon, type TestDaemon } from '../support/daemon.ts';
import { create, download, importBusybox, run, start, textOf } from './api-helpers.ts';
import { tarOf } from './storage-helpers.ts';

let daemon: TestDaemon;
before(async () => {
  daemon = await startDaemon();
  await importBusybox(daemon);
});
after(() => daemon[Symbol.asyncDispose]());

const staged = () =>
  listMounts().filter(({ mountPoint }) => mountPoint.startsWith(join(daemon.directory, 'run/staged')));
const image = (Source: string, Target: string, Subpath?: string) => ({
  Type: 'image',
  Source,
  Target,
  ...(Subpath === undefined ? {} : { ImageOptions: { Subpath } }),
});

/** An image of two layers: the second one covers a file of the first and takes another away. */
async function makeImage(name: string): Promise<string> {
  const tar = tarOf(
    { name: 'conf/', type: 'directory', mode: 0o755 },
    { name: 'conf/old', type: 'file', content: 'old' },
    { name: 'conf/kept', type: 'file', content: 'first', mode: 0o4755, uid: 7 },
    { name: 'out', type: 'symlink', linkName: '/etc' },
  );
  const answer = await daemon.request('POST', `/images/create?fromSrc=-&repo=${name}-base`, undefined, { raw: tar });
  assert.equal(answer.status, 200, answer.text);
  const id = await create(daemon, ['x'], { Image: `${name}-base` });
  const change = tarOf({ name: 'conf/kept', type: 'file', content: 'second', mode: 0o4755, uid: 7 });
  const put = await daemon.request('PUT', `/containers/${id}/archive?path=/`, undefined, { raw: change });
  assert.equal(put.status, 200, put.text);
  const commit = await daemon.request('POST', `/commit?container=${id}&repo=${name}`, {});
  assert.equal(commit.status, 201, commit.text);
  assert.equal((await daemon.request('DELETE', `/containers/${id}`)).status, 204);
  return commit.json.Id;
}

/** Mounts go behind the end of a process, or of a copy's stream, which clients see before. */
async function nothingStaged(): Promise<void> {
  while (staged().length > 0) await sleep(20);
}

async function output(id: string): Promise<string> {
  return textOf((await download(daemon, `/containers/${id}/logs?stdout=1&stderr=1`)).bytes);
}

async function remove(...ids: string[]): Promise<void> {
  for (const id of ids) assert.equal((await daemon.request('DELETE', `/containers/${id}?force=1&v=1`)).status, 204);
}

test('an image is there to read, whole or a part of it, and gone with the container', async () => {
  const id = await makeImage('conf');
  const script =
    'exec 2>&1; cat /a/conf/kept; stat -c "%u %a" /a/conf/kept; cat /b/old; cat /c; touch /a/x; touch /b/x; ls /b';
  const container = await run(daemon, ['sh', '-c', script], {
    HostConfig: { Mounts: [image('conf', '/a'), image('conf:latest', '/b', 'conf'), image(id, '/c', './conf/kept')] },
  });
  assert.equal(
    await output(container),
    'second7 4755\noldsecondtouch: /a/x: Read-only file system\ntouch: /b/x: Read-only file system\nkept\nold\n',
  );
  const { json } = await daemon.request('GET', `/containers/${container}/json`);
  const [point] = json.Mounts;
  assert.deepEqual(
    { ...point, Source: '' },
    { Type: 'image', Name: 'conf', Source: '', Destination: '/a', Mode: '', RW: false, Propagation: 'rprivate' },
  );
  assert.deepEqual(json.HostConfig.Mounts[1].ImageOptions, { Subpath: 'conf' });
  await nothingStaged();

  const copied = await download(daemon, `/containers/${container}/archive?path=/b/kept`);
  assert.equal(copied.status, 200);
  assert.match(copied.bytes.toString(), /second/);
  await nothingStaged();
  const into = await daemon.request('PUT', `/containers/${container}/archive?path=/b`, undefined, { raw: tarOf() });
  assert.equal(into.json.message, 'mounted volume is marked read-only');

  // In use by a stopped container, like an image that one is made of.
  const refused = await daemon.request('DELETE', '/images/conf');
  assert.equal(refused.status, 409);
  assert.match(
    refused.json.message,
    /^conflict: unable to remove repository reference "conf" \(must force\) - container /,
  );
  const pruned = await daemon.request('POST', '/images/prune?filters={"dangling":["false"]}');
  assert.equal(pruned.json.ImagesDeleted, null);

  // Its name is taken away by force, and what it mounts stays as it was.
  assert.equal((await daemon.request('DELETE', '/images/conf?force=1')).status, 200);
  const layers = () => readdirSync(join(daemon.directory, 'data/layers')).length;
  const before = layers();
  assert.equal((await daemon.request('POST', `/containers/${container}/start`)).status, 204);
  assert.equal((await daemon.request('POST', `/containers/${container}/wait`)).json.StatusCode, 0);
  assert.match(await output(container), /second7 4755\noldsecond.*second7 4755/s);
  await remove(container);
  assert.equal(layers(), before - 1, 'its layer went with the last that had it');
});

test('an image mount outlives the daemon, ends with the process, and keeps its image', async () => {
  const id = await makeImage('kept');
  const container = await start(daemon, ['sleep', '1000'], { HostConfig: { Mounts: [image('kept', '/a', 'conf')] } });
  assert.equal(staged().length, 2);
  const running = await daemon.request('DELETE', `/images/${id}?force=1`);
  assert.equal(running.status, 409);
  assert.match(running.json.message, /\(cannot be forced\) - image is being used by running container /);
  await daemon.kill9();
  await daemon.start();
  assert.equal(staged().length, 2, 'as long as it runs');
  const { bytes } = await download(daemon, `/containers/${container}/archive?path=/a/kept`);
  assert.match(bytes.toString(), /second/);
  const { State } = (await daemon.request('GET', `/containers/${container}/json`)).json;
  await daemon.kill9();
  process.kill(State.Pid, 'SIGKILL');
  await daemon.start();
  await nothingStaged();
  assert.equal((await daemon.request('DELETE', `/images/kept`)).status, 409);
  await remove(container);
  assert.equal((await daemon.request('DELETE', `/images/kept`)).status, 200);
});

test('what cannot be mounted is refused, and nothing stays mounted', async () => {
  await makeImage('odd');
  const cases: [object, number, RegExp][] = [
    [image('', '/a'), 400, /^invalid mount config for type "image": field Source must not be empty$/],
    [image('odd', '/'), 400, /destination can't be '\/'$/],
    [image('odd', '/a', '../x'), 400, /: subpath must be a relative path within the volume$/],
    [image('odd', '/a', '/x'), 400, /: subpath must be a relative path within the volume$/],
    [{ ...image('odd', '/a'), BindOptions: {} }, 400, /^BindOptions must not be specified on mount type "image"$/],
    [image('nowhere', '/a'), 404, /^No such image: nowhere:latest$/],
    [{ Type: 'npipe', Source: 'x', Target: '/a' }, 400, /^invalid mount config for type "npipe": mount type unknown$/],
    [
      { Type: 'cluster', Source: 'x', Target: '/a' },
      400,
      /^invalid mount config for type "cluster": mount type unknown$/,
    ],
  ];
  for (const [mount, status, message] of cases) {
    const body = { Image: 'busybox', Cmd: ['true'], HostConfig: { Mounts: [mount] } };
    const answer = await daemon.request('POST', '/containers/create', body);
    assert.equal(answer.status, status, answer.text);
    assert.match(answer.json.message, message);
  }
  // A link of the image's leads within the image.
  for (const subpath of ['nothing', 'out', 'out/passwd']) {
    const id = await create(daemon, ['true'], { HostConfig: { Mounts: [image('odd', '/a', subpath)] } });
    const answer = await daemon.request('POST', `/containers/${id}/start`);
    assert.equal(answer.status, 400, answer.text);
    assert.match(answer.json.message, /^failed to mount subpath: cannot access path .*: no such file or directory$/);
    await nothingStaged();
    await remove(id);
  }
});

test('volumes-from hands parts of volumes and images on as parts, and read-only stays read-only', async () => {
  await makeImage('shared');
  assert.equal((await daemon.request('POST', '/volumes/create', { Name: 'whole' })).status, 201);
  const whole = join(daemon.directory, 'data/volumes/whole/_data');
  mkdirSync(join(whole, 'part'));
  writeFileSync(join(whole, 'part/seen'), '');
  writeFileSync(join(whole, 'secret'), '');
  symlinkSync('/', join(whole, 'out'));
  const mount = (Target: string, Subpath: string, more = {}) => ({
    Type: 'volume',
    Source: 'whole',
    Target,
    VolumeOptions: { Subpath },
    ...more,
  });
  const donor = await create(daemon, ['true'], {
    HostConfig: {
      Mounts: [mount('/v', 'part'), mount('/r', 'part', { ReadOnly: true }), image('shared', '/i', 'conf')],
    },
  });
  const heir = await create(daemon, ['sh', '-c', 'exec 2>&1; ls /v /r /i; touch /v/new; touch /r/new'], {
    HostConfig: { VolumesFrom: [donor] },
  });
  const last = await create(daemon, ['sh', '-c', 'exec 2>&1; ls /v /i; touch /v/newer'], {
    HostConfig: { VolumesFrom: [`${heir}:ro`] },
  });
  await remove(donor);
  assert.equal((await daemon.request('DELETE', '/images/shared')).status, 409, 'its heirs have it');
  for (const [id, wanted] of [
    [heir, '/i:\nkept\nold\n\n/r:\nseen\n\n/v:\nseen\ntouch: /r/new: Read-only file system\n'],
    [last, '/i:\nkept\nold\n\n/v:\nnew\nseen\ntouch: /v/newer: Read-only file system\n'],
  ] as const) {
    assert.equal((await daemon.request('POST', `/containers/${id}/start`)).status, 204);
    await daemon.request('POST', `/containers/${id}/wait`);
    assert.equal(await output(id), wanted);
  }
  const { bytes } = await download(daemon, `/containers/${last}/archive?path=/v`);
  assert.doesNotMatch(bytes.toString(), /secret/);
  // A directory that has become a link leads nowhere outside.
  const outside = await create(daemon, ['true'], { HostConfig: { Mounts: [mount('/v', 'out/etc')] } });
  assert.equal((await daemon.request('POST', `/containers/${outside}/start`)).status, 400);
  assert.equal((await download(daemon, `/containers/${outside}/archive?path=/v/passwd`)).status, 404);
  await remove(heir, last, outside);
  await nothingStaged();
});
