/**
 * The daemon is killed (SIGKILL) at random points while hundreds of operations run. After each restart the engine's view, the
 * host and the disk must agree: what a client was told holds, nothing is half made, nothing leaks.
 */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { createReadStream, existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import http from 'node:http';
import { after, before, describe, it } from 'node:test';
import { startDaemon, type TestDaemon } from '../support/daemon.ts';

const BUSYBOX = '/var/cache/gantry-test/busybox.tar';
const ROUNDS = 25;
const PER_ROUND = 16;
const SEED = Number(process.env.GANTRY_CRASH_SEED ?? Date.now() % 1_000_000);

/** A small generator with a seed (mulberry32), so that a failure can be run again. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let value = Math.imul(state ^ (state >>> 15), 1 | state);
    value = (value + Math.imul(value ^ (value >>> 7), 61 | value)) ^ value;
    return ((value ^ (value >>> 14)) >>> 0) / 2 ** 32;
  };
}

const list = (directory: string): string[] => (existsSync(directory) ? readdirSync(directory) : []);

describe(`killed at random points (GANTRY_CRASH_SEED=${SEED})`, () => {
  const next = random(SEED);
  const pick = <T>(items: readonly T[]): T => items[Math.floor(next() * items.length)]!;
  let daemon: TestDaemon;
  let baseMounts: number;
  /** A small tar, and an image of it as `docker save` writes it. */
  const copied = execFileSync('tar', ['-cC', '/usr/bin', 'env', 'tar']);
  let archive: Buffer;
  const save = (image: string): Promise<Buffer> =>
    new Promise((resolve, reject) => {
      const request = http.get({ socketPath: daemon.socket, path: `/images/${image}/get` }, (response) => {
        const parts: Buffer[] = [];
        response.on('data', (part) => parts.push(part));
        response.on('end', () => resolve(Buffer.concat(parts)));
        response.on('error', reject);
      });
      request.on('error', reject);
    });
  /** What clients were told: IDs whose create was answered and whose removal was not begun. */
  const known = new Set<string>();
  const removing = new Set<string>();
  const mounts = (): string[] =>
    readFileSync('/proc/self/mountinfo', 'utf8')
      .split('\n')
      .map((line) => line.split(' ')[4] ?? '')
      .filter((point) => point.startsWith(daemon.directory));

  before(async () => {
    daemon = await startDaemon();
    const loaded = await daemon.request('POST', '/images/create?fromSrc=-&repo=busybox&tag=latest', undefined, {
      raw: createReadStream(BUSYBOX),
    });
    assert.equal(loaded.status, 200, loaded.text);
    // What a load brings is not here yet: an image with a layer of its own, saved and removed again.
    const made = await daemon.request('POST', '/images/create?fromSrc=-&repo=loaded', undefined, { raw: copied });
    assert.equal(made.status, 200, made.text);
    archive = await save('loaded');
    assert.equal((await daemon.request('DELETE', '/images/loaded')).status, 200);
    baseMounts = mounts().filter((point) => point.includes('/merged')).length;
  });
  after(() => daemon[Symbol.asyncDispose]());

  const operations: (() => Promise<void>)[] = [
    async () => {
      const command = pick([['sleep', '600'], ['true'], ['sh', '-c', 'exit 3'], ['sh', '-c', 'echo out; sleep 600']]);
      const policy = pick(['no', 'always', 'unless-stopped', 'on-failure']);
      const answer = await daemon.request('POST', '/containers/create', {
        Image: 'busybox',
        Cmd: command,
        HostConfig: { RestartPolicy: { Name: policy } },
      });
      if (answer.status === 201) {
        known.add(answer.json.Id);
        if (next() < 0.8) await daemon.request('POST', `/containers/${answer.json.Id}/start`);
      }
    },
    async () => on((id) => daemon.request('POST', `/containers/${id}/start`)),
    async () => on((id) => daemon.request('POST', `/containers/${id}/stop?t=0`)),
    async () => on((id) => daemon.request('POST', `/containers/${id}/kill`)),
    async () => on((id) => daemon.request('POST', `/containers/${id}/restart?t=0`)),
    async () => on((id) => daemon.request('POST', `/containers/${id}/pause`)),
    async () => on((id) => daemon.request('POST', `/containers/${id}/unpause`)),
    async () =>
      on((id) => daemon.request('POST', `/commit?container=${id}&repo=commit&tag=t${Math.floor(next() * 5)}`)),
    async () =>
      on(async (id) => {
        const exec = await daemon.request('POST', `/containers/${id}/exec`, {
          Cmd: ['sh', '-c', 'echo x >/tmp/x; sleep 0.05'],
        });
        if (exec.status === 201) await daemon.request('POST', `/exec/${exec.json.Id}/start`, { Detach: true });
      }),
    async () => {
      await daemon.request('POST', `/images/create?fromSrc=-&repo=import&tag=t${Math.floor(next() * 3)}`, undefined, {
        raw: createReadStream(BUSYBOX),
      });
    },
    async () => {
      await daemon.request('POST', '/images/load', undefined, { raw: archive });
    },
    async () => on((id) => daemon.request('PUT', `/containers/${id}/archive?path=/tmp`, undefined, { raw: copied })),
    async () => on((id) => daemon.request('GET', `/containers/${id}/archive?path=/bin`)),
    async () => on((id) => daemon.request('POST', `/containers/${id}/rename?name=name${Math.floor(next() * 6)}`)),
    async () =>
      on((id) =>
        daemon.request('POST', `/containers/${id}/update`, {
          PidsLimit: 50 + Math.floor(next() * 50),
          RestartPolicy: { Name: pick(['no', 'always', 'on-failure']) },
        }),
      ),
    async () => {
      const answer = await daemon.request('POST', '/containers/create', {
        Image: 'busybox',
        Cmd: ['sleep', '600'],
        Volumes: { '/anonymous': {} },
        Healthcheck: { Test: ['CMD', 'true'], Interval: 20_000_000, StartPeriod: 0, Retries: 1 },
      });
      if (answer.status !== 201) return;
      known.add(answer.json.Id);
      await daemon.request('POST', `/containers/${answer.json.Id}/start`);
    },
    async () => {
      await daemon.request('DELETE', `/images/import:t${Math.floor(next() * 3)}?force=1`);
    },
    async () =>
      on(async (id) => {
        known.delete(id);
        removing.add(id);
        await daemon.request('DELETE', `/containers/${id}?force=1&v=1`);
      }),
  ];
  async function on(work: (id: string) => Promise<unknown>): Promise<void> {
    if (known.size > 0) await work(pick([...known]));
  }

  async function check(): Promise<void> {
    const { json: containers } = await daemon.request('GET', '/containers/json?all=1');
    const ids = new Set<string>(containers.map((container: { Id: string }) => container.Id));
    for (const id of known) assert.ok(ids.has(id), `container ${id} was acknowledged and is gone`);
    for (const id of ids) {
      const { status, json } = await daemon.request('GET', `/containers/${id}/json`);
      assert.equal(status, 200);
      assert.ok(
        ['created', 'running', 'paused', 'restarting', 'exited'].includes(json.State.Status),
        `${id} is ${json.State.Status}`,
      );
      if (json.State.Running && json.State.Pid > 0 && !existsSync(`/proc/${json.State.Pid}`)) {
        // It may end between our two looks; then the daemon comes to know of it.
        for (let tries = 0, pid = json.State.Pid; pid === json.State.Pid; tries++) {
          assert.ok(tries < 250, `${id} is said to run as ${pid}, which is gone`);
          await new Promise((resolve) => setTimeout(resolve, 20));
          pid = (await daemon.request('GET', `/containers/${id}/json`)).json.State.Pid;
        }
      }
      // An answered create whose ID the client never saw is the client's to find by listing: adopt it.
      if (!removing.has(id)) known.add(id);
    }
    const data = `${daemon.directory}/data`;
    assert.deepEqual(list(`${data}/tmp`), [], 'half-made files');
    const writable = list(`${data}/rw`).filter((name) => /^[0-9a-f]{64}$/.test(name));
    assert.deepEqual(
      writable.filter((id) => !ids.has(id)),
      [],
      'writable layers of no container',
    );
    assert.deepEqual(
      list(`${data}/containers`).filter((id) => !ids.has(id)),
      [],
      'directories of no container',
    );
  }

  it('keeps its word through hundreds of operations', async () => {
    for (let round = 0; round < ROUNDS; round++) {
      const work = Array.from({ length: PER_ROUND }, () => pick(operations)().catch(() => undefined));
      await new Promise((resolve) => setTimeout(resolve, next() * 250));
      await daemon.kill9();
      await Promise.all(work);
      await daemon.start();
      await check();
      // Bounded: this many containers restart at once otherwise.
      while (known.size > 12) {
        const id = pick([...known]);
        known.delete(id);
        removing.add(id);
        await daemon.request('DELETE', `/containers/${id}?force=1&v=1`);
      }
    }
  });

  it('leaves nothing when all is removed', async () => {
    const { json: containers } = await daemon.request('GET', '/containers/json?all=1');
    const ids: string[] = containers.map((container: { Id: string }) => container.Id);
    for (const id of ids) {
      const removed = await daemon.request('DELETE', `/containers/${id}?force=1&v=1`);
      assert.ok([204, 404].includes(removed.status), removed.text);
    }
    // The kernel and the monitors take a moment after the answer.
    const leftovers = (): string[] => [
      ...mounts().filter((point) => point.includes('/merged')),
      ...list(`${daemon.directory}/data/rw`).filter((name) => /^[0-9a-f]{64}$/.test(name)),
      ...list(`${daemon.directory}/data/containers`),
      ...execFileSync(
        'sh',
        [
          '-c',
          `ps -eo stat=,pid=,args= | grep -- '${daemon.directory}/run' | grep -v -e grep -e gantryd.js -e '^Z' || true`,
        ],
        { encoding: 'utf8' },
      )
        .split('\n')
        .filter(Boolean),
      ...spawnSync(
        'find',
        // Others' cgroups may go while it looks, which it complains of: errors are not for us.
        ['/sys/fs/cgroup', '-type', 'd', '-regextype', 'posix-extended', '-regex', '.*/[0-9a-f]{64}$'],
        { encoding: 'utf8' },
      )
        .stdout.split('\n')
        .filter((cgroup) => [...removing, ...ids].some((id) => cgroup.endsWith(id))),
    ];
    for (let tries = 0; tries < 200 && leftovers().length > baseMounts; tries++)
      await new Promise((resolve) => setTimeout(resolve, 50));
    assert.deepEqual(leftovers(), []);
    assert.equal(list('/run/crun').filter((id) => removing.has(id) || ids.includes(id)).length, 0);
    assert.ok(statSync(`${daemon.directory}/data`).isDirectory());
  });
});
