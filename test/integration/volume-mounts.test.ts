/** Volumes that are mounted while they are used: options of the local driver, with real containers. Needs root. */
import assert from 'node:assert/strict';
import { mkdirSync, readdirSync, readFileSync, rmdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { listMounts } from '../../src/linux/mount.ts';
import { startDaemon, type TestDaemon } from '../support/daemon.ts';
import { create, download, importBusybox } from './api-helpers.ts';
import { tarOf } from './storage-helpers.ts';

const data = (daemon: TestDaemon, name: string) => join(daemon.directory, 'data/volumes', name, '_data');
const mountsOn = (path: string) => listMounts().filter((entry) => entry.mountPoint === path);

async function createVolume(daemon: TestDaemon, Name: string, DriverOpts: Record<string, string>) {
  const answer = await daemon.request('POST', '/volumes/create', { Name, DriverOpts });
  assert.equal(answer.status, 201, answer.text);
  return answer.json;
}

async function start(daemon: TestDaemon, command: string[], HostConfig: object): Promise<string> {
  const id = await create(daemon, command, { HostConfig });
  const answer = await daemon.request('POST', `/containers/${id}/start`);
  assert.equal(answer.status, 204, answer.text);
  return id;
}

async function end(daemon: TestDaemon, id: string): Promise<void> {
  const answer = await daemon.request('DELETE', `/containers/${id}?force=1`);
  assert.equal(answer.status, 204, answer.text);
}

test('a tmpfs volume is mounted as long as a container has it, a killed daemon or not', async () => {
  await using daemon = await startDaemon();
  await importBusybox(daemon);
  const options = { type: 'tmpfs', device: 'tmpfs', o: 'size=2m,uid=33,mode=0750,noexec' };
  assert.deepEqual((await createVolume(daemon, 'fast', options)).Options, options);
  const path = data(daemon, 'fast');
  assert.equal(mountsOn(path).length, 0);

  const one = await start(daemon, ['sleep', '1000'], { Binds: ['fast:/fast'] });
  const [mounted] = mountsOn(path);
  assert.equal(mounted!.fstype, 'tmpfs');
  assert.ok(mounted!.superOptions.includes('size=2048k') && mounted!.options.includes('noexec'));
  const { uid, mode } = statSync(path);
  assert.deepEqual([uid, mode & 0o7777], [33, 0o750]);
  writeFileSync(join(path, 'note'), 'from the host');

  const two = await start(daemon, ['sleep', '1000'], { Binds: ['fast:/other', 'fast:/again:ro'] });
  assert.equal(mountsOn(path).length, 1, 'mounted once, however many have it');
  await end(daemon, one);
  assert.equal(mountsOn(path).length, 1);

  await daemon.kill9();
  await daemon.start();
  assert.equal(mountsOn(path).length, 1, 'its user goes on');
  const three = await start(daemon, ['sleep', '1000'], { Binds: ['fast:/fast'] });
  const { bytes } = await download(daemon, `/containers/${three}/archive?path=/fast/note`);
  assert.match(bytes.toString(), /from the host/);
  await end(daemon, two);
  assert.equal(mountsOn(path).length, 1);
  await end(daemon, three);
  assert.equal(mountsOn(path).length, 0);
  assert.deepEqual(readdirSync(path), []);
});

test('what a container that ended without the daemon had mounted is unmounted', async () => {
  await using daemon = await startDaemon();
  await importBusybox(daemon);
  await createVolume(daemon, 'fast', { type: 'tmpfs', device: 'tmpfs' });
  const id = await start(daemon, ['sleep', '1000'], { Binds: ['fast:/fast'] });
  const { State } = (await daemon.request('GET', `/containers/${id}/json`)).json;
  await daemon.kill9();
  process.kill(State.Pid, 'SIGKILL');
  await daemon.start();
  assert.equal(mountsOn(data(daemon, 'fast')).length, 0);
  const again = await daemon.request('POST', `/containers/${id}/start`);
  assert.equal(again.status, 204, again.text);
  assert.equal(mountsOn(data(daemon, 'fast')).length, 1, 'mounted again');
});

test('a bind volume shows a directory of the host, and its removal leaves that alone', async () => {
  await using daemon = await startDaemon();
  await importBusybox(daemon);
  const source = join(daemon.directory, 'source');
  mkdirSync(source);
  writeFileSync(join(source, 'kept'), 'kept');
  await createVolume(daemon, 'shown', { type: 'none', device: source, o: 'bind' });
  const id = await start(daemon, ['sh', '-c', 'echo written > /v/made; sleep 1000'], { Binds: ['shown:/v'] });
  assert.deepEqual(readdirSync(data(daemon, 'shown')), readdirSync(source));
  // A copy from a stopped container sees the same, and lets go of it.
  await daemon.request('POST', `/containers/${id}/kill`);
  await daemon.request('POST', `/containers/${id}/wait`);
  assert.equal(mountsOn(data(daemon, 'shown')).length, 0);
  const { bytes } = await download(daemon, `/containers/${id}/archive?path=/v/made`);
  assert.match(bytes.toString(), /written/);
  const put = await daemon.request('PUT', `/containers/${id}/archive?path=/v`, undefined, {
    raw: tarOf({ name: 'copied', content: 'copied' }),
  });
  assert.equal(put.status, 200, put.text);
  assert.equal(mountsOn(data(daemon, 'shown')).length, 0);
  await end(daemon, id);
  const removed = await daemon.request('DELETE', '/volumes/shown');
  assert.equal(removed.status, 204, removed.text);
  assert.deepEqual(readdirSync(source).sort(), ['copied', 'kept', 'made']);
  assert.equal(readFileSync(join(source, 'copied'), 'utf8'), 'copied');

  await createVolume(daemon, 'readonly', { type: 'none', device: source, o: 'bind,ro' });
  const reader = await start(daemon, ['sleep', '1000'], { Binds: ['readonly:/v'] });
  assert.throws(() => writeFileSync(join(data(daemon, 'readonly'), 'no'), ''), { code: 'EROFS' });
  await end(daemon, reader);
});

test('a volume that cannot be mounted keeps its container from starting, and nothing stays mounted', async () => {
  await using daemon = await startDaemon();
  await importBusybox(daemon);
  await createVolume(daemon, 'fast', { type: 'tmpfs', device: 'tmpfs' });
  const source = join(daemon.directory, 'gone');
  mkdirSync(source);
  await createVolume(daemon, 'missing', { type: 'none', device: source, o: 'bind' });
  const id = await create(daemon, ['true'], { HostConfig: { Binds: ['fast:/fast', 'missing:/v:nocopy'] } });
  rmdirSync(source);
  const answer = await daemon.request('POST', `/containers/${id}/start`);
  const path = data(daemon, 'missing');
  assert.deepEqual(
    [answer.status, answer.json.message],
    [
      500,
      `error while mounting volume '${path}': failed to mount local volume: mount ${source}:${path}, flags: 0x1000: no such file or directory`,
    ],
  );
  assert.equal(mountsOn(data(daemon, 'fast')).length, 0);
  // A file system that the kernel does not know, on the way of those that may let wait.
  await createVolume(daemon, 'odd', { type: 'nosuchfs', device: '/dev/null' });
  const odd = await daemon.request('POST', '/containers/create', {
    Image: 'busybox',
    Cmd: ['true'],
    HostConfig: { Binds: ['odd:/v'] },
  });
  assert.equal(odd.status, 500);
  assert.match(odd.json.message, /^error while mounting volume .* flags: 0x0: no such device$/);
  const refused = await daemon.request('POST', '/volumes/create', { Name: 'bad', DriverOpts: { type: 'tmpfs' } });
  assert.deepEqual([refused.status, refused.json.message], [400, 'create bad: missing required option: "device"']);
});

test('--mount makes a volume with driver options', async () => {
  await using daemon = await startDaemon();
  await importBusybox(daemon);
  const DriverConfig = { Name: 'local', Options: { type: 'tmpfs', device: 'tmpfs', o: 'size=1m' } };
  const id = await start(daemon, ['sleep', '1000'], {
    Mounts: [{ Type: 'volume', Source: 'made', Target: '/v', VolumeOptions: { DriverConfig, Labels: { a: 'b' } } }],
  });
  const { json } = await daemon.request('GET', '/volumes/made');
  assert.deepEqual([json.Options, json.Labels, json.Scope], [DriverConfig.Options, { a: 'b' }, 'local']);
  assert.equal(mountsOn(data(daemon, 'made'))[0]!.superOptions.includes('size=1024k'), true);
  await end(daemon, id);
});

test('prunes take dry-run as a parameter and as a filter', async () => {
  await using daemon = await startDaemon();
  const made = await daemon.request('POST', '/volumes/create', {});
  const filters = encodeURIComponent(JSON.stringify({ 'dry-run': ['1'] }));
  for (const query of ['dry-run=1', `filters=${filters}`]) {
    const { json } = await daemon.request('POST', `/volumes/prune?${query}`);
    assert.deepEqual(json, { VolumesDeleted: [made.json.Name], SpaceReclaimed: 0 });
  }
  const wrong = await daemon.request('POST', '/volumes/prune?without=x');
  assert.deepEqual([wrong.status, wrong.json.message], [400, 'the parameter without is for dry runs alone']);
  assert.equal((await daemon.request('GET', '/volumes')).json.Volumes.length, 1);
});
