/** What is left to a user when a volume plugin is dead, says nonsense, or refuses. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { Filters } from '../../api/filters.ts';
import { Plugins } from '../../plugins/plugins.ts';
import { EventBus } from '../events.ts';
import { StateStore } from '../state-store.ts';
import { Volumes } from './volumes.ts';

let base = '';
let store: StateStore;
let server: Server;
let volumes: Volumes;
/** What the plugin answers, by method: an object, or text as it is. */
let answers: Record<string, unknown>;
let calls: string[];

beforeEach(async () => {
  base = mkdtempSync(join(tmpdir(), 'gantry-faults-'));
  const sockets = join(base, 'sockets');
  mkdirSync(sockets);
  calls = [];
  answers = {
    'Plugin.Activate': { Implements: ['VolumeDriver'] },
    'VolumeDriver.Capabilities': { Capabilities: { Scope: 'Global' } },
    'VolumeDriver.Create': {},
    'VolumeDriver.Get': { Volume: { Name: 'v1' } },
    'VolumeDriver.Path': { Mountpoint: '/far/v1' },
    'VolumeDriver.List': { Volumes: [{ Name: 'v1' }] },
    'VolumeDriver.Mount': { Mountpoint: '/far/v1' },
    'VolumeDriver.Unmount': {},
    'VolumeDriver.Remove': {},
  };
  server = createServer((request, response) => {
    const method = (request.url ?? '').slice(1);
    calls.push(method.replace('VolumeDriver.', ''));
    const answer = answers[method];
    if (answer === 'hang up') request.socket.destroy();
    else response.end(typeof answer === 'string' ? answer : JSON.stringify(answer));
  });
  await new Promise<void>((resolve) => server.listen(join(sockets, 'far.sock'), resolve));
  store = new StateStore(join(base, 'state.db'));
  const plugins = new Plugins({ paths: { sockets, specs: [] }, retryMs: 0 });
  volumes = new Volumes({ dataRoot: base, store, events: new EventBus(), plugins });
});
afterEach(() => {
  store.close();
  server.close();
  server.closeAllConnections();
  rmSync(base, { recursive: true });
});

const all = new Filters({});
const names = async () => (await volumes.list(all)).volumes.map(({ Name }) => Name);

test('scope in any letters, and a place that only Path tells', async () => {
  const shown = await volumes.create({ Name: 'v1', Driver: 'far' });
  assert.deepEqual([shown.Scope, shown.Mountpoint], ['global', '/far/v1']);
  assert.ok(!calls.includes('Create'), 'the plugin has it already');
});

for (const [kind, answer] of Object.entries({
  'an error': { Err: 'no mood' },
  'no JSON': '<html>',
  'no object': '"text"',
  'the wrong shape': { Volumes: 'many' },
  'a broken line': 'hang up',
})) {
  test(`list with ${kind}: what is known is shown`, async () => {
    await volumes.create({ Name: 'v1', Driver: 'far' });
    await volumes.create({ Name: 'here' });
    answers['VolumeDriver.List'] = answer;
    const { volumes: found, warnings } = await volumes.list(all);
    assert.deepEqual(
      found.map(({ Name }) => Name),
      ['here', 'v1'],
    );
    assert.equal(warnings.length, 1);
    assert.match(warnings[0]!, /^list far: /);
  });
}

test('dead: its volumes are listed, forced removal forgets them, the rest goes on', async () => {
  await volumes.create({ Name: 'v1', Driver: 'far' });
  server.close();
  server.closeAllConnections();
  assert.deepEqual(await names(), ['v1']);
  await assert.rejects(volumes.inspect('v1'), /plugin/);
  await assert.rejects(
    volumes.mount('v1', 'c1'),
    /^GantryError: error while mounting volume '\/far\/v1': error looking up volume plugin far: /,
  );
  await assert.rejects(volumes.remove('v1', false), /plugin/);
  assert.deepEqual(await names(), ['v1']);
  await assert.rejects(
    volumes.create({ Name: 'v2', Driver: 'far' }),
    /create v2: error looking up volume plugin far: /,
  );
  assert.equal((await volumes.create({ Name: 'here' })).Driver, 'local');
  await assert.rejects(volumes.remove('v1', true));
  assert.deepEqual(await names(), ['here']);
});

test('mount: an error, and what is no path', async () => {
  await volumes.create({ Name: 'v1', Driver: 'far' });
  for (const [answer, message] of [
    [{ Err: 'the disk is away' }, /^error while mounting volume '\/far\/v1': the disk is away$/],
    [{ Mountpoint: 'relative' }, /no absolute path/],
    [{ Mountpoint: 7 }, /no absolute path/],
    [{}, /no absolute path/],
  ] as const) {
    answers['VolumeDriver.Mount'] = answer;
    calls = [];
    await assert.rejects(volumes.mount('v1', 'c1'), { code: 'system', message });
    // One that mounted, and does not say where, counts a user.
    assert.equal(calls.includes('Unmount'), !('Err' in answer));
  }
  await assert.rejects(volumes.rename('v1', 'v2'), { code: 'not_supported' });
});

test('unmount, remove and get with an error', async () => {
  await volumes.create({ Name: 'v1', Driver: 'far' });
  await volumes.mount('v1', 'c1');
  answers['VolumeDriver.Unmount'] = { Err: 'still busy' };
  await assert.rejects(volumes.unmount('v1', 'c1'), { message: 'still busy' });
  answers['VolumeDriver.Remove'] = { Err: 'not now' };
  await assert.rejects(volumes.remove('v1', false), { message: /not now$/ });
  assert.deepEqual(await names(), ['v1']);
  // A plugin has no other word for a volume that is not there.
  answers['VolumeDriver.Get'] = { Err: 'none' };
  await assert.rejects(volumes.inspect('v1'), { code: 'not_found', message: 'get v1: no such volume' });
  answers['VolumeDriver.Create'] = { Err: 'full' };
  await assert.rejects(volumes.create({ Name: 'v3', Driver: 'far' }), { code: 'system', message: 'create v3: full' });
  answers['VolumeDriver.List'] = { Volumes: [] };
  assert.deepEqual(await names(), []);
});
