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

  test('made, removed and pruned by several clients at once', async () => {
    const make = () => daemon.request('POST', '/networks/create', { Name: 'contested' });
    const remove = () => daemon.request('DELETE', '/networks/contested');
    const prune = () => daemon.request('POST', '/networks/prune');
    const counts = new Map<number, number>();
    const clients = [make, remove, make, prune, remove].map(async (ask) => {
      for (let round = 0; round < 20; round++) {
        const { status, text } = await ask();
        assert.ok(status < 500, text);
        counts.set(status, (counts.get(status) ?? 0) + 1);
      }
    });
    await Promise.all(clients);
    assert.ok((counts.get(201) ?? 0) > 0 && (counts.get(409) ?? 0) + (counts.get(404) ?? 0) > 0, [...counts].join());
    await remove();
    assert.equal((await daemon.request('GET', '/networks/contested')).status, 404);
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
    await refused('POST', '/networks/b/disconnect', { Container: 'cc' }, 500, /is not connected to network b$/);
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

  test('networks of settings alone, and those that take theirs from one', async () => {
    const settings = {
      Labels: { a: 'b' },
      Options: { 'com.docker.network.driver.mtu': '1400' },
      IPAM: { Config: [{ Subnet: '10.242.0.0/24', Gateway: '10.242.0.9' }] },
    };
    const { Id } = await makeNetwork('plan', { ConfigOnly: true, ...settings });
    const plan = await ok('GET', '/networks/plan');
    assert.deepEqual([plan.ConfigOnly, plan.Driver, plan.Scope], [true, 'null', 'local']);
    assert.deepEqual(plan.IPAM.Config, settings.IPAM.Config);
    const create = (body: object, status: number, message: RegExp) =>
      refused('POST', '/networks/create', { Name: 'bad', ...body }, status, message);
    for (const field of ['Internal', 'Attachable', 'Ingress']) {
      await create(
        { ConfigOnly: true, [field]: true },
        403,
        /^configuration network can only contain network specific/,
      );
    }
    await create({ ConfigOnly: true, IPAM: { Config: [{ Subnet: '10.0.0.1/8' }] } }, 400, /it should be 10.0.0.0\/8$/);
    const ConfigFrom = { Network: 'plan' };
    await create({ ConfigOnly: true, ConfigFrom }, 403, /cannot depend on another configuration network$/);
    await create({ ConfigFrom, Labels: { x: 'y' } }, 403, /^user specified configurations are not supported if/);
    await create({ ConfigFrom, EnableIPv6: true }, 403, /^user specified configurations are not supported if/);
    await create({ ConfigFrom, Options: { x: 'y' } }, 403, /^network driver options are not supported if/);
    await create({ ConfigFrom: { Network: 'bridge' } }, 404, /^configuration network "bridge" does not exist$/);
    await create({ Scope: 'swarm' }, 403, /^cannot create a swarm scoped network when swarm is not active$/);
    await create({ Ingress: true }, 403, /^Ingress network can only be global scope network$/);

    await makeNetwork('made', { ConfigFrom, Internal: true });
    const made = await ok('GET', '/networks/made');
    assert.deepEqual(made.ConfigFrom, ConfigFrom);
    assert.deepEqual([made.ConfigOnly, made.Driver, made.Internal], [false, 'bridge', true]);
    assert.deepEqual([made.Labels, made.Options, made.IPAM.Config], [plan.Labels, plan.Options, plan.IPAM.Config]);
    const one = await run('onplan', { made: {} });
    assert.match(await inside('onplan', 'ip', 'link', 'show', 'eth0'), /mtu 1400/);
    const none = /cannot create endpoint on configuration-only network$/;
    await refused('POST', '/networks/plan/connect', { Container: 'onplan' }, 403, none);
    await ok('POST', '/containers/create?name=never', {
      Image: 'busybox',
      Cmd: ['true'],
      HostConfig: { NetworkMode: Id },
    });
    await refused('POST', '/containers/never/start', undefined, 403, none);
    await refused(
      'DELETE',
      '/networks/plan',
      undefined,
      403,
      /^error while removing network: configuration network "plan" is in use$/,
    );
    await remove(one, 'never');
    await daemon.kill9();
    await daemon.start();
    assert.equal((await ok('GET', '/networks/plan')).ConfigOnly, true);
    assert.deepEqual(await ok('POST', '/networks/prune'), { NetworksDeleted: ['made'] });
    await ok('DELETE', '/networks/plan');
  });

  test('addresses stay those of a container that is stopped, also when others start and the daemon does', async () => {
    await makeNetwork('small', { IPAM: { Config: [{ Subnet: '10.243.0.0/29' }] } });
    const address = async (name: string) => (await inspect(name)).NetworkSettings.Networks.small.IPAddress;
    const ids = [await run('first', { small: {} }), await run('second', { small: {} })];
    assert.deepEqual([await address('first'), await address('second')], ['10.243.0.2', '10.243.0.3']);
    await ok('POST', '/containers/first/stop?t=0');
    ids.push(await run('third', { small: {} }));
    assert.equal(await address('third'), '10.243.0.4');
    await ok('POST', '/containers/second/stop?t=0');
    await daemon.kill9();
    await daemon.start();
    ids.push(await run('fourth', { small: {} }), await run('fifth', { small: {} }));
    assert.deepEqual([await address('fourth'), await address('fifth')], ['10.243.0.5', '10.243.0.6']);
    await ok('POST', '/containers/first/start');
    assert.equal(await address('first'), '10.243.0.2');
    // Nothing else is left: better than no address.
    ids.push(await run('sixth', { small: {} }));
    assert.equal(await address('sixth'), '10.243.0.3');
    await refused('POST', '/containers/second/start', undefined, 503, /no available IPv4 addresses on this network/);
    await remove(ids.splice(4, 1)[0]!);
    await ok('POST', '/containers/second/start');
    assert.equal(await address('second'), '10.243.0.6');
    await remove(...ids);
    ids.length = 0;
    ids.push(await run('anew', { small: {} }));
    assert.equal(await address('anew'), '10.243.0.2', 'those of removed containers are free');
    await refused(
      'POST',
      '/containers/create',
      {
        Image: 'busybox',
        Cmd: ['true'],
        NetworkingConfig: { EndpointsConfig: { small: { IPAMConfig: { IPv4Address: '10.244.0.1' } } } },
      },
      400,
      /^invalid config for network small: invalid endpoint settings:\nno configured subnet or ip-range contain the IP address 10.244.0.1$/,
    );
    const taken = { EndpointConfig: { IPAMConfig: { IPv4Address: '10.243.0.2' } } };
    const other = await run('other', { bridge: {} });
    await refused('POST', '/networks/small/connect', { Container: 'other', ...taken }, 403, /^Address already in use$/);
    assert.deepEqual(Object.keys((await inspect('other')).NetworkSettings.Networks), ['bridge']);
    await refused(
      'POST',
      '/networks/bridge/connect',
      {
        Container: 'anew',
        EndpointConfig: { Aliases: ['x'], IPAMConfig: { IPv4Address: '0.0.0.0', IPv6Address: 'x' } },
      },
      400,
      /^invalid endpoint settings:\n\* user specified IP address is supported on .*\n\* network-scoped alias is .*\n\* invalid IPv4 address: 0.0.0.0\n\* invalid IPv6 address: x$/,
    );
    await remove(...ids, other);
    await ok('DELETE', '/networks/small');
  });

  test('a container that is gone, or a network, with force and without', async () => {
    await makeNetwork('forced');
    const id = await run('here', { forced: {} });
    const leave = (network: string, Container: string, Force: boolean, status: number, message: RegExp) =>
      refused('POST', `/networks/${network}/disconnect`, { Container, Force }, status, message);
    await leave('forced', 'gone', false, 404, /^No such container: gone$/);
    await leave('forced', 'gone', true, 404, /^endpoint gone not found$/);
    await leave('nowhere', 'gone', true, 404, /^network nowhere not found$/);
    await leave('nowhere', 'here', true, 500, new RegExp(`^container ${id} is not connected to the network nowhere$`));
    await leave('forced', '', false, 400, /^invalid name or ID supplied: ""$/);
    await leave('nowhere', 'here', false, 404, /^network nowhere not found$/);
    await leave('bridge', 'here', true, 500, new RegExp(`^container ${id} is not connected to network bridge$`));
    await ok('POST', '/containers/here/stop?t=0');
    await leave('bridge', 'here', false, 500, new RegExp(`^container ${id} is not connected to the network bridge$`));
    await ok('DELETE', '/networks/forced');
    await refused('POST', '/containers/here/start', undefined, 404, /network forced not found$/);
    await ok('POST', '/networks/forced/disconnect', { Container: 'here', Force: true });
    await ok('POST', '/networks/bridge/connect', { Container: 'here' });
    await ok('POST', '/containers/here/start');
    await remove('here');
  });

  test('names and IDs as patterns in a list, and of several networks as no ID', async () => {
    const ids: string[] = [];
    // Seventeen IDs of sixteen digits: two begin with the same.
    for (let n = 0; n < 17; n++) ids.push((await makeNetwork(`many${n}`, { ConfigOnly: true })).Id);
    const names = async (filters: object) => {
      const list = await ok('GET', `/networks?filters=${encodeURIComponent(JSON.stringify(filters))}`);
      return list.map(({ Name }: { Name: string }) => Name).sort();
    };
    assert.deepEqual(await names({ name: ['^many1$'] }), ['many1']);
    assert.deepEqual(await names({ name: ['^many1[01]$', 'many3'] }), ['many10', 'many11', 'many3']);
    assert.deepEqual(await names({ id: [ids[3]!.slice(0, 10)] }), ['many3']);
    assert.deepEqual(await names({ name: ['many'], driver: ['bridge'] }), []);
    const digit = [...'0123456789abcdef'].find((first) => ids.filter((id) => id.startsWith(first)).length > 1)!;
    for (const [method, path, body] of [
      ['GET', `/networks/${digit}`, undefined],
      ['DELETE', `/networks/${digit}`, undefined],
    ] as const) {
      await refused(
        method,
        path,
        body,
        400,
        new RegExp(`^network ${digit} is ambiguous \\([0-9]+ matches found based on`),
      );
    }
    for (const id of ids) await ok('DELETE', `/networks/${id}`);
  });

  test('host and none tell of their containers as other networks do', async () => {
    for (const [mode, driver] of [
      ['host', 'host'],
      ['none', 'null'],
    ] as const) {
      const id = await run(`on${mode}`, { [mode]: {} });
      const { EndpointID } = (await inspect(id)).NetworkSettings.Networks[mode];
      assert.match(EndpointID, /^[0-9a-f]{64}$/);
      const shown = await ok('GET', `/networks/${mode}?verbose=1`);
      assert.equal(shown.Containers[id].EndpointID, EndpointID);
      await ok('POST', `/containers/${id}/stop?t=0`);
      assert.equal((await inspect(id)).NetworkSettings.Networks[mode].EndpointID, '');
      await remove(id);
      const wanted = encodeURIComponent(JSON.stringify({ type: ['network'], network: [mode] }));
      const log = (await daemon.request('GET', `/events?until=${Date.now() / 1000}&filters=${wanted}`)).text;
      const told = log
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line))
        .filter(({ Actor }) => Actor.Attributes.container === id);
      assert.deepEqual(
        told.map(({ Action, Actor }) => [Action, Actor.Attributes]),
        ['connect', 'disconnect'].map((action) => [action, { container: id, name: mode, type: driver }]),
      );
      assert.equal(told[0].Actor.ID, shown.Id);
    }
    await refused(
      'GET',
      '/networks/host?verbose=abc',
      undefined,
      400,
      /^invalid value for verbose: abc: strconv.ParseBool: parsing "abc": invalid syntax$/,
    );
    await refused('GET', '/networks/host?scope=swarm', undefined, 404, /^network host not found$/);
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
