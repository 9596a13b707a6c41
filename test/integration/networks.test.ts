/** User-defined networks as clients of the API meet them, with real containers. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { after, before, describe, test } from 'node:test';
import { startDaemon, type TestDaemon } from '../support/daemon.ts';
import { importBusybox } from './api-helpers.ts';

const skip = process.getuid?.() === 0 ? false : 'needs root';

describe('networks over the API', { skip }, () => {
  let daemon: TestDaemon;

  before(async () => {
    daemon = await startDaemon();
    await importBusybox(daemon);
  });

  after(() => daemon[Symbol.asyncDispose]());

  async function ok(method: string, path: string, body?: unknown) {
    const answer = await daemon.request(method, path, body);
    assert.ok(answer.status < 400, `${method} ${path}: ${answer.status} ${answer.text}`);
    return answer.json;
  }

  const refused = async (method: string, path: string, body: unknown, status: number, message: RegExp) => {
    const answer = await daemon.request(method, path, body);
    assert.equal(answer.status, status, answer.text);
    assert.match(answer.json.message, message);
  };

  const makeNetwork = (Name: string, more: object = {}) => ok('POST', '/networks/create', { Name, ...more });

  async function run(name: string, networks: Record<string, object>, more: object = {}): Promise<string> {
    const [mode] = Object.keys(networks);
    const body = {
      Image: 'busybox',
      Cmd: ['sleep', '100000'],
      HostConfig: { NetworkMode: mode },
      NetworkingConfig: { EndpointsConfig: networks },
      ...more,
    };
    const { Id } = await ok('POST', `/containers/create?name=${name}`, body);
    await ok('POST', `/containers/${Id}/start`);
    return Id;
  }

  const inspect = async (container: string) => ok('GET', `/containers/${container}/json`);

  async function inside(container: string, ...command: string[]): Promise<string> {
    const { State } = await inspect(container);
    return execFileSync('nsenter', ['-t', String(State.Pid), '-n', '-m', ...command], { encoding: 'utf8' });
  }

  const remove = async (...containers: string[]) => {
    for (const container of containers) await ok('DELETE', `/containers/${container}?force=1`);
  };

  test('containers find each other by name, alias and ID, also after a rename and a killed daemon', async () => {
    await makeNetwork('names');
    const web = await run('names-web', { names: { Aliases: ['www'] } });
    await run('names-client', { names: {} });
    const address = (await inspect(web)).NetworkSettings.Networks.names.IPAddress;
    const finds = async (name: string) => (await inside('names-client', 'busybox', 'nslookup', name)).includes(address);
    for (const name of ['names-web', 'www', web.slice(0, 12)]) assert.equal(await finds(name), true, name);
    await ok('POST', `/containers/${web}/rename?name=names-new`);
    assert.equal(await finds('names-new'), true);
    await assert.rejects(finds('names-web'));
    await daemon.kill9();
    await daemon.start();
    assert.equal(await finds('names-new'), true);
    await ok('POST', '/networks/names/disconnect', { Container: web });
    await assert.rejects(finds('names-new'));
    await remove(web, 'names-client');
    await ok('DELETE', '/networks/names');
  });

  test('made, shown, filtered, refused while in use, removed, pruned', async () => {
    const { Id } = await makeNetwork('one', { Labels: { a: 'b' }, Attachable: true });
    await makeNetwork('two', { Internal: true });
    const shown = await ok('GET', `/networks/${Id.slice(0, 12)}`);
    assert.deepEqual([shown.Name, shown.Driver, shown.Labels, shown.Attachable], ['one', 'bridge', { a: 'b' }, true]);
    assert.match(shown.IPAM.Config[0].Gateway, /\.1$/);
    const names = async (filters: object) => {
      const list = await ok('GET', `/networks?filters=${encodeURIComponent(JSON.stringify(filters))}`);
      return list.map(({ Name }: { Name: string }) => Name).sort();
    };
    assert.deepEqual(await names({ type: ['custom'] }), ['one', 'two']);
    assert.deepEqual(await names({ label: ['a=b'] }), ['one']);
    const id = await run('user', { one: {} });
    assert.deepEqual(await names({ dangling: ['true'] }), ['two']);
    assert.deepEqual(Object.keys((await ok('GET', '/networks/one')).Containers), [id]);
    await refused(
      'DELETE',
      '/networks/one',
      undefined,
      403,
      /^error while removing network: network one has active endpoints \(name:"user" id:"[0-9a-f]{12}"\)$/,
    );
    await refused('POST', '/networks/create', { Name: 'one' }, 409, /^network with name one already exists$/);
    await refused(
      'POST',
      '/networks/create',
      { Name: 'host' },
      403,
      /^operation is not permitted on predefined host network/,
    );
    await refused('POST', '/networks/create', { Name: 'x', Driver: 'nope' }, 404, /^plugin "nope" not found$/);
    await refused('DELETE', '/networks/bridge', undefined, 403, /pre-defined network and cannot be removed/);
    await refused('GET', '/networks/nope', undefined, 404, /^network nope not found$/);
    assert.deepEqual(await ok('POST', '/networks/prune'), { NetworksDeleted: ['two'] });
    await remove(id);
    await ok('DELETE', '/networks/one');
    assert.deepEqual(await names({ type: ['custom'] }), []);
    const log = (await daemon.request('GET', `/events?until=${Date.now() / 1000}&filters={"type":["network"]}`)).text;
    for (const action of ['create', 'connect', 'disconnect', 'destroy', 'prune']) {
      assert.match(log, new RegExp(`"Action":"${action}"`), action);
    }
  });

  test('several networks, connected and disconnected, across a restart', async () => {
    await makeNetwork('a', { IPAM: { Config: [{ Subnet: '10.241.0.0/24', IPRange: '10.241.0.128/25' }] } });
    await makeNetwork('b', { EnableIPv6: true });
    const id = await run('cc', {
      a: { IPAMConfig: { IPv4Address: '10.241.0.9' }, Aliases: ['x'], MacAddress: '02:00:00:00:00:09' },
      b: { GwPriority: 5 },
    });
    const { Networks } = (await inspect('cc')).NetworkSettings;
    assert.deepEqual(Object.keys(Networks).sort(), ['a', 'b']);
    assert.deepEqual([Networks.a.IPAddress, Networks.a.MacAddress], ['10.241.0.9', '02:00:00:00:00:09']);
    assert.deepEqual(Networks.a.DNSNames, ['cc', 'x', id.slice(0, 12)]);
    assert.match(await inside('cc', 'ip', 'route'), /^default via \S+ dev eth1/m);
    assert.match(await inside('cc', 'cat', '/etc/hosts'), new RegExp(`^10.241.0.9\\t${id.slice(0, 12)}$`, 'm'));
    await ok('POST', '/networks/b/disconnect', { Container: 'cc' });
    assert.match(await inside('cc', 'ip', 'route'), /^default via \S+ dev eth0/m);
    assert.doesNotMatch(await inside('cc', 'cat', '/etc/hosts'), new RegExp(Networks.b.IPAddress));
    await refused('POST', '/networks/b/disconnect', { Container: 'cc' }, 403, /is not connected to network b$/);
    await ok('POST', '/networks/b/connect', { Container: 'cc', EndpointConfig: { Aliases: ['y'] } });
    await refused(
      'POST',
      '/networks/b/connect',
      { Container: 'cc' },
      403,
      /^endpoint with name cc already exists in network b$/,
    );
    await refused('POST', '/networks/host/connect', { Container: 'cc' }, 400, /host network/);
    const other = await run('dd', { a: {} });
    assert.equal((await inspect('dd')).NetworkSettings.Networks.a.IPAddress, '10.241.0.129', 'the gateway is .128');
    const before = (await inspect('cc')).NetworkSettings.Networks;
    await ok('POST', '/containers/cc/restart?t=0');
    const again = (await inspect('cc')).NetworkSettings.Networks;
    for (const name of ['a', 'b']) {
      assert.equal(again[name].IPAddress, before[name].IPAddress);
      assert.equal(again[name].GlobalIPv6Address, before[name].GlobalIPv6Address);
    }
    // While it is stopped, for its next start.
    await ok('POST', '/containers/cc/stop?t=0');
    await ok('POST', '/networks/a/disconnect', { Container: 'cc' });
    await ok('POST', '/networks/bridge/connect', { Container: 'cc' });
    await ok('POST', '/containers/cc/start');
    const after = (await inspect('cc')).NetworkSettings.Networks;
    assert.deepEqual(Object.keys(after).sort(), ['b', 'bridge']);
    assert.match(after.bridge.IPAddress, new RegExp(`^${daemon.subnet}`));
    await remove(id, other);
    for (const name of ['a', 'b']) await ok('DELETE', `/networks/${name}`);
  });

  test('a killed daemon brings its networks and their containers back', async () => {
    const { Id } = await makeNetwork('kept', { Options: { 'com.docker.network.driver.mtu': '1300' } });
    const one = await run('one', { kept: { Aliases: ['q'] } });
    const two = await run('two', { kept: {} });
    const address = (await inspect('one')).NetworkSettings.Networks.kept.IPAddress;
    await daemon.kill9();
    // As after a crash of the machine: the bridge of a network without containers is made anew.
    await daemon.start();
    assert.equal((await ok('GET', '/networks/kept')).Id, Id);
    assert.equal((await inspect('one')).NetworkSettings.Networks.kept.IPAddress, address);
    assert.match(await inside('two', 'busybox', 'ping', '-c1', '-W2', address), / 0% packet loss/);
    const three = await run('three', { kept: {} });
    assert.notEqual((await inspect('three')).NetworkSettings.Networks.kept.IPAddress, address);
    await remove(one, two, three);
    await daemon.stop();
    execFileSync('sh', ['-c', `! ip link show br-${Id.slice(0, 12)} 2>/dev/null`]);
    await daemon.start();
    execFileSync('ip', ['link', 'show', `br-${Id.slice(0, 12)}`]);
    await ok('DELETE', '/networks/kept');
    execFileSync('sh', ['-c', `! ip link show br-${Id.slice(0, 12)} 2>/dev/null`]);
  });

  test('a network that is not there is missed at the start', async () => {
    const { Id } = await ok('POST', '/containers/create', {
      Image: 'busybox',
      Cmd: ['true'],
      HostConfig: { NetworkMode: 'nowhere' },
    });
    await refused(
      'POST',
      `/containers/${Id}/start`,
      undefined,
      404,
      /^failed to set up container networking: network nowhere not found$/,
    );
    await remove(Id);
  });
});
