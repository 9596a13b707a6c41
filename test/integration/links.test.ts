/** Links between containers: Docker's legacy ones on the default bridge, and names of one's own on other networks. */
import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { type Answer, startDaemon, type TestDaemon } from '../support/daemon.ts';
import { importBusybox } from './api-helpers.ts';
import { GANTRY } from './cli-harness.ts';

const skip = process.getuid?.() === 0 ? false : 'needs root';
const FOREVER = ['sleep', '100000'];

/** What the tests do with a daemon. */
function linker(daemon: TestDaemon) {
  const ok = async (method: string, path: string, body?: unknown) => {
    const answer = await daemon.request(method, path, body);
    assert.ok(answer.status < 400, `${method} ${path}: ${answer.status} ${answer.text}`);
    return answer.json;
  };
  const create = (name: string, body: object = {}): Promise<Answer> =>
    daemon.request('POST', `/containers/create?name=${name}`, { Image: 'busybox', Cmd: FOREVER, ...body });
  const run = async (name: string, body: object = {}): Promise<string> => {
    const answer = await create(name, body);
    assert.equal(answer.status, 201, answer.text);
    await ok('POST', `/containers/${name}/start`);
    return answer.json.Id;
  };
  const inspect = async (name: string) => ok('GET', `/containers/${name}/json`);
  const enter = async (name: string, ...command: string[]) => {
    const { State } = await inspect(name);
    return spawnSync('nsenter', ['-t', String(State.Pid), '-n', '-m', ...command], { encoding: 'utf8' });
  };
  return {
    ok,
    create,
    run,
    inspect,
    enter,
    address: async (name: string): Promise<string> =>
      (await inspect(name)).NetworkSettings.Networks.bridge.IPAddress as string,
    environment: async (name: string): Promise<string[]> => {
      const { State } = await inspect(name);
      // Started is told a moment before the kernel has put the program in the runtime's place.
      while (!readFileSync(`/proc/${State.Pid}/cmdline`, 'utf8').startsWith('sleep')) await sleep(10);
      return readFileSync(`/proc/${State.Pid}/environ`, 'utf8').split('\0');
    },
    hosts: async (name: string): Promise<string> => (await enter(name, 'cat', '/etc/hosts')).stdout,
    remove: async (...names: string[]) => {
      for (const name of names) await ok('DELETE', `/containers/${name}?force=1`);
    },
    refused: (answer: Answer, status: number, message: RegExp) => {
      assert.equal(answer.status, status, answer.text);
      assert.match(answer.json.message, message);
    },
  };
}

describe('links on the default bridge', { skip }, () => {
  let daemon: TestDaemon;
  let at: ReturnType<typeof linker>;

  before(async () => {
    daemon = await startDaemon();
    await importBusybox(daemon);
    at = linker(daemon);
  });

  after(() => daemon[Symbol.asyncDispose]());

  test('give the other container as variables, in the hosts file and as a name, in inspect and ps', async () => {
    const db = await at.run('db', { Env: ['PASSWORD=secret'], ExposedPorts: { '5432/tcp': {}, '53/udp': {} } });
    await at.run('web', { Env: ['STORE_NAME=mine'], HostConfig: { Links: ['db:my-store', 'db', 'db:my-store'] } });
    const address = await at.address('db');
    const variables = await at.environment('web');
    for (const entry of [
      `MY_STORE_PORT=tcp://${address}:5432`,
      `MY_STORE_PORT_5432_TCP=tcp://${address}:5432`,
      `MY_STORE_PORT_5432_TCP_ADDR=${address}`,
      'MY_STORE_PORT_5432_TCP_PORT=5432',
      'MY_STORE_PORT_5432_TCP_PROTO=tcp',
      'MY_STORE_PORT_53_UDP_PROTO=udp',
      'MY_STORE_NAME=/web/my-store',
      'MY_STORE_ENV_PASSWORD=secret',
      'DB_NAME=/web/db',
      'STORE_NAME=mine',
    ]) {
      assert.ok(variables.includes(entry), `${entry} in ${variables}`);
    }
    const short = db.slice(0, 12);
    const hosts = await at.hosts('web');
    const own = `${await at.address('web')}\t`;
    assert.ok(hosts.includes(`\n${address}\tmy-store ${short} db\n${address}\tdb ${short}\n${own}`), hosts);
    assert.equal((await at.enter('web', 'ping', '-c1', 'my-store')).status, 0);

    const exec = await at.ok('POST', '/containers/web/exec', { Cmd: ['env'], AttachStdout: true });
    const output = await daemon.request('POST', `/exec/${exec.Id}/start`, {});
    assert.match(output.text, new RegExp(`MY_STORE_PORT_5432_TCP_ADDR=${address}`));

    assert.deepEqual((await at.inspect('web')).HostConfig.Links, ['/db:/web/my-store', '/db:/web/db']);
    assert.equal((await at.inspect('db')).HostConfig.Links, null);
    const list: { Names: string[] }[] = await at.ok('GET', '/containers/json');
    assert.deepEqual(
      list.map(({ Names }) => Names),
      [['/web'], ['/db', '/web/db', '/web/my-store']],
    );
    assert.equal((await at.inspect('web/my-store')).Id, db);
    assert.equal((await at.inspect('web%2Fdb')).Id, db);
    await at.remove('web', 'db');
  });

  test('are refused to what is not there, does not run, has no network of its own, or is no link', async () => {
    const link = (...Links: string[]) => ({ HostConfig: { Links } });
    at.refused(
      await at.create('near', link('nobody')),
      400,
      /^could not get container for nobody: No such container: no/,
    );
    at.refused(await at.create('near', link('x:y:z')), 400, /^bad format for links: x:y:z$/);
    await at.run('onhost', { HostConfig: { NetworkMode: 'host' } });
    at.refused(await at.create('near', link('onhost')), 400, /host type networking can't be used with links/);
    for (const NetworkMode of ['host', 'container:onhost']) {
      const body = { HostConfig: { NetworkMode, Links: ['onhost'] } };
      at.refused(await at.create('near', body), 400, /can't be used with links/);
    }
    await at.ok('POST', '/networks/create', { Name: 'elsewhere' });
    await at.run('away', { HostConfig: { NetworkMode: 'elsewhere' } });
    await at.create('near', link('away:far'));
    const away = (await at.inspect('away')).Id;
    const start = () => daemon.request('POST', '/containers/near/start');
    at.refused(await start(), 500, new RegExp(`^container ${away} not attached to default bridge network$`));
    await at.ok('POST', '/containers/away/stop?t=0');
    at.refused(await start(), 500, /^Cannot link to a non running container: \/away AS \/near\/far$/);
    assert.equal((await at.inspect('near')).State.ExitCode, 128);
    await at.ok('POST', '/containers/away/rename?name=gone');
    await at.remove('gone');
    at.refused(await start(), 500, /^Cannot link to a non running container: \/gone AS \/near\/far$/);
    assert.deepEqual((await at.inspect('near')).HostConfig.Links, ['/gone:/near/far']);
    await at.remove('near', 'onhost');
    await at.ok('DELETE', '/networks/elsewhere');
  });

  test("follow the other container's address, and may come with the bridge while both run", async () => {
    const db = await at.run('db');
    await at.run('web', { HostConfig: { Links: ['db:store'], ExtraHosts: ['store:192.0.2.1'] } });
    await at.enter('web', 'sh', '-c', 'echo 192.0.2.2 mine >>/etc/hosts');
    const old = await at.address('db');
    await at.ok('POST', '/networks/bridge/disconnect', { Container: 'db' });
    await at.run('thief');
    if ((await at.address('thief')) !== old) await at.run('thief2');
    await at.ok('POST', '/networks/bridge/connect', { Container: 'db' });
    const next = await at.address('db');
    assert.notEqual(next, old);
    const line = `${next}\tstore ${db.slice(0, 12)} db\n`;
    const hosts = await at.hosts('web');
    assert.ok(hosts.includes(line), hosts);
    assert.ok(!hosts.includes(`${old}\tstore`), hosts);
    for (const kept of ['192.0.2.1\tstore\n', '192.0.2.2 mine\n']) assert.ok(hosts.includes(kept), hosts);

    await at.ok('POST', '/networks/bridge/disconnect', { Container: 'web' });
    await at.ok('POST', '/networks/bridge/connect', { Container: 'web' });
    assert.equal((await at.hosts('web')).split(line).length, 2, 'once');
    await at.ok('POST', '/containers/db/restart?t=0');
    assert.ok((await at.hosts('web')).includes(`${await at.address('db')}\tstore `));
    const all: { Id: string }[] = await at.ok('GET', '/containers/json?all=1');
    await at.remove(...all.map(({ Id }) => Id));
  });

  test('outlive renames and the daemon; one is taken away by its name', async () => {
    await at.run('db', { HostConfig: { RestartPolicy: { Name: 'always' } } });
    const policy = { RestartPolicy: { Name: 'always' } };
    await at.run('web', { HostConfig: { ...policy, Links: ['db:store', 'db:other'] } });
    await at.ok('POST', '/containers/db/rename?name=base');
    await at.ok('POST', '/containers/web/rename?name=front');
    assert.deepEqual((await at.inspect('front')).HostConfig.Links, ['/base:/front/store', '/base:/front/other']);
    await daemon.kill9();
    await daemon.start();
    assert.deepEqual((await at.inspect('front')).HostConfig.Links, ['/base:/front/store', '/base:/front/other']);
    await at.ok('POST', '/containers/front/restart?t=0');
    assert.ok((await at.environment('front')).includes('STORE_NAME=/front/store'));
    assert.match(await at.hosts('front'), /\tstore \w{12} base\n/);

    const gantry = (...args: string[]) =>
      spawnSync(GANTRY, ['-H', `unix://${daemon.socket}`, ...args], { encoding: 'utf8' });
    at.refused(await daemon.request('DELETE', '/containers/base?link=1'), 409, /^Conflict, cannot remove the default/);
    assert.equal((await daemon.request('DELETE', '/containers/front/nothing?link=1')).status, 404);
    const removed = gantry('rm', '--link', '/front/store');
    assert.equal(removed.stdout, 'front/store\n', removed.stderr);
    assert.deepEqual((await at.inspect('front')).HostConfig.Links, ['/base:/front/other']);
    const hosts = await at.hosts('front');
    assert.match(hosts, /\tother \w{12} base\n/);
    assert.doesNotMatch(hosts, /store/);
    const names = gantry('ps', '--no-trunc', '--format', '{{.Names}}').stdout.split('\n');
    assert.deepEqual(names.slice(0, 2), ['front', 'base,front/other']);
    assert.deepEqual(gantry('ps', '--format', '{{.Names}}').stdout.split('\n').slice(0, 2), ['front', 'base']);
    const pids: Record<string, number> = {};
    for (const name of ['front', 'base']) pids[name] = (await at.inspect(name)).State.Pid;

    await daemon.kill9();
    for (const name of ['front', 'base']) process.kill(pids[name]!, 'SIGKILL');
    await daemon.start();
    // By their policies, and the other container before the one that links to it.
    assert.equal((await at.inspect('front')).State.Running, true);
    assert.ok((await at.environment('front')).includes('OTHER_NAME=/front/other'));
    await at.remove('front', 'base');
  });
});

describe('links on other networks', { skip }, () => {
  let daemon: TestDaemon;
  let at: ReturnType<typeof linker>;

  before(async () => {
    daemon = await startDaemon();
    await importBusybox(daemon);
    at = linker(daemon);
    await at.ok('POST', '/networks/create', { Name: 'net' });
  });

  after(() => daemon[Symbol.asyncDispose]());

  test('are names that only the linking container knows', async () => {
    const gantry = (...args: string[]) =>
      promisify(execFile)(GANTRY, ['-H', `unix://${daemon.socket}`, ...args], { encoding: 'utf8' });
    await gantry('run', '-d', '--name', 'db', '--network', 'net', 'busybox', ...FOREVER);
    await gantry('run', '-d', '--name', 'web', '--network', 'net', '--link', 'db:store', 'busybox', ...FOREVER);
    await gantry('run', '-d', '--name', 'other', '--network', 'net', 'busybox', ...FOREVER);
    const { IPAddress } = (await at.inspect('db')).NetworkSettings.Networks.net;
    const finds = async (who: string, name: string) =>
      (await at.enter(who, 'busybox', 'nslookup', name)).stdout.includes(`Address: ${IPAddress}`);
    const { HostConfig, NetworkSettings } = await at.inspect('web');
    assert.equal(HostConfig.Links, null);
    assert.deepEqual(NetworkSettings.Networks.net.Links, ['db:store']);
    assert.equal(await finds('web', 'store'), true);
    assert.equal(await finds('other', 'store'), false);
    assert.ok(!(await at.environment('web')).some((entry) => entry.startsWith('STORE_')));

    await daemon.kill9();
    await daemon.start();
    assert.equal(await finds('web', 'store'), true);
    await gantry('network', 'disconnect', 'net', 'other');
    await gantry('network', 'connect', '--link', 'db:mine', 'net', 'other');
    assert.equal(await finds('other', 'mine'), true);
    assert.equal(await finds('web', 'mine'), false);
    const connect = await daemon.request('POST', '/networks/bridge/connect', {
      Container: 'other',
      EndpointConfig: { Links: ['db:x'] },
    });
    at.refused(connect, 400, /links are only supported for user-defined networks/);
    await at.remove('web', 'db', 'other');
  });
});

describe('links where containers are kept apart', { skip }, () => {
  let daemon: TestDaemon;
  let at: ReturnType<typeof linker>;

  before(async () => {
    daemon = await startDaemon({ flags: ['--icc=false'] });
    await importBusybox(daemon);
    at = linker(daemon);
  });

  after(() => daemon[Symbol.asyncDispose]());

  test('open the exposed ports, to the linking container alone', async () => {
    const serve = ['sh', '-c', 'httpd -p 80 -h /etc; httpd -p 81 -h /etc; exec sleep 100000'];
    await at.run('db', { Cmd: serve, ExposedPorts: { '80/tcp': {} } });
    const address = await at.address('db');
    const fetches = async (who: string, port: number, host = address) =>
      (await at.enter(who, 'nc', '-w', '1', host, String(port))).status === 0;
    for (const port of [80, 81]) while (!(await fetches('db', port))) await sleep(50);
    await at.run('other', { Cmd: serve });
    assert.equal(await fetches('other', 80), false);
    await at.run('web', { HostConfig: { Links: ['db:store'] } });
    assert.equal(await fetches('web', 80), true);
    assert.equal(await fetches('web', 81), false);
    assert.equal(await fetches('other', 80), false);
    assert.equal(await fetches('web', 80, await at.address('other')), false);

    await daemon.kill9();
    await daemon.start();
    assert.equal(await fetches('web', 80), true, 'after a crash of the daemon');
    await at.ok('POST', '/containers/db/restart?t=0');
    const next = await at.address('db');
    while (!(await fetches('db', 80, next))) await sleep(50);
    assert.equal(await fetches('web', 80, next), true, 'after a restart of the other container');
    await at.ok('DELETE', '/containers/web/store?link=1');
    assert.equal(await fetches('web', 80, next), false, 'the link is gone');
    await at.remove('web', 'db', 'other');
  });
});
