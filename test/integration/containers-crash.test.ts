import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Api, eventually } from './containers-api.ts';
import { UNABLE } from './containers-harness.ts';

/** How often the daemon is killed in the midst of operations. */
const KILLS = Number(process.env.GANTRY_TEST_KILLS ?? 12);

describe('containers and a killed daemon', { skip: UNABLE ?? false }, () => {
  let root = '';
  let daemon: ChildProcess;
  let api: Api;
  const bridge = `gt${randomBytes(3).toString('hex')}`;

  async function start(): Promise<void> {
    daemon = spawn(process.execPath, [join(import.meta.dirname, 'containers-daemon.ts'), root, bridge], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let output = '';
    daemon.stdout!.on('data', (chunk) => {
      output += chunk;
    });
    await eventually(() => output.includes('ready') || daemon.exitCode !== null, 'the daemon is ready', 20_000);
    assert.equal(daemon.exitCode, null, 'the daemon starts');
    api = new Api(join(root, 'api.sock'));
  }

  async function kill(): Promise<void> {
    const gone = new Promise((resolve) => daemon.once('exit', resolve));
    daemon.kill('SIGKILL');
    await gone;
  }

  before(async () => {
    root = mkdtempSync(join(tmpdir(), 'gk-'));
    await start();
  });
  after(async () => {
    const gone = new Promise((resolve) => daemon.once('exit', resolve));
    daemon.kill('SIGTERM');
    await gone;
    rmSync(root, { recursive: true, force: true });
  });

  const inspect = (id: string) => api.ok('GET', `/containers/${id}/json`);
  const status = async (id: string) => (await api.call('GET', `/containers/${id}/json`)).status;

  test('containers run on; exits, policies and health are caught up with', async () => {
    const steady = await api.run(['sh', '-c', 'while :; do echo tick; sleep 0.1; done'], {
      Healthcheck: { Test: ['CMD', 'true'], Interval: 50_000_000 },
    });
    const ending = await api.run(['sh', '-c', 'sleep 0.3; exit 9']);
    const again = await api.run(['sh', '-c', 'sleep 0.3; exit 1'], {
      HostConfig: { RestartPolicy: { Name: 'always' } },
    });
    const gone = await api.run(['sleep', '0.3'], { HostConfig: { AutoRemove: true } });
    const paused = await api.run(['sleep', '100']);
    await api.ok('POST', `/containers/${paused}/pause`);
    const { Pid, StartedAt } = (await inspect(steady)).State;
    const exec = await api.ok('POST', `/containers/${steady}/exec`, { Cmd: ['sleep', '0.3'] });
    await api.ok('POST', `/exec/${exec.Id}/start`, { Detach: true });
    await kill();
    // What a crash half-way leaves: a layer and directories without a record.
    for (const path of ['data/rw/feed/diff', 'data/rw/feed/work', 'data/containers/feed', 'exec/containers/feed']) {
      mkdirSync(join(root, path), { recursive: true });
    }
    await sleep(600);
    await start();
    const view = await inspect(steady);
    assert.deepEqual([view.State.Pid, view.State.StartedAt], [Pid, StartedAt]);
    assert.equal((await api.exec(steady, ['echo', 'here'])).output, 'here\n');
    assert.deepEqual([(await inspect(ending)).State.Status, (await inspect(ending)).State.ExitCode], ['exited', 9]);
    await eventually(async () => (await inspect(again)).State.Running, 'the policy goes on');
    await eventually(async () => (await status(gone)) === 404, '--rm goes on');
    await eventually(async () => (await inspect(steady)).State.Health.Status === 'healthy', 'health goes on');
    assert.equal((await inspect(paused)).State.Status, 'paused');
    await api.ok('POST', `/containers/${paused}/unpause`);
    for (const path of ['data/rw/feed', 'data/containers/feed', 'exec/containers/feed', `exec/execs/${exec.Id}`]) {
      assert.equal(existsSync(join(root, path)), false, path);
    }
    const stream = await api.hijack(`/containers/${steady}/attach?stream=1&stdout=1`);
    await stream.until('tick');
    stream.socket.destroy();
    for (const id of [steady, ending, again, paused]) await api.ok('DELETE', `/containers/${id}?force=1`);
  });

  test('killed at any point, it leaves nothing behind', async () => {
    const made: string[] = [];
    for (let round = 0; round < KILLS; round++) {
      const work = Array.from({ length: 4 }, async (_, lane) => {
        for (;;) {
          const id = await api.run(['sleep', lane % 2 === 0 ? '0.05' : '100'], {
            HostConfig: { AutoRemove: lane === 2 },
          });
          made.push(id);
          if (lane === 1) await api.call('POST', `/containers/${id}/stop?t=0`);
          await api.call('DELETE', `/containers/${id}?force=1`);
        }
      });
      // All end with the connection.
      const ended = Promise.allSettled(work);
      await sleep(50 + Math.random() * 400);
      await kill();
      await ended;
      await start();
      const listed = await api.ok('GET', '/containers/json?all=1');
      for (const { Id } of listed) {
        const view = await inspect(Id);
        assert.ok(['created', 'running', 'exited'].includes(view.State.Status), view.State.Status);
        const reply = await api.call('DELETE', `/containers/${Id}?force=1`);
        // One with --rm may go by itself.
        assert.ok([204, 404, 409].includes(reply.status), JSON.stringify(reply));
      }
      await eventually(async () => (await api.ok('GET', '/containers/json?all=1')).length === 0, 'all gone');
      await eventually(() => readdirSync(join(root, 'exec/containers')).length === 0, 'no run directories');
      assert.deepEqual(readdirSync(join(root, 'data/rw')), []);
      assert.deepEqual(readdirSync(join(root, 'data/containers')), []);
      assert.equal(readFileSync('/proc/self/mountinfo', 'utf8').includes(`${root}/data/rw`), false, 'no mounts');
      await eventually(() => shims().length === 0, 'no monitors');
      await eventually(() => ports(bridge) === 0, 'no interfaces');
      for (const id of [...made, ...listed.map(({ Id }: { Id: string }) => Id)]) assert.deepEqual(cgroupsOf(id), []);
    }
  });

  function cgroupsOf(id: string): string[] {
    return ['/sys/fs/cgroup', ...readdirSync('/sys/fs/cgroup').map((name) => join('/sys/fs/cgroup', name))]
      .map((hierarchy) => join(hierarchy, 'gantry', id))
      .filter((path) => existsSync(path));
  }

  /** Monitors of this test's containers. */
  function shims(): string[] {
    return execFileSync('ps', ['-eo', 'args'])
      .toString()
      .split('\n')
      .filter((line) => line.includes('gantry-shim') && line.includes(root));
  }

  function links(): string {
    return execFileSync('ip', ['-o', 'link']).toString();
  }

  function ports(name: string): number {
    return links()
      .split('\n')
      .filter((line) => line.includes(`master ${name} `)).length;
  }
});
