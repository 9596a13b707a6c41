import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { Filters } from '../../api/filters.ts';
import { EventBus } from '../events.ts';
import { StateStore } from '../state-store.ts';
import { Volumes } from './volumes.ts';

const REAL = { allByDefault: false, dryRun: false, without: new Set<string>() };
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

const names = async (filters: Record<string, string[]> = {}) =>
  (await volumes.list(new Filters(filters))).volumes.map(({ Name }) => Name);

test('create is idempotent, survives a restart, and shows what Docker shows', async () => {
  const made = await volumes.create({ Name: 'data', Labels: { a: '1' } });
  assert.deepEqual(made, {
    CreatedAt: made.CreatedAt,
    Driver: 'local',
    Labels: { a: '1' },
    Mountpoint: join(dataRoot, 'volumes/data/_data'),
    Name: 'data',
    Options: null,
    Scope: 'local',
  });
  assert.deepEqual(await volumes.create({ Name: 'data' }), made);
  assert.deepEqual(await new Volumes({ dataRoot, store, events }).inspect('data'), made);
  const anonymous = await volumes.create({});
  assert.match(anonymous.Name, /^[0-9a-f]{64}$/);
  assert.deepEqual(anonymous.Labels, { 'com.docker.volume.anonymous': '' });
  assert.deepEqual(
    events.past().map((event) => event.Action),
    ['create', 'create'],
  );
});

test('wrong names and unsupported drivers', async () => {
  for (const name of ['../x', 'a/b', '.x', 'x']) {
    await assert.rejects(volumes.create({ Name: name }), { code: 'invalid_parameter' }, name);
  }
  await assert.rejects(volumes.create({ Name: 'ab', Driver: 'no-such-driver' }), {
    code: 'not_found',
    message: 'create ab: error looking up volume plugin no-such-driver: plugin "no-such-driver" not found',
  });
  assert.deepEqual(readdirSync(join(dataRoot, 'volumes')), []);
});

test('options are kept, shown and checked', async () => {
  const options = { type: 'tmpfs', device: 'tmpfs', o: 'size=1m' };
  const made = await volumes.create({ Name: 'fast', DriverOpts: options });
  assert.deepEqual(made.Options, options);
  assert.deepEqual((await new Volumes({ dataRoot, store, events }).inspect('fast')).Options, options);
  // As with dockerd the volume of that name is given, whatever it was made with.
  assert.deepEqual(await volumes.create({ Name: 'fast', Driver: 'local', DriverOpts: {}, Labels: { a: '' } }), made);
  await assert.rejects(volumes.create({ Name: 'other', DriverOpts: { foo: '1' } }), {
    code: 'invalid_parameter',
    message: 'create other: invalid option: "foo"',
  });
  assert.deepEqual(await names(), ['fast']);
  assert.deepEqual(readdirSync(join(dataRoot, 'volumes')), ['fast']);
});

test('prune and df leave volumes with options alone', async () => {
  await volumes.create({ Name: 'fast', DriverOpts: { type: 'tmpfs', device: 'tmpfs' } });
  await volumes.create({ Name: 'plain' });
  assert.deepEqual(
    (await volumes.usage()).map(({ Name }) => Name),
    ['plain'],
  );
  const { deleted } = await volumes.prune(new Filters({ all: ['1'] }), REAL);
  assert.deepEqual(deleted, ['plain']);
});

test('two that make a volume at once get the same one', async () => {
  const [one, two] = await Promise.all([
    volumes.create({ Name: 'data' }, 'c1'),
    volumes.create({ Name: 'data' }, 'c2'),
  ]);
  assert.deepEqual(one, two);
  assert.deepEqual(volumes.usersOf('data').sort(), ['c1', 'c2']);
  assert.equal(events.past().length, 1);
});

test('a volume in use stays', async () => {
  await volumes.create({ Name: 'data' });
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

test('filters', async () => {
  await volumes.create({ Name: 'one', Labels: { env: 'test' } });
  await volumes.create({ Name: 'two' });
  volumes.acquire('two', 'c1');
  assert.deepEqual(await names({ name: ['n'] }), ['one']);
  assert.deepEqual(await names({ label: ['env=test'] }), ['one']);
  assert.deepEqual(await names({ dangling: ['true'] }), ['one']);
  assert.deepEqual(await names({ dangling: ['false'] }), ['two']);
  assert.deepEqual(await names({ driver: ['nfs'] }), []);
  await assert.rejects(names({ odd: ['1'] }), { message: "invalid filter 'odd'" });
});

test('prune takes anonymous ones, all of them when asked, never those in use', async () => {
  await volumes.create({ Name: 'named' });
  await volumes.create({ Name: 'kept', Labels: { keep: '' } });
  const anonymous = await volumes.create({});
  const used = await volumes.create({});
  volumes.acquire(used.Name, 'c1');
  writeFileSync(join(anonymous.Mountpoint, 'file'), 'x'.repeat(1000));
  const seen = events.past().length;
  const rehearsed = await volumes.prune(new Filters(), { ...REAL, dryRun: true, without: new Set(['c1']) });
  assert.deepEqual([...rehearsed.deleted].sort(), [anonymous.Name, used.Name].sort());
  assert.deepEqual([rehearsed.bytes, events.past().length], [1000, seen]);
  assert.deepEqual((await names()).length, 4);
  assert.deepEqual(await volumes.prune(new Filters(), REAL), {
    deleted: [anonymous.Name],
    bytes: 1000,
  });
  const all = await volumes.prune(new Filters({ all: ['1'], 'label!': ['keep'] }), REAL);
  assert.deepEqual(all.deleted, ['named']);
  assert.deepEqual(await names(), ['kept', used.Name].sort());
});

test('recovery finishes what a crash left', async () => {
  await volumes.create({ Name: 'data' });
  rmSync(join(dataRoot, 'volumes/data'), { recursive: true });
  const leftover = join(dataRoot, 'volumes/.removed-x-01234567');
  // Its removal had begun when the daemon ended.
  await volumes.create({ Name: 'going' });
  renameSync(join(dataRoot, 'volumes/going'), join(dataRoot, 'volumes/.removed-going-89abcdef'));
  writeFileSync(leftover, '');
  const after = new Volumes({ dataRoot, store, events });
  after.recover([{ id: 'c1', volumes: ['data'] }]);
  assert.ok(existsSync((await after.inspect('data')).Mountpoint) && !existsSync(leftover));
  assert.deepEqual(after.usersOf('data'), ['c1']);
  assert.deepEqual(readdirSync(join(dataRoot, 'volumes')), ['data']);
  await assert.rejects(after.inspect('going'), { code: 'not_found' });
});

test('a rename that a crash cut short is taken back', async () => {
  const { Mountpoint } = await volumes.create({ Name: 'before' });
  writeFileSync(join(Mountpoint, 'file'), '');
  symlinkSync('before', join(dataRoot, 'volumes/.renaming-after'));
  renameSync(join(dataRoot, 'volumes/before'), join(dataRoot, 'volumes/after'));
  const next = new Volumes({ dataRoot, store, events });
  next.recover([]);
  assert.deepEqual(readdirSync(join(dataRoot, 'volumes')), ['before']);
  assert.ok(existsSync(join(Mountpoint, 'file')));
});
