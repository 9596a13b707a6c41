import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { Filters } from '../../api/filters.ts';
import { EventBus } from '../events.ts';
import { StateStore } from '../state-store.ts';
import { Volumes } from './volumes.ts';

let dataRoot = '';
let store: StateStore;
let events: EventBus;
let volumes: Volumes;

beforeEach(() => {
  dataRoot = mkdtempSync(join(tmpdir(), 'gantry-volumes-'));
  store = new StateStore(join(dataRoot, 'state.db'));
  events = new EventBus();
  volumes = new Volumes({ dataRoot, store, events });
});
afterEach(() => {
  store.close();
  rmSync(dataRoot, { recursive: true });
});

const names = (filters: Record<string, string[]> = {}) => volumes.list(new Filters(filters)).map(({ Name }) => Name);

test('create is idempotent, survives a restart, and shows what Docker shows', () => {
  const made = volumes.create({ Name: 'data', Labels: { a: '1' } });
  assert.deepEqual(made, {
    CreatedAt: made.CreatedAt,
    Driver: 'local',
    Labels: { a: '1' },
    Mountpoint: join(dataRoot, 'volumes/data/_data'),
    Name: 'data',
    Options: null,
    Scope: 'local',
  });
  assert.deepEqual(volumes.create({ Name: 'data' }), made);
  assert.deepEqual(new Volumes({ dataRoot, store, events }).inspect('data'), made);
  const anonymous = volumes.create({});
  assert.match(anonymous.Name, /^[0-9a-f]{64}$/);
  assert.deepEqual(anonymous.Labels, { 'com.docker.volume.anonymous': '' });
  assert.deepEqual(
    events.past().map((event) => event.Action),
    ['create', 'create'],
  );
});

test('wrong names and unsupported drivers', () => {
  for (const name of ['../x', 'a/b', '.x', 'x']) {
    assert.throws(() => volumes.create({ Name: name }), { code: 'invalid_parameter' }, name);
  }
  assert.throws(() => volumes.create({ Name: 'ab', Driver: 'nfs' }), { code: 'not_supported' });
  assert.throws(() => volumes.create({ Name: 'ab', DriverOpts: { type: 'tmpfs' } }), { code: 'not_supported' });
  assert.deepEqual(readdirSync(join(dataRoot, 'volumes')), []);
});

test('a volume in use stays', async () => {
  volumes.create({ Name: 'data' });
  volumes.acquire('data', 'c1');
  await assert.rejects(volumes.remove('data', true), {
    code: 'conflict',
    message: 'remove data: volume is in use - [c1]',
  });
  assert.deepEqual(volumes.release('c1'), ['data']);
  await volumes.remove('data', false);
  assert.deepEqual(readdirSync(join(dataRoot, 'volumes')), []);
  await assert.rejects(volumes.remove('data', false), { code: 'not_found', message: 'get data: no such volume' });
  await volumes.remove('data', true);
});

test('filters', () => {
  volumes.create({ Name: 'one', Labels: { env: 'test' } });
  volumes.create({ Name: 'two' });
  volumes.acquire('two', 'c1');
  assert.deepEqual(names({ name: ['n'] }), ['one']);
  assert.deepEqual(names({ label: ['env=test'] }), ['one']);
  assert.deepEqual(names({ dangling: ['true'] }), ['one']);
  assert.deepEqual(names({ dangling: ['false'] }), ['two']);
  assert.deepEqual(names({ driver: ['nfs'] }), []);
  assert.throws(() => names({ odd: ['1'] }), { message: "invalid filter 'odd'" });
});

test('prune takes anonymous ones, all of them when asked, never those in use', async () => {
  volumes.create({ Name: 'named' });
  volumes.create({ Name: 'kept', Labels: { keep: '' } });
  const anonymous = volumes.create({});
  const used = volumes.create({});
  volumes.acquire(used.Name, 'c1');
  writeFileSync(join(anonymous.Mountpoint, 'file'), 'x'.repeat(1000));
  assert.deepEqual(await volumes.prune(new Filters(), { allByDefault: false }), {
    deleted: [anonymous.Name],
    bytes: 1000,
  });
  const all = await volumes.prune(new Filters({ all: ['1'], 'label!': ['keep'] }), { allByDefault: false });
  assert.deepEqual(all.deleted, ['named']);
  assert.deepEqual(names(), ['kept', used.Name].sort());
});

test('recovery finishes what a crash left', () => {
  volumes.create({ Name: 'data' });
  rmSync(join(dataRoot, 'volumes/data'), { recursive: true });
  const leftover = join(dataRoot, 'volumes/.removed-x-1');
  writeFileSync(leftover, '');
  const after = new Volumes({ dataRoot, store, events });
  after.recover([{ id: 'c1', volumes: ['data'] }]);
  assert.ok(existsSync(after.path('data')) && !existsSync(leftover));
  assert.deepEqual(after.usersOf('data'), ['c1']);
});
