/** What the daemon's options do: to containers, to its log, to what it tells of itself. */
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { startDaemon, type TestDaemon } from '../support/daemon.ts';
import { onTerminal } from '../support/on-terminal.ts';
import { download, importBusybox, messages, run, textOf } from './api-helpers.ts';

/** What a command prints in a new container. */
async function output(daemon: TestDaemon, script: string, body: object = {}): Promise<string> {
  const id = await run(daemon, ['sh', '-c', script], body);
  return textOf((await download(daemon, `/containers/${id}/logs?stdout=1&stderr=1`)).bytes).trim();
}

describe('defaults of containers', () => {
  test('by flags', async () => {
    await using daemon = await startDaemon({
      flags: [
        ...['--dns', '10.1.1.1', '--dns', '10.1.1.2', '--dns-search', 'example.org', '--dns-opt', 'ndots:3'],
        ...['--default-ulimit', 'nofile=123:456', '--default-shm-size', '9m', '--mtu', '1380', '--init'],
        ...['--default-runtime', 'other', '--add-runtime', 'other=/usr/sbin/runc'],
        ...['--cgroup-parent', '/gantry-test-parent', '--no-new-privileges', '--default-ipc-mode', 'shareable'],
        ...['--default-cgroupns-mode', 'private', '--log-driver', 'local', '--log-opt', 'max-size=1m'],
        ...['--host-gateway-ip', '10.9.9.9', '--host-gateway-ip', 'fd00::9'],
      ],
    });
    await importBusybox(daemon);
    const resolvConf = 'nameserver 10.1.1.1\nnameserver 10.1.1.2\nsearch example.org\noptions ndots:3';
    assert.equal(await output(daemon, 'grep -v "^#" /etc/resolv.conf'), resolvConf);
    assert.equal(await output(daemon, 'ulimit -Sn; ulimit -Hn'), '123\n456');
    assert.equal(await output(daemon, "df -k /dev/shm | awk 'NR==2 { print $2 }'"), '9216');
    assert.equal(await output(daemon, 'cat /sys/class/net/eth0/mtu'), '1380');
    assert.match(await output(daemon, 'cat /proc/1/comm'), /init|tini/);
    assert.equal(await output(daemon, 'grep NoNewPrivs /proc/self/status'), 'NoNewPrivs:\t1');
    const extra = { HostConfig: { ExtraHosts: ['up:host-gateway'] } };
    assert.equal(await output(daemon, 'awk \'$2 == "up" { print $1 }\' /etc/hosts', extra), '10.9.9.9\nfd00::9');

    const id = await run(daemon, ['true']);
    const { HostConfig } = (await daemon.request('GET', `/containers/${id}/json`)).json;
    assert.deepEqual(
      [HostConfig.Runtime, HostConfig.IpcMode, HostConfig.CgroupnsMode, HostConfig.LogConfig],
      ['other', 'shareable', 'private', { Type: 'local', Config: { 'max-size': '1m' } }],
    );
    const running = await output(daemon, 'cat /proc/1/cgroup', { HostConfig: { CgroupnsMode: 'host' } });
    assert.match(running, /:\/gantry-test-parent\/[0-9a-f]{64}$/m);
    // What a container asks for itself goes before.
    const own = { HostConfig: { Dns: ['10.2.2.2'], Init: false, ShmSize: 1 << 20, Runtime: 'crun' } };
    assert.match(await output(daemon, 'cat /proc/1/comm /etc/resolv.conf', own), /^cat\n.*nameserver 10\.2\.2\.2$/ms);
    const options = (await daemon.request('GET', '/info')).json.SecurityOptions;
    assert.ok(options.includes('name=no-new-privileges'), options);
  });

  test('a seccomp profile from a file', async () => {
    await using daemon = await startDaemon();
    const profile = join(daemon.directory, 'seccomp.json');
    const deny = { names: ['mkdir', 'mkdirat'], action: 'SCMP_ACT_ERRNO', errnoRet: 13 };
    writeFileSync(profile, JSON.stringify({ defaultAction: 'SCMP_ACT_ALLOW', syscalls: [deny] }));
    await using strict = await startDaemon({ flags: ['--seccomp-profile', profile] });
    await importBusybox(strict);
    assert.match(await output(strict, 'mkdir /x'), /Permission denied/);
    assert.equal(await output(strict, 'mkdir /x && echo made', { HostConfig: { Privileged: true } }), 'made');
    const info = (await strict.request('GET', '/info')).json;
    assert.ok(info.SecurityOptions.includes(`name=seccomp,profile=${profile}`), info.SecurityOptions);
    assert.ok(info.Warnings.includes('WARNING: daemon is not using the default seccomp profile'));
    await assert.rejects(
      startDaemon({ flags: ['--seccomp-profile', '/nowhere.json'] }),
      /opening seccomp profile \(\/nowhere\.json\) failed/,
    );
  });
});

test('proxies: used for what the daemon fetches, shown without the password', async () => {
  const asked: string[] = [];
  await using proxy = createServer((request, response) => {
    asked.push(request.url ?? '');
    response.end('no archive');
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => proxy.once('listening', resolve));
  const { port } = proxy.address() as { port: number };
  await using daemon = await startDaemon({
    config: { proxies: { 'http-proxy': `http://me:secret@127.0.0.1:${port}`, 'no-proxy': 'direct.example' } },
  });
  const answer = await daemon.request('POST', '/images/create?fromSrc=http://images.example/x.tar&repo=x');
  assert.deepEqual(asked, ['http://images.example/x.tar']);
  assert.ok(messages(answer).at(-1)!.errorDetail !== undefined);
  await daemon.request('POST', '/images/create?fromSrc=http://direct.example/x.tar&repo=x');
  assert.equal(asked.length, 1);
  const info = (await daemon.request('GET', '/info')).json;
  assert.equal(info.HttpProxy, `http://xxxxx:xxxxx@127.0.0.1:${port}`);
  assert.equal(info.NoProxy, 'direct.example');
});

describe("the daemon's own log", () => {
  test('as JSON', async () => {
    await using daemon = await startDaemon({ flags: ['--log-format', 'json'] });
    const lines = daemon
      .logs()
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    assert.ok(lines.every(({ level, msg, time }) => level === 'info' && msg !== '' && !Number.isNaN(Date.parse(time))));
  });

  test('from a level on', async () => {
    await using daemon = await startDaemon({ flags: ['--log-level', 'debug'] });
    await daemon.request('GET', '/nowhere');
    while (!daemon.logs().includes('level=debug')) await new Promise((resolve) => setTimeout(resolve, 10));
    assert.match(daemon.logs(), /level=debug msg="Handler for GET \/nowhere returned error: page not found"/);
  });

  test('in colours on a terminal, and without by --raw-logs', async () => {
    await using scratch = await startDaemon();
    const at = (name: string) => join(scratch.directory, name);
    const command = (...flags: string[]) => [
      fileURLToPath(new URL('../../bin/gantryd', import.meta.url)),
      ...['--data-root', at('data2'), '--exec-root', at('run2'), '--pidfile', at('pid2'), '--bridge', 'none'],
      ...['-H', `unix://${at('2.sock')}`, '--config-file', at('daemon.json'), ...flags],
    ];
    const colored = await onTerminal(command(), [
      ['expect', 'completed initialization'],
      ['send', '\x03'],
      ['expect', 'shutdown complete'],
    ]);
    assert.equal(colored.failure, null, colored.output);
    assert.match(
      colored.output.replaceAll('\x1b', 'ESC'),
      /ESC\[36mINFOESC\[0m\[\d{4}-\d\d-\d\dT[\d:.]+Z\] Starting up +ESC\[36mversionESC\[0m=/,
    );
    const raw = await onTerminal(command('--raw-logs'), [
      ['expect', 'completed initialization'],
      ['send', '\x03'],
      ['expect', 'shutdown complete'],
    ]);
    assert.ok(!raw.output.includes('\x1b'), raw.output);
    assert.match(raw.output, /level=info msg="Starting up"/);
  });
});
