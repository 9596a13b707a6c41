/** What the daemon does at signals: reload, stop, dump; and what becomes of the containers. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { startDaemon, type TestDaemon } from '../support/daemon.ts';
import { importBusybox, start } from './api-helpers.ts';

/** Fails in the end, so that a daemon that never says it is told from one that is slow. */
async function until(condition: () => boolean): Promise<void> {
  for (const deadline = Date.now() + 60_000; !condition(); await sleep(10)) {
    assert.ok(Date.now() < deadline, `waited in vain for ${condition}`);
  }
}

const alive = (pid: number) => existsSync(`/proc/${pid}`) && !/^State:\s+Z/m.test(statusOf(pid));
const statusOf = (pid: number) => readFileSync(`/proc/${pid}/status`, 'utf8');
const pidOf = async (daemon: TestDaemon, id: string): Promise<number> =>
  (await daemon.request('GET', `/containers/${id}/json`)).json.State.Pid;
const IGNORES_TERM = ['sh', '-c', 'trap "" TERM; echo ready; while :; do sleep 1; done'];

/** Resolves when the daemon's process is gone. */
async function ended(pid: number): Promise<void> {
  await until(() => !alive(pid));
}

describe('SIGHUP', () => {
  test('reloads what dockerd reloads, tells of it, and leaves the rest', async () => {
    await using daemon = await startDaemon({ config: { labels: ['a=1'], 'max-concurrent-uploads': 9, mtu: 1400 } });
    const reload = async (text: string, sign = 'Reloaded configuration') => {
      const before = daemon.logs().split(sign).length;
      writeFileSync(join(daemon.directory, 'daemon.json'), text);
      daemon.signal('SIGHUP');
      await until(() => daemon.logs().split(sign).length > before);
    };
    await reload(
      JSON.stringify({
        debug: true,
        labels: ['b=2'],
        runtimes: { mine: { path: '/usr/bin/crun', runtimeArgs: ['--cgroup-manager=cgroupfs'] } },
        'default-runtime': 'mine',
        'default-shm-size': '32m',
        'shutdown-timeout': 7,
        'max-concurrent-downloads': 4,
        'max-download-attempts': 0,
        'insecure-registries': ['10.0.0.0/8', 'registry.example:5000'],
        'registry-mirrors': ['https://mirror.example'],
        features: { buildkit: true },
        'default-ipc-mode': 'shareable',
        'default-cgroupns-mode': 'private',
        'live-restore': true,
        mtu: 1200,
        dns: ['10.1.1.1'],
      }),
    );
    const info = (await daemon.request('GET', '/info')).json;
    assert.equal(info.Debug, true);
    assert.deepEqual(info.Labels, ['b=2']);
    assert.equal(info.DefaultRuntime, 'mine');
    assert.deepEqual(info.Runtimes.mine, { path: '/usr/bin/crun', runtimeArgs: ['--cgroup-manager=cgroupfs'] });
    assert.deepEqual(info.RegistryConfig.InsecureRegistryCIDRs, ['10.0.0.0/8', '::1/128', '127.0.0.0/8']);
    assert.equal(info.RegistryConfig.IndexConfigs['registry.example:5000'].Secure, false);
    assert.deepEqual(info.RegistryConfig.Mirrors, ['https://mirror.example/']);
    await daemon.request('GET', '/nowhere');
    await until(() => daemon.logs().includes('level=debug'));

    await importBusybox(daemon);
    const id = await start(daemon, ['sleep', '1000']);
    const { HostConfig } = (await daemon.request('GET', `/containers/${id}/json`)).json;
    assert.deepEqual(
      [HostConfig.Runtime, HostConfig.ShmSize, HostConfig.IpcMode, HostConfig.CgroupnsMode],
      ['mine', 33_554_432, 'shareable', 'private'],
    );
    const bridge = (await daemon.request('GET', '/networks/bridge')).json;
    assert.equal(bridge.Options['com.docker.network.driver.mtu'], '1400');
    const resolvConf = readFileSync(join(daemon.directory, 'data/containers', id, 'resolv.conf'), 'utf8');
    assert.doesNotMatch(resolvConf, /10\.1\.1\.1/);

    const events = await daemon.request(
      'GET',
      `/events?since=0&until=${Date.now() / 1000}&filters={"type":["daemon"]}`,
    );
    const [event] = events.text
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    assert.deepEqual([event.Type, event.Action], ['daemon', 'reload']);
    const attributes = event.Actor.Attributes;
    assert.deepEqual(attributes, {
      debug: 'true',
      'default-cgroupns-mode': 'private',
      'default-ipc-mode': 'shareable',
      'default-runtime': 'mine',
      'default-shm-size': '33554432',
      features: 'map[buildkit:true]',
      'insecure-registries': '["10.0.0.0/8","registry.example:5000"]',
      labels: '["b=2"]',
      'live-restore': 'true',
      'max-concurrent-downloads': '4',
      'max-concurrent-uploads': '5',
      'max-download-attempts': '5',
      name: hostname(),
      'registry-mirrors': '["https://mirror.example"]',
      runtimes: attributes.runtimes,
      'shutdown-timeout': '7',
    });
    assert.match(attributes.runtimes, /mine:\/usr\/bin\/crun/);

    // A runtime may leave the configuration while a container lives under it.
    await reload('{"runtimes": {}, "default-runtime": "crun"}');
    assert.equal((await daemon.request('GET', '/info')).json.Runtimes.mine, undefined);
    assert.equal((await daemon.request('POST', `/containers/${id}/stop?t=0`)).status, 204);
  });

  test('keeps what was when the file cannot be used', async () => {
    await using daemon = await startDaemon({ config: { labels: ['a=1'] } });
    for (const [text, message] of [
      ['{"nonsense": 1}', "don't match any configuration option: nonsense"],
      ['{"labels": ["c=3"], "default-runtime": "nobody"}', "specified default runtime 'nobody' does not exist"],
      ['{', 'unable to configure the Docker daemon with file'],
    ] as const) {
      writeFileSync(join(daemon.directory, 'daemon.json'), text);
      daemon.signal('SIGHUP');
      await until(() => daemon.logs().includes(message));
      assert.deepEqual((await daemon.request('GET', '/info')).json.Labels, ['a=1']);
    }
  });
});

describe('the end', () => {
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    test(`${signal}: in order, and the containers run on`, async () => {
      await using daemon = await startDaemon();
      await importBusybox(daemon);
      const pid = await pidOf(daemon, await start(daemon, ['sleep', '1000']));
      const own = daemon.pid;
      daemon.signal(signal);
      await ended(own);
      assert.match(daemon.logs(), /Daemon shutdown complete/);
      assert.equal(existsSync(join(daemon.directory, 'pid')), false);
      assert.ok(alive(pid));
      await daemon.start();
    });
  }

  test('SIGQUIT: at once, with a description of the process, and the containers run on', async () => {
    await using daemon = await startDaemon({ env: { SECRET_OF_TEST: 'hush' } });
    await importBusybox(daemon);
    const pid = await pidOf(daemon, await start(daemon, ['sleep', '1000']));
    const own = daemon.pid;
    daemon.signal('SIGQUIT');
    await ended(own);
    assert.match(daemon.logs(), /SIGQUIT: quit\n\{/);
    assert.doesNotMatch(daemon.logs(), /SECRET_OF_TEST/);
    assert.ok(alive(pid));
    await daemon.start();
  });

  test('a container that takes its time holds it up; the third signal does not wait', async () => {
    await using daemon = await startDaemon({ flags: ['--stop-containers-on-shutdown'] });
    await importBusybox(daemon);
    const id = await start(daemon, IGNORES_TERM, { StopTimeout: 600 });
    const pid = await pidOf(daemon, id);
    const log = join(daemon.directory, 'data/containers', id, `${id}-json.log`);
    await until(() => readFileSync(log, 'utf8').includes('ready'));
    const own = daemon.pid;
    daemon.signal('SIGTERM');
    await until(() => daemon.logs().includes("Processing signal 'terminated'"));
    daemon.signal('SIGTERM');
    await sleep(300);
    assert.ok(alive(own));
    daemon.signal('SIGINT');
    await ended(own);
    assert.match(daemon.logs(), /Forcing shutdown without cleanup: 3 interrupts received/);
    assert.ok(alive(pid));
    await daemon.start();
  });

  test('--stop-containers-on-shutdown stops them; those with a policy come back with the daemon', async () => {
    await using daemon = await startDaemon({ flags: ['--stop-containers-on-shutdown', '--shutdown-timeout', '1'] });
    await importBusybox(daemon);
    const plain = await start(daemon, ['sleep', '1000'], { StopSignal: 'SIGKILL' });
    // Longer than --shutdown-timeout, which grows to what its containers are allowed.
    const stubborn = await start(daemon, IGNORES_TERM, { StopTimeout: 2 });
    const always = await start(daemon, ['sleep', '1000'], {
      StopSignal: 'SIGKILL',
      HostConfig: { RestartPolicy: { Name: 'unless-stopped' } },
    });
    // Ended by the daemon it has failed.
    const onFailure = await start(daemon, ['sleep', '1000'], {
      StopSignal: 'SIGKILL',
      HostConfig: { RestartPolicy: { Name: 'on-failure' } },
    });
    const all = [plain, stubborn, always, onFailure];
    const pids = await Promise.all(all.map((id) => pidOf(daemon, id)));
    assert.equal(await daemon.stop(), 0);
    assert.deepEqual(pids.map(alive), [false, false, false, false]);
    await daemon.start();
    const states = async () =>
      Promise.all(all.map(async (id) => (await daemon.request('GET', `/containers/${id}/json`)).json.State.Status));
    for (let found: string[] = []; found[2] !== 'running' || found[3] !== 'running'; found = await states())
      await sleep(20);
    assert.deepEqual(await states(), ['exited', 'exited', 'running', 'running']);
  });
});

test('SIGUSR1 writes what the daemon is doing to a file for root alone', async () => {
  await using daemon = await startDaemon({ env: { SECRET_OF_TEST: 'hush' } });
  daemon.signal('SIGUSR1');
  await until(() => daemon.logs().includes('Process report written to'));
  const directory = join(daemon.directory, 'run');
  const name = readdirSync(directory).find((entry) => entry.startsWith('process-report-'))!;
  const text = readFileSync(join(directory, name), 'utf8');
  assert.equal(statSync(join(directory, name)).mode & 0o777, 0o600);
  assert.ok(JSON.parse(text).javascriptStack.stack.length > 0);
  assert.doesNotMatch(text, /SECRET_OF_TEST/);
  assert.equal((await daemon.request('GET', '/_ping')).status, 200);
});

test('the service manager hears when the daemon is ready and when it stops', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'gantry-notify-'));
  const path = join(directory, 'notify');
  const listen = `
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.bind(sys.argv[1]); print("bound", flush=True)
while True: print(s.recv(4096).decode(), flush=True)`;
  const listener = spawn('python3', ['-c', listen, path], { stdio: ['ignore', 'pipe', 'inherit'] });
  try {
    let heard = '';
    listener.stdout.on('data', (chunk) => {
      heard += chunk;
    });
    await until(() => heard.includes('bound'));
    await using daemon = await startDaemon({ env: { NOTIFY_SOCKET: path } });
    await until(() => heard.includes('STATUS='));
    assert.equal(heard, `bound\nREADY=1\nSTATUS=Listening on unix://${daemon.socket}\n`);
    await daemon.stop();
    await until(() => heard.endsWith('STOPPING=1\n'));
  } finally {
    listener.kill();
    rmSync(directory, { recursive: true });
  }
});

test("the service manager's readiness socket is the daemon's alone", async () => {
  // A runtime that finds it would wait for the container to be ready.
  await using daemon = await startDaemon({
    env: { NOTIFY_SOCKET: '/tmp/gantry-test-no-such-socket' },
    flags: ['--default-runtime', 'runc'],
  });
  await importBusybox(daemon);
  const pid = await pidOf(daemon, await start(daemon, ['sleep', '1000']));
  const parent = /^PPid:\s+(\d+)$/m.exec(statusOf(pid))![1];
  for (const process of [pid, parent]) {
    assert.doesNotMatch(readFileSync(`/proc/${process}/environ`, 'utf8'), /NOTIFY_SOCKET/);
  }
});
