/** A daemon and a network plugin: containers on the plugin's networks, through crashes of the daemon and the plugin. Needs root. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { startDaemon, type TestDaemon } from '../support/daemon.ts';
import { type RunningNetworkPlugin, startNetworkPlugin } from '../support/start-network-plugin.ts';
import { importBusybox } from './api-helpers.ts';

/** Where dockerd looks for them. */
const SOCKETS = '/run/docker/plugins';
const skip = process.getuid?.() === 0 ? false : 'needs root';
const NOTHING = { networks: {}, endpoints: {}, pools: {} };

describe('networks of a plugin', { skip }, () => {
  let directory = '';
  let name = '';
  let made: string | undefined;
  let plugin: RunningNetworkPlugin;
  let daemon: TestDaemon;
  /** Two subnets that are nobody's: the daemon's own /24 is beside them. */
  let subnet = '';

  before(async () => {
    made = mkdirSync(SOCKETS, { recursive: true });
    directory = mkdtempSync(join(tmpdir(), 'gantry-netplugin-'));
    name = basename(directory);
    const bridge = `gp${process.pid}`;
    plugin = await startNetworkPlugin(join(SOCKETS, `${name}.sock`), directory, bridge, { RequiresMACAddress: true });
    daemon = await startDaemon();
    subnet = daemon.subnet.replace('10.213.', '10.212.');
    await importBusybox(daemon);
  });

  after(async () => {
    await daemon[Symbol.asyncDispose]();
    await plugin[Symbol.asyncDispose]();
    rmSync(directory, { recursive: true, force: true });
    if (made !== undefined && readdirSync(SOCKETS).length === 0) rmdirSync(SOCKETS);
  });

  async function ok(method: string, path: string, body?: unknown) {
    const answer = await daemon.request(method, path, body);
    assert.ok(answer.status < 400, `${method} ${path}: ${answer.status} ${answer.text}`);
    return answer.json;
  }

  async function refused(method: string, path: string, body: unknown): Promise<[number, string]> {
    const answer = await daemon.request(method, path, body);
    assert.ok(answer.status >= 400, answer.text);
    return [answer.status, answer.json.message];
  }

  const network = (Name: string, Options: object = {}, more: object = {}) => ({ Name, Driver: name, Options, ...more });

  async function run(container: string, networks: Record<string, object>, more: object = {}): Promise<string> {
    const body = {
      Image: 'busybox',
      Cmd: ['sleep', '100000'],
      HostConfig: { NetworkMode: Object.keys(networks)[0] },
      NetworkingConfig: { EndpointsConfig: networks },
      ...more,
    };
    const { Id } = await ok('POST', `/containers/create?name=${container}`, body);
    await ok('POST', `/containers/${Id}/start`);
    return Id;
  }

  const inspect = (container: string) => ok('GET', `/containers/${container}/json`);

  async function inside(container: string, ...command: string[]): Promise<string> {
    const { State } = await inspect(container);
    return execFileSync('nsenter', ['-t', String(State.Pid), '-n', '-m', ...command], { encoding: 'utf8' });
  }

  const finds = async (container: string, other: string) =>
    assert.match(await inside(container, 'busybox', 'ping', '-c', '1', '-w', '20', other), /1 packets received/);

  const remove = async (...containers: string[]) => {
    for (const container of containers) await ok('DELETE', `/containers/${container}?force=1`);
  };

  /** Until the plugin has been told what it could not be told before. */
  async function settled(): Promise<void> {
    while (Object.keys({ ...plugin.state().endpoints, ...plugin.state().networks }).length > 0) await sleep(50);
  }

  test('from create to rm: what the plugin is asked, and what comes of it', async () => {
    plugin.calls();
    const IPAM = { Config: [{ Subnet: `${subnet}.0/24`, AuxiliaryAddresses: { host: `${subnet}.9` } }] };
    await ok('POST', '/networks/create', network('far', { prefix: 'far' }, { IPAM }));
    const [activate, capabilities, create, ...none] = plugin.calls();
    assert.deepEqual([activate!.method, capabilities!.method], ['Plugin.Activate', 'NetworkDriver.GetCapabilities']);
    assert.deepEqual(none, []);
    const { json: shown } = await daemon.request('GET', '/networks/far');
    assert.deepEqual([shown.Driver, shown.Scope, shown.Options], [name, 'local', { prefix: 'far' }]);
    assert.deepEqual(create, {
      method: 'NetworkDriver.CreateNetwork',
      body: {
        NetworkID: shown.Id,
        Options: {
          'com.docker.network.enable_ipv4': true,
          'com.docker.network.enable_ipv6': false,
          'com.docker.network.generic': { prefix: 'far' },
        },
        IPv4Data: [
          {
            AddressSpace: 'LocalDefault',
            Pool: `${subnet}.0/24`,
            Gateway: `${subnet}.1/24`,
            AuxAddresses: { host: `${subnet}.9/24` },
          },
        ],
        IPv6Data: [],
      },
    });

    const one = await run(
      'one',
      { far: { IPAMConfig: { IPv4Address: `${subnet}.7` }, MacAddress: '02:00:00:00:00:77', DriverOpts: { a: 'b' } } },
      {
        ExposedPorts: { '53/udp': {} },
        HostConfig: { NetworkMode: 'far', PortBindings: { '80/tcp': [{ HostIp: '127.0.0.1', HostPort: '8080' }] } },
      },
    );
    const { NetworkSettings } = await inspect('one');
    const endpoint = NetworkSettings.Networks.far;
    assert.deepEqual(
      [endpoint.IPAddress, endpoint.IPPrefixLen, endpoint.Gateway, endpoint.MacAddress],
      [`${subnet}.7`, 24, `${subnet}.1`, '02:00:00:00:00:77'],
    );
    const ids = { NetworkID: shown.Id, EndpointID: endpoint.EndpointID };
    const Options = {
      'com.docker.network.endpoint.exposedports': [
        { Proto: 6, Port: 80 },
        { Proto: 17, Port: 53 },
      ],
      'com.docker.network.portmap': [
        { Proto: 6, IP: '', Port: 80, HostIP: '127.0.0.1', HostPort: 8080, HostPortEnd: 8080 },
      ],
      a: 'b',
      'com.docker.network.endpoint.macaddress': 'AgAAAAB3',
    };
    const calls = plugin.calls();
    const Interface = { Address: `${subnet}.7/24`, AddressIPv6: '', MacAddress: '02:00:00:00:00:77' };
    assert.deepEqual(calls, [
      { method: 'NetworkDriver.CreateEndpoint', body: { ...ids, Interface, Options } },
      { method: 'NetworkDriver.Join', body: { ...ids, SandboxKey: NetworkSettings.SandboxKey, Options } },
      { method: 'NetworkDriver.ProgramExternalConnectivity', body: { ...ids, Options } },
    ]);
    const { Containers } = await ok('GET', '/networks/far');
    assert.deepEqual(Containers[one].IPv4Address, `${subnet}.7/24`);

    await run('two', { far: { Aliases: ['second'] } });
    assert.match(await inside('two', 'ip', '-o', '-4', 'addr', 'show', 'far0'), new RegExp(`inet ${subnet}\\.2/24`));
    assert.match(await inside('two', 'ip', 'route'), new RegExp(`^default via ${subnet}.1 dev far0`, 'm'));
    await finds('one', 'second');
    await finds('two', 'one');
    await finds('two', `${subnet}.1`);
    plugin.calls();
    assert.deepEqual(await refused('DELETE', '/networks/far', undefined), [
      403,
      `error while removing network: network far has active endpoints (name:"one" id:"${endpoint.EndpointID.slice(0, 12)}", name:"two" id:"${(await inspect('two')).NetworkSettings.Networks.far.EndpointID.slice(0, 12)}")`,
    ]);

    await ok('POST', '/containers/one/stop?t=0');
    assert.deepEqual(plugin.calls(), [
      { method: 'NetworkDriver.RevokeExternalConnectivity', body: ids },
      { method: 'NetworkDriver.Leave', body: ids },
      { method: 'NetworkDriver.DeleteEndpoint', body: ids },
    ]);
    await ok('POST', '/containers/one/start');
    await finds('two', 'one');
    await remove('one', 'two');
    plugin.calls();
    await ok('DELETE', '/networks/far');
    assert.deepEqual(plugin.methods(), ['DeleteNetwork']);
    assert.deepEqual(plugin.state(), NOTHING);
  });

  test('connected and disconnected while it runs, beside a bridge', async () => {
    await ok('POST', '/networks/create', network('side', {}, { IPAM: { Config: [{ Subnet: `${subnet}.0/24` }] } }));
    await run('peer', { side: {} });
    await run('both', { bridge: {} });
    plugin.calls();
    await ok('POST', '/networks/side/connect', { Container: 'both' });
    assert.deepEqual(plugin.methods(), ['CreateEndpoint', 'Join'], 'the bridge goes before it as the way out');
    await finds('both', 'peer');
    assert.match(await inside('both', 'ip', 'route'), new RegExp(`^default via ${daemon.subnet}.1 dev eth0`, 'm'));
    assert.ok((await ok('GET', '/containers/both/stats?stream=0')).networks.eth1.tx_packets > 0);
    const again = await refused('POST', '/networks/side/connect', { Container: 'both' });
    assert.deepEqual(again, [403, 'endpoint with name both already exists in network side']);
    assert.deepEqual(plugin.methods(), []);
    await ok('POST', '/networks/bridge/disconnect', { Container: 'both' });
    assert.deepEqual(plugin.methods(), ['ProgramExternalConnectivity'], 'now it is the way out');
    assert.match(await inside('both', 'ip', 'route'), new RegExp(`^default via ${subnet}.1 dev eth1`, 'm'));
    await ok('POST', '/networks/bridge/connect', { Container: 'both' });
    assert.deepEqual(plugin.methods(), ['RevokeExternalConnectivity']);
    await ok('POST', '/networks/side/disconnect', { Container: 'both' });
    assert.deepEqual(plugin.methods(), ['Leave', 'DeleteEndpoint']);
    assert.doesNotMatch(await inside('both', 'ip', '-o', 'link'), /eth1/);
    await remove('peer', 'both');
    await ok('DELETE', '/networks/side');
    assert.deepEqual(plugin.state(), NOTHING);
  });

  test("the plugin's own addresses, routes and no gateway", async () => {
    const addresses = JSON.stringify({ Address: `${subnet}.77/24`, MacAddress: '02:00:00:00:00:01' });
    const routes = JSON.stringify([
      { Destination: `${subnet.replace('10.212', '10.211')}.0/24`, RouteType: 0, NextHop: `${subnet}.78` },
      { Destination: '192.0.2.0/24', RouteType: 1 },
    ]);
    const IPAM = { Driver: 'null' };
    await ok(
      'POST',
      '/networks/create',
      network('own', { addresses, routes, gateway: 'none', 'stand-alone': 'yes' }, { IPAM }),
    );
    assert.deepEqual((await ok('GET', '/networks/own')).IPAM.Config, [{ Subnet: '0.0.0.0/0' }]);
    const create = plugin.calls().find(({ method }) => method === 'NetworkDriver.CreateNetwork')!;
    assert.deepEqual(create.body.IPv4Data, [{ AddressSpace: 'null', Pool: '0.0.0.0/0' }]);
    await run('owned', { own: {} });
    const { MacAddress, IPAddress, Gateway } = (await inspect('owned')).NetworkSettings.Networks.own;
    assert.deepEqual([MacAddress, IPAddress, Gateway], ['02:00:00:00:00:01', `${subnet}.77`, '']);
    assert.deepEqual(
      (await inside('owned', 'ip', '-4', 'route')).trim().replace(/ +$/gm, '').replace(/ +/g, ' ').split('\n').sort(),
      [
        `${subnet.replace('10.212', '10.211')}.0/24 via ${subnet}.78 dev eth0`,
        `${subnet}.0/24 dev eth0 scope link src ${subnet}.77`,
        '192.0.2.0/24 dev eth0 scope link',
      ],
    );
    assert.deepEqual(plugin.methods(), ['CreateEndpoint', 'Join'], 'it is no way out');
    await remove('owned');
    await ok('DELETE', '/networks/own');
    // Addresses that were given to it are not its to change.
    await ok(
      'POST',
      '/networks/create',
      network('own', { addresses }, { IPAM: { Config: [{ Subnet: `${subnet}.0/24` }] } }),
    );
    const { Id } = await ok('POST', '/containers/create?name=owned', {
      Image: 'busybox',
      Cmd: ['true'],
      HostConfig: { NetworkMode: 'own' },
    });
    const [status, message] = await refused('POST', `/containers/${Id}/start`, undefined);
    assert.equal(status, 500);
    assert.match(
      message,
      /failed to create endpoint owned on network own: driver modified interface address: endpoint interface IP present \(.*\)\. Cannot be modified with/,
    );
    await remove('owned');
    await ok('DELETE', '/networks/own');
    assert.deepEqual(plugin.state(), NOTHING);
  });

  test("out of a network without a gateway by a bridge of Gantry's", async () => {
    const options = { gateway: 'none' };
    await ok(
      'POST',
      '/networks/create',
      network('inner', options, { IPAM: { Config: [{ Subnet: `${subnet}.0/24` }] } }),
    );
    await run('peer', { inner: {} });
    await run('one', { inner: {} });
    const { NetworkSettings } = await inspect('one');
    assert.deepEqual(Object.keys(NetworkSettings.Networks), ['inner']);
    const gateway = async () => /default via (\S+) dev eth\d/.exec(await inside('one', 'ip', 'route'))?.[1];
    const bridge = await ok('GET', '/networks/docker_gwbridge');
    assert.equal(await gateway(), bridge.IPAM.Config[0].Gateway);
    assert.equal(Object.keys(bridge.Containers).length, 2);
    await finds('one', bridge.IPAM.Config[0].Gateway);
    await finds('one', 'peer');
    assert.doesNotMatch(
      await inside('one', 'busybox', 'nslookup', 'peer'),
      new RegExp(`Address.*: ${bridge.Containers[(await inspect('peer')).Id].IPv4Address.split('/')[0]}`),
    );
    assert.match(await inside('one', 'cat', '/etc/hosts'), new RegExp(`^${subnet}\\.`, 'm'));
    await daemon.kill9();
    await daemon.start();
    plugin.calls();
    // A network that leads out takes its place, and it is back when that one goes.
    await ok('POST', '/networks/bridge/connect', { Container: 'one' });
    assert.equal(await gateway(), `${daemon.subnet}.1`);
    assert.equal(Object.keys((await ok('GET', '/networks/docker_gwbridge')).Containers).length, 1);
    await ok('POST', '/networks/bridge/disconnect', { Container: 'one' });
    assert.equal(await gateway(), bridge.IPAM.Config[0].Gateway);
    await ok('POST', '/networks/inner/disconnect', { Container: 'one' });
    assert.equal(await gateway(), undefined);
    assert.doesNotMatch(await inside('one', 'ip', '-o', 'link'), /eth/);
    await ok('POST', '/networks/inner/connect', { Container: 'one' });
    assert.equal(await gateway(), bridge.IPAM.Config[0].Gateway);
    assert.deepEqual(plugin.methods(), ['Leave', 'DeleteEndpoint', 'CreateEndpoint', 'Join']);
    await remove('one', 'peer');
    await ok('DELETE', '/networks/inner');
    await ok('DELETE', '/networks/docker_gwbridge');
    assert.deepEqual(plugin.state(), NOTHING);
  });

  test('addresses of a plugin, on a bridge and on a network of its own', async () => {
    plugin.calls();
    const bridged = { Name: 'lent', IPAM: { Driver: name, Options: { subnet: `${subnet}.0/24` } }, EnableIPv6: true };
    await ok('POST', '/networks/create', bridged);
    const gateway = { RequestAddressType: 'com.docker.network.gateway' };
    const [PoolID, PoolID6] = [`here/${subnet}.0/24`, 'here/fd77:1::/64'];
    const pool = { AddressSpace: 'here', Pool: '', SubPool: '', Options: { subnet: `${subnet}.0/24` }, V6: false };
    assert.deepEqual(
      plugin.calls().filter(({ method }) => method.includes('Request')),
      [
        { method: 'IpamDriver.RequestPool', body: pool },
        { method: 'IpamDriver.RequestAddress', body: { PoolID, Address: '', Options: gateway } },
        { method: 'IpamDriver.RequestPool', body: { ...pool, V6: true } },
        { method: 'IpamDriver.RequestAddress', body: { PoolID: PoolID6, Address: '', Options: gateway } },
      ],
    );
    const { IPAM } = await ok('GET', '/networks/lent');
    assert.deepEqual(IPAM, {
      Driver: name,
      Options: { subnet: `${subnet}.0/24` },
      Config: [
        { Subnet: `${subnet}.0/24`, Gateway: `${subnet}.1` },
        { Subnet: 'fd77:1::/64', Gateway: 'fd77:1::1' },
      ],
    });
    await run('one', { lent: {} });
    const { Networks } = (await inspect('one')).NetworkSettings;
    assert.deepEqual(
      [Networks.lent.IPAddress, Networks.lent.GlobalIPv6Address, Networks.lent.Gateway],
      [`${subnet}.100`, 'fd77:1::100', `${subnet}.1`],
    );
    const [request] = plugin.calls();
    assert.deepEqual(request!.body, {
      PoolID,
      Address: '',
      Options: { 'com.docker.network.endpoint.macaddress': Networks.lent.MacAddress },
    });
    await run('two', { lent: {} });
    await finds('two', 'one');
    await finds('two', `${subnet}.1`);
    await ok('POST', '/containers/one/stop?t=0');
    assert.deepEqual(plugin.state().pools[PoolID]!.addresses, [`${subnet}.1`, `${subnet}.101`]);
    await remove('one', 'two');
    await ok('DELETE', '/networks/lent');
    assert.deepEqual(plugin.state(), NOTHING);

    const Config = [
      {
        Subnet: `${subnet}.0/24`,
        IPRange: `${subnet}.128/25`,
        Gateway: `${subnet}.3`,
        AuxiliaryAddresses: { x: `${subnet}.4` },
      },
    ];
    await ok('POST', '/networks/create', network('both', {}, { IPAM: { Driver: name, Config } }));
    assert.deepEqual(plugin.state().pools[PoolID]!.addresses, [`${subnet}.3`, `${subnet}.4`]);
    await run('one', { both: { IPAMConfig: { IPv4Address: `${subnet}.50` } } });
    const { Id } = await ok('POST', '/containers/create?name=two', {
      Image: 'busybox',
      Cmd: ['sleep', '1000'],
      HostConfig: { NetworkMode: 'both' },
      NetworkingConfig: { EndpointsConfig: { both: { IPAMConfig: { IPv4Address: `${subnet}.50` } } } },
    });
    assert.deepEqual(await refused('POST', `/containers/${Id}/start`, undefined), [
      500,
      `failed to set up container networking: remote: ${subnet}.50 is taken`,
    ]);
    await remove('one', 'two');
    await ok('DELETE', '/networks/both');
    assert.deepEqual(plugin.state(), NOTHING);
  });

  test('what is not there or does not go', async () => {
    const create = (body: object) => refused('POST', '/networks/create', { Name: 'x', ...body });
    assert.deepEqual(await create({ Driver: 'gantry-no-such' }), [404, 'plugin "gantry-no-such" not found']);
    assert.deepEqual(await create({ IPAM: { Driver: 'gantry-no-such' } }), [404, 'plugin "gantry-no-such" not found']);
    assert.deepEqual(await create({ IPAM: { Driver: 'null' } }), [400, 'ipv4 pool is empty']);
    const fixed = { Driver: 'null', Config: [{ Subnet: `${subnet}.0/24` }] };
    assert.deepEqual(await create({ Driver: name, IPAM: fixed }), [
      400,
      'null ipam driver does not handle specific address pool requests',
    ]);
    // The bridge of the daemon's is in the way.
    const taken = { Driver: name, Options: { subnet: `${daemon.subnet}.0/24` } };
    assert.deepEqual(await create({ IPAM: taken }), [403, 'its subnets overlap with those of network bridge']);
    assert.deepEqual(plugin.state(), NOTHING);
    assert.ok((await ok('GET', '/info')).Plugins.Network.includes(name));
  });

  test('the plugin refuses, or talks nonsense: nothing is left of it', async () => {
    const IPAM = { Driver: name, Options: { subnet: `${subnet}.0/24` } };
    for (const [call, message] of [
      ['IpamDriver.RequestPool', /told to refuse/],
      ['IpamDriver.RequestAddress', /^failed to allocate gateway \(\): remote: told to refuse$/],
      ['NetworkDriver.CreateNetwork', /^remote: told to refuse$/],
    ] as const) {
      plugin.faults({ [call]: 'refuse' });
      const [status, said] = await refused('POST', '/networks/create', network('bad', {}, { IPAM }));
      assert.equal(status, 500);
      assert.match(said, message);
      assert.deepEqual(plugin.state(), NOTHING, call);
      plugin.faults({ [call]: 'nonsense' });
      const [, nonsense] = await refused('POST', '/networks/create', network('bad', {}, { IPAM }));
      assert.match(nonsense, /the plugin's answer is no JSON object$/);
    }
    plugin.faults();
    // It had refused only after it had made it, for all we know: it is told to take back what it does not have.
    assert.deepEqual(plugin.state(), NOTHING);
    await ok('POST', '/networks/create', network('good', {}, { IPAM }));
    const { Id } = await ok('POST', '/containers/create?name=unlucky', {
      Image: 'busybox',
      Cmd: ['sleep', '1000'],
      HostConfig: { NetworkMode: 'good' },
    });
    const links = () => plugin.ports();
    const failure = 'failed to set up container networking: ';
    for (const [call, message] of [
      ['IpamDriver.RequestAddress', /^remote: told to refuse$/],
      ['NetworkDriver.CreateEndpoint', /^failed to create endpoint unlucky on network good: remote: told to refuse$/],
      ['NetworkDriver.Join', /^remote: told to refuse$/],
      [
        'NetworkDriver.ProgramExternalConnectivity',
        /^driver failed programming external connectivity on endpoint unlucky \([0-9a-f]{64}\): remote: told to refuse$/,
      ],
    ] as const) {
      for (const fault of ['refuse', 'nonsense']) {
        plugin.faults({ [call]: fault });
        const [status, said] = await refused('POST', `/containers/${Id}/start`, undefined);
        assert.deepEqual([status, said.startsWith(failure)], [500, true], said);
        if (fault === 'refuse') assert.match(said.slice(failure.length), message);
        else assert.match(said, /the plugin's answer is no JSON object$/);
        const { endpoints, pools } = plugin.state();
        assert.deepEqual(
          [endpoints, pools[`here/${subnet}.0/24`]!.addresses],
          [{}, [`${subnet}.1`]],
          `${call} ${fault}`,
        );
        assert.deepEqual(links(), []);
      }
    }
    for (const [fault, message] of [
      [{ InterfaceName: { SrcName: 'gantry-none', DstPrefix: 'eth' } }, /has made no interface "gantry-none"$/],
      [{ InterfaceName: { SrcName: 'x' }, Gateway: '10.1' }, /unable to parse Gateway "10\.1"/],
    ] as const) {
      plugin.faults({ 'NetworkDriver.Join': fault });
      const [, said] = await refused('POST', `/containers/${Id}/start`, undefined);
      assert.match(said, message);
      assert.deepEqual([plugin.state().endpoints, links()], [{}, []]);
    }
    // Without the calls that a plugin need not know.
    plugin.faults({
      'NetworkDriver.ProgramExternalConnectivity': 'unknown',
      'NetworkDriver.RevokeExternalConnectivity': 'unknown',
    });
    await ok('POST', `/containers/${Id}/start`);
    plugin.faults({ 'NetworkDriver.Leave': 'refuse', 'NetworkDriver.DeleteEndpoint': 'complain' });
    await ok('POST', `/containers/${Id}/stop?t=0`);
    assert.equal((await inspect(Id)).State.Status, 'exited', 'a plugin cannot keep a container from stopping');
    plugin.faults();
    const connected = await run('later', { bridge: {} });
    plugin.faults({ 'NetworkDriver.Join': 'refuse' });
    const [status] = await refused('POST', '/networks/good/connect', { Container: connected });
    assert.equal(status, 500);
    plugin.faults();
    assert.deepEqual(Object.keys((await inspect('later')).NetworkSettings.Networks), ['bridge']);
    await ok('POST', '/networks/good/connect', { Container: connected });
    await remove('unlucky', 'later');
    await ok('DELETE', '/networks/good');
    assert.deepEqual(plugin.state(), NOTHING);
  });

  test('the daemon is killed: containers go on; what nobody uses any more is taken back', async () => {
    const IPAM = { Driver: name, Options: { subnet: `${subnet}.0/24` } };
    await ok('POST', '/networks/create', network('kept', {}, { IPAM }));
    await run('lives', { kept: {} });
    const dies = await run('dies', { kept: {} });
    const { Pid } = (await inspect('dies')).State;
    const before = (await inspect('lives')).NetworkSettings.Networks.kept;
    plugin.calls();
    await daemon.kill9();
    process.kill(Pid, 'SIGKILL');
    await daemon.start();
    assert.deepEqual((await inspect('lives')).NetworkSettings.Networks.kept, before);
    while (Object.keys(plugin.state().endpoints).length > 1) await sleep(20);
    const held = () => plugin.state().pools[`here/${subnet}.0/24`]?.addresses;
    while (held()!.length > 2) await sleep(20);
    assert.deepEqual(
      [Object.keys(plugin.state().endpoints), held()],
      [[before.EndpointID], [`${subnet}.1`, before.IPAddress]],
    );
    await ok('POST', `/containers/${dies}/start`);
    await finds('lives', 'dies');
    await finds('dies', 'lives');
    // In the midst of a start, of a connect and of the making of a network.
    await remove('dies');
    const { Id } = await ok('POST', '/containers/create?name=half', {
      Image: 'busybox',
      Cmd: ['sleep', '1000'],
      HostConfig: { NetworkMode: 'kept' },
    });
    for (const call of ['IpamDriver.RequestAddress', 'NetworkDriver.CreateEndpoint', 'NetworkDriver.Join']) {
      plugin.faults({ [call]: 'hang' });
      plugin.calls();
      const start = daemon.request('POST', `/containers/${Id}/start`).catch(() => null);
      while (!plugin.calls().some(({ method }) => method === call)) await sleep(10);
      await daemon.kill9();
      await start;
      plugin.faults();
      await daemon.start();
      while (held()!.length > 2 || Object.keys(plugin.state().endpoints).length > 1) await sleep(20);
      assert.equal((await inspect('half')).State.Status, 'created');
    }
    await ok('POST', `/containers/${Id}/start`);
    await finds('half', 'lives');
    await remove('half');
    plugin.faults({ 'NetworkDriver.CreateNetwork': 'hang' });
    plugin.calls();
    const making = daemon
      .request(
        'POST',
        '/networks/create',
        network('never', {}, { IPAM: { Driver: name, Options: { subnet: '10.211.9.0/24' } } }),
      )
      .catch(() => null);
    while (!plugin.calls().some(({ method }) => method.endsWith('CreateNetwork'))) await sleep(10);
    await daemon.kill9();
    await making;
    plugin.faults();
    await daemon.start();
    while (Object.keys(plugin.state().pools).length > 1) await sleep(20);
    assert.equal((await daemon.request('GET', '/networks/never')).status, 404);
    await remove('lives');
    await ok('DELETE', '/networks/kept');
    assert.deepEqual(plugin.state(), NOTHING);
  });

  test('the plugin dies: what it missed it is told when it is back; a start waits for it', async () => {
    await ok('POST', '/networks/create', network('frail', {}, { IPAM: { Config: [{ Subnet: `${subnet}.0/24` }] } }));
    await run('one', { frail: {} });
    await plugin.kill();
    const began = daemon.logs().length;
    await ok('POST', '/containers/one/stop?t=0');
    assert.match(daemon.logs().slice(began), /a plugin does not let go of what it has made/);
    assert.equal(Object.keys(plugin.state().endpoints).length, 1);
    // It takes up its work while a start waits for it.
    const start = ok('POST', '/containers/one/start');
    await plugin.start();
    await start;
    assert.equal(Object.keys(plugin.state().endpoints).length, 1, 'the old endpoint went first');
    plugin.faults({ 'NetworkDriver.CreateEndpoint': 'die-after' });
    const two = await ok('POST', '/containers/create?name=two', {
      Image: 'busybox',
      Cmd: ['sleep', '1000'],
      HostConfig: { NetworkMode: 'frail' },
    });
    const [status, message] = await refused('POST', `/containers/${two.Id}/start`, undefined);
    assert.equal(status, 500);
    assert.match(message, /failed to create endpoint two on network frail: .*the plugin does not answer/);
    plugin.faults();
    await plugin.kill();
    await plugin.start();
    assert.equal(Object.keys(plugin.state().endpoints).length, 2);
    await ok('POST', `/containers/${two.Id}/start`);
    assert.equal(Object.keys(plugin.state().endpoints).length, 2);
    await finds('one', 'two');
    await remove('one', 'two');
    // The network goes although its plugin is away, as with dockerd.
    await plugin.kill();
    await ok('DELETE', '/networks/frail');
    await plugin.start();
    await settled();
    assert.deepEqual(plugin.state(), NOTHING);
  });
});
