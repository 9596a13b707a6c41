/** A daemon and a volume plugin: containers on the plugin's volumes, through crashes of the daemon. Needs root. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { after, before, test } from 'node:test';
import { startDaemon, type TestDaemon } from '../support/daemon.ts';
import { type RunningPlugin, startVolumePlugin } from '../support/start-volume-plugin.ts';
import { create, importBusybox } from './api-helpers.ts';

/** Where dockerd looks for them. */
const SOCKETS = '/run/docker/plugins';
let directory = '';
let name = '';
let made: string | undefined;
let plugin: RunningPlugin;

before(async () => {
  made = mkdirSync(SOCKETS, { recursive: true });
  directory = mkdtempSync(join(tmpdir(), 'gantry-plugin-'));
  name = basename(directory);
  plugin = await startVolumePlugin(join(SOCKETS, `${name}.sock`), directory);
});
after(async () => {
  await plugin.stop();
  rmSync(directory, { recursive: true });
  if (made !== undefined) rmdirSync(SOCKETS);
});

async function start(daemon: TestDaemon, command: string[], HostConfig: object): Promise<string> {
  const id = await create(daemon, command, { HostConfig });
  const answer = await daemon.request('POST', `/containers/${id}/start`);
  assert.equal(answer.status, 204, answer.text);
  return id;
}

test("a plugin's volume from create to rm", async () => {
  await using daemon = await startDaemon();
  await importBusybox(daemon);
  const DriverOpts = { speed: 'high' };
  const created = await daemon.request('POST', '/volumes/create', { Name: 'far', Driver: name, DriverOpts });
  assert.deepEqual([created.status, created.json.Mountpoint], [201, join(directory, 'far')]);
  const { json: shown } = await daemon.request('GET', '/volumes/far');
  assert.deepEqual(
    [shown.Driver, shown.Mountpoint, shown.Options, shown.Scope, shown.Status],
    [name, join(directory, 'far'), DriverOpts, 'global', { Options: DriverOpts }],
  );
  const other = await daemon.request('POST', '/volumes/create', { Name: 'far', Driver: 'local' });
  assert.equal(other.status, 409);
  assert.match(other.json.message, /already has volume 'far': volume name must be unique$/);
  assert.deepEqual(plugin.calls(), ['Create far']);

  const id = await create(daemon, ['sh', '-c', 'echo written > /far/file; sleep 1000'], {
    HostConfig: { Binds: ['far:/far', 'far:/again:ro'] },
  });
  assert.deepEqual(
    plugin.calls().map((call) => call.split('-')[0]),
    [`Mount far ${id}`, `Unmount far ${id}`, `Mount far ${id}`, `Unmount far ${id}`],
    'for what the image has there',
  );
  await daemon.request('POST', `/containers/${id}/start`);
  assert.deepEqual(plugin.calls(), [`Mount far ${id}`], 'once, though it is in two places');
  const { json: container } = await daemon.request('GET', `/containers/${id}/json`);
  assert.deepEqual([container.Mounts[0].Driver, container.Mounts[0].Source], [name, join(directory, 'far')]);

  await daemon.kill9();
  await daemon.start();
  assert.deepEqual(plugin.calls(), [], 'the container goes on');
  const used = await daemon.request('DELETE', '/volumes/far');
  assert.deepEqual([used.status, used.json.message], [409, `remove far: volume is in use - [${id}]`]);
  await daemon.kill9();
  process.kill((container.State as { Pid: number }).Pid, 'SIGKILL');
  await daemon.start();
  assert.deepEqual(plugin.calls(), [`Unmount far ${id}`], 'also of one that ended without the daemon');
  assert.equal(readFileSync(join(directory, 'far/file'), 'utf8'), 'written\n');
  await daemon.request('DELETE', `/containers/${id}?v=1`);
  const pruned = await daemon.request('POST', `/volumes/prune?filters=${encodeURIComponent('{"all":["1"]}')}`);
  assert.deepEqual(pruned.json.VolumesDeleted, [], 'prune is for local volumes');
  assert.equal((await daemon.request('DELETE', '/volumes/far')).status, 204);
  assert.deepEqual(plugin.calls(), ['Remove far']);
});

test('volumes that others made with the plugin', async () => {
  await using daemon = await startDaemon();
  {
    await using elsewhere = await startDaemon();
    await elsewhere.request('POST', '/volumes/create', { Name: 'foreign', Driver: name });
    await elsewhere.request('POST', '/volumes/create', { Name: 'unseen', Driver: name });
  }
  const { json: found } = await daemon.request('GET', '/volumes/unseen');
  assert.equal(found.Driver, name);
  assert.deepEqual((await daemon.request('GET', '/info')).json.Plugins.Volume, ['local', name]);
  const { json } = await daemon.request('GET', '/volumes');
  assert.deepEqual(
    json.Volumes.map((volume: { Name: string }) => volume.Name),
    ['foreign', 'unseen'],
  );
  // Without a driver the name means the volume that is there.
  const { json: same } = await daemon.request('POST', '/volumes/create', { Name: 'foreign' });
  assert.equal(same.Driver, name);
  // What somebody else removes is gone here too.
  rmSync(join(directory, 'foreign'), { recursive: true });
  const { json: left } = await daemon.request('GET', '/volumes');
  assert.deepEqual(
    left.Volumes.map((volume: { Name: string }) => volume.Name),
    ['unseen'],
  );
  assert.equal((await daemon.request('DELETE', '/volumes/unseen')).status, 204);
  assert.equal((await daemon.request('GET', '/volumes/unseen')).status, 404);
  plugin.calls();
});

test('by --volume-driver and by --mount; what the plugin refuses', async () => {
  await using daemon = await startDaemon();
  await importBusybox(daemon);
  const DriverConfig = { Name: name, Options: { a: 'b' } };
  const id = await start(daemon, ['sleep', '1000'], {
    VolumeDriver: name,
    Binds: ['bound:/bound:nocopy'],
    Mounts: [{ Type: 'volume', Source: 'mounted', Target: '/mounted', VolumeOptions: { DriverConfig, NoCopy: true } }],
  });
  assert.deepEqual(plugin.calls(), ['Create bound', 'Create mounted', `Mount bound ${id}`, `Mount mounted ${id}`]);
  assert.deepEqual((await daemon.request('GET', '/volumes/mounted')).json.Status, { Options: { a: 'b' } });
  await daemon.request('DELETE', `/containers/${id}?force=1`);
  assert.deepEqual(plugin.calls(), [`Unmount bound ${id}`, `Unmount mounted ${id}`]);

  const refused = await daemon.request('POST', '/volumes/create', {
    Name: 'refused',
    Driver: name,
    DriverOpts: { fail: 'Create' },
  });
  assert.deepEqual([refused.status, refused.json.message], [500, 'create refused: told to fail']);
  assert.equal((await daemon.request('GET', '/volumes/refused')).status, 404);
  await daemon.request('POST', '/volumes/create', { Name: 'stuck', Driver: name, DriverOpts: { fail: 'Mount' } });
  const stuck = await create(daemon, ['true'], {
    HostConfig: { Binds: ['bound:/bound:nocopy', 'stuck:/stuck:nocopy'] },
  });
  plugin.calls();
  const answer = await daemon.request('POST', `/containers/${stuck}/start`);
  assert.deepEqual(
    [answer.status, answer.json.message],
    [500, `error while mounting volume '${join(directory, 'stuck')}': told to fail`],
  );
  assert.deepEqual(plugin.calls(), [`Mount bound ${stuck}`, `Mount stuck ${stuck}`, `Unmount bound ${stuck}`]);
  const unknown = await daemon.request('POST', '/volumes/create', { Name: 'x1', Driver: 'gantry-no-such-plugin' });
  assert.deepEqual(
    [unknown.status, unknown.json.message],
    [404, 'create x1: error looking up volume plugin gantry-no-such-plugin: plugin "gantry-no-such-plugin" not found'],
  );
});
