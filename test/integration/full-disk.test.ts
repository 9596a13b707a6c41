/** A disk without room: what cannot be done says so and leaves nothing, what frees room works, and what runs runs on. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import {
  closeSync,
  createReadStream,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { StateStore } from '../../src/engine/state-store.ts';
import { startDaemon, type TestDaemon } from '../support/daemon.ts';

const BUSYBOX = '/var/cache/gantry-test/busybox.tar';

/** Writes until nothing more fits; the file's room is given back by truncating it. */
function fill(file: string): void {
  const fd = openSync(file, 'a');
  try {
    for (let size = 1 << 20; size > 0; size >>= 1) {
      const block = Buffer.alloc(size);
      try {
        for (;;) if (writeSync(fd, block) < size) break;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
      }
    }
  } finally {
    closeSync(fd);
  }
}

describe('a full disk', () => {
  let daemon: TestDaemon;
  let ballast: string;
  const data = (...path: string[]) => join(daemon.directory, 'data', ...path);
  const create = async (name: string, command: string, more: object = {}): Promise<string> => {
    const body = { Image: 'busybox', Cmd: ['sh', '-c', command], ...more };
    const answer = await daemon.request('POST', `/containers/create?name=${name}`, body);
    assert.equal(answer.status, 201, answer.text);
    return answer.json.Id;
  };
  const call = async (method: string, path: string, status: number, body?: unknown) => {
    const answer = await daemon.request(method, path, body);
    assert.equal(answer.status, status, `${method} ${path}: ${answer.text}`);
    return answer;
  };
  const refused = async (method: string, path: string, names: RegExp, body?: unknown) => {
    const answer = await call(method, path, 500, body);
    assert.match(answer.json.message, /no space left on device/);
    assert.match(answer.json.message, names);
  };
  const statuses = async () => {
    const { json } = await call('GET', '/containers/json?all=1', 200);
    return Object.fromEntries(json.map((item: { Names: string[]; State: string }) => [item.Names[0], item.State]));
  };
  const importBusybox = (repo: string) =>
    daemon.request('POST', `/images/create?fromSrc=-&repo=${repo}`, undefined, { raw: createReadStream(BUSYBOX) });

  before(async () => {
    daemon = await startDaemon({ dataDisk: { megabytes: 48 } });
    ballast = data('ballast');
    const loaded = await importBusybox('busybox');
    assert.equal(loaded.status, 200, loaded.text);
  });
  after(() => daemon[Symbol.asyncDispose]());

  it('stops nobody and is cleared by what clears disks', async () => {
    const writer = await create('writer', 'i=0; while :; do i=$((i+1)); echo line $i; sleep 0.02; done');
    const ending = await create('ending', 'read x; exit 7', { OpenStdin: true });
    for (const name of ['again', 'paused', 'killed', 'removed']) await create(name, 'sleep 1000');
    await create('fresh', 'true');
    for (const name of ['writer', 'ending', 'again', 'paused', 'killed', 'removed']) {
      await call('POST', `/containers/${name}/start`, 204);
    }
    fill(ballast);
    const layers = readdirSync(data('layers'));
    const blobs = readdirSync(data('content/sha256'));

    const log = data('containers', writer, `${writer}-json.log`);
    // The writer's last block of the log fills up as well.
    for (let size = -1; size !== readFileSync(log).length; await sleep(200)) size = readFileSync(log).length;
    assert.match(readFileSync(log, 'utf8'), /\n$/, 'no half line');

    await refused('POST', '/containers/create?name=more', /container [0-9a-f]{64}/, {
      Image: 'busybox',
      Cmd: ['true'],
    });
    await refused('POST', '/containers/fresh/start', /fresh/);
    await refused('POST', '/commit?container=again&repo=made', /layer/);
    await refused('POST', '/volumes/create', /volume data/, { Name: 'data' });
    assert.match((await importBusybox('made')).text, /no space left on device/);
    const put = await daemon.request('PUT', '/containers/again/archive?path=/tmp', undefined, {
      raw: createReadStream(BUSYBOX),
    });
    assert.equal(put.status, 500, put.text);
    assert.match(put.json.message, /\/tmp: no space left on device/);

    await call('POST', '/containers/again/stop?t=0', 204);
    await call('POST', '/containers/killed/kill', 204);
    await call('POST', '/containers/paused/pause', 204);
    await call('DELETE', '/containers/removed?force=1', 204);
    await call('POST', '/containers/killed/rename?name=dead', 204);
    const { stream } = await daemon.hijack(`/containers/${ending}/attach?stream=1&stdin=1`);
    stream.end('x\n');
    assert.equal((await call('POST', `/containers/${ending}/wait`, 200)).json.StatusCode, 7);
    stream.destroy();
    const expected = {
      '/writer': 'running',
      '/ending': 'exited',
      '/again': 'exited',
      '/paused': 'paused',
      '/dead': 'exited',
      '/fresh': 'created',
    };
    assert.deepEqual(await statuses(), expected);

    await daemon.kill9();
    fill(ballast);
    await daemon.start();
    assert.deepEqual(await statuses(), expected, 'after kill -9');
    await daemon.stop();
    fill(ballast);
    await daemon.start();
    assert.deepEqual(await statuses(), expected, 'after a stop');
    await call('POST', '/containers/paused/unpause', 204);
    await call('DELETE', '/containers/paused?force=1', 204);
    assert.deepEqual(readdirSync(data('layers')), layers);
    assert.deepEqual(readdirSync(data('content/sha256')), blobs);
    assert.deepEqual(readdirSync(data('tmp')), []);
    assert.deepEqual(readdirSync(data('volumes')), []);
    assert.deepEqual(readdirSync(data('rw')).sort(), readdirSync(data('containers')).sort());
    assert.equal(readdirSync(data('rw')).length, 5);

    truncateSync(ballast);
    await call('POST', '/containers/fresh/start', 204);
    assert.equal((await call('POST', '/containers/fresh/wait', 200)).json.StatusCode, 0);
    const before = readFileSync(log).length;
    for (let tries = 0; readFileSync(log).length === before; tries++) {
      assert.ok(tries < 500, 'the log goes on once there is room');
      await sleep(20);
    }
    for (const line of readFileSync(log, 'utf8').trim().split('\n')) assert.match(JSON.parse(line).log, /^line \d+\n$/);
    for (const name of Object.keys(await statuses())) await call('DELETE', `/containers${name}?force=1`, 204);
    assert.deepEqual([readdirSync(data('rw')), readdirSync(data('containers'))], [[], []]);
  });

  it('is told of when the inodes are gone', async () => {
    const full = await startDaemon({ dataDisk: { megabytes: 64, mkfs: ['-N', '1000'] } });
    try {
      const loaded = await full.request('POST', '/images/create?fromSrc=-&repo=busybox', undefined, {
        raw: createReadStream(BUSYBOX),
      });
      assert.equal(loaded.status, 200, loaded.text);
      const directory = join(full.directory, 'data/ballast');
      execFileSync('sh', ['-c', `mkdir ${directory} && cd ${directory} && seq 2000 | xargs touch 2>/dev/null || true`]);
      const answer = await full.request('POST', '/containers/create', { Image: 'busybox', Cmd: ['true'] });
      assert.equal(answer.status, 500);
      assert.match(answer.json.message, /container [0-9a-f]{64}: no space left on device/);
      assert.deepEqual(readdirSync(join(full.directory, 'data/rw')), []);
      await full.stop();
      await full.start();
      rmSync(directory, { recursive: true });
      const again = await full.request('POST', '/containers/create', { Image: 'busybox', Cmd: ['true'] });
      assert.equal(again.status, 201, again.text);
      assert.equal((await full.request('POST', `/containers/${again.json.Id}/start`)).status, 204);
    } finally {
      await full[Symbol.asyncDispose]();
    }
  });
});

describe('the state on a full disk without a reserve', () => {
  const directory = mkdtempSync(join(tmpdir(), 'gantry-state-'));
  before(() => execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', directory]));
  after(() => {
    execFileSync('umount', ['-l', directory]);
    rmSync(directory, { recursive: true });
  });

  it('keeps what must not be refused, refuses the rest, and catches up in order', () => {
    const path = join(directory, 'state.db');
    const put =
      'INSERT INTO volume (name, record) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET record = excluded.record';
    const rows = (store: StateStore) =>
      store.all('SELECT name, record FROM volume ORDER BY name').map((row) => ({ ...row }));
    const store = new StateStore(path);
    store.run('volume a', put, 'a', '1');
    fill(join(directory, 'ballast'));
    // The log's last page has room for one more write, perhaps.
    assert.throws(
      () => {
        for (;;) store.run('volume a', put, 'a', '2');
      },
      { code: 'no_space', status: 500, message: 'failed to store volume a: no space left on device' },
    );
    store.keep('volume a', 'relaxed', put, 'a', '3');
    store.keep('volume b', 'durable', put, 'b', '1');
    store.keep('volume a', 'durable', put, 'a', '4');
    assert.throws(() => store.transaction('volume c', () => store.run('volume c', put, 'c', '1')), {
      code: 'no_space',
    });
    truncateSync(join(directory, 'ballast'));
    store.run('volume d', put, 'd', '1');
    const expected = [
      { name: 'a', record: '4' },
      { name: 'b', record: '1' },
      { name: 'd', record: '1' },
    ];
    assert.deepEqual(rows(store), expected);
    store.close();
    const again = new StateStore(path);
    assert.deepEqual(rows(again), expected);
    again.close();
  });

  it('is refused when it is damaged, by name', () => {
    const path = join(directory, 'damaged.db');
    const store = new StateStore(path);
    for (let i = 0; i < 50; i++)
      store.run('v', 'INSERT INTO volume (name, record) VALUES (?, ?)', `v${i}`, 'x'.repeat(500));
    store.close();
    const bytes = readFileSync(path);
    writeFileSync(path, bytes.subarray(0, bytes.length / 2));
    assert.throws(() => new StateStore(path), /cannot open the state in .*damaged\.db/);
    writeFileSync(path, Buffer.concat([bytes.subarray(0, 4096), Buffer.alloc(bytes.length - 4096, 0xaa)]));
    assert.throws(() => new StateStore(path), /cannot open the state in .*damaged\.db/);
    writeFileSync(path, 'no database at all, but long enough to look like one'.repeat(100));
    assert.throws(() => new StateStore(path), /cannot open the state in .*damaged\.db/);
  });
});
