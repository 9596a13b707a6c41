import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { listMounts, MNT_DETACH, umount } from '../../src/linux/mount.ts';
import { pinNetworkNamespace } from '../../src/linux/namespace.ts';
import { RouteSocket } from '../../src/linux/netlink/route.ts';
import type { NetworkRecord } from '../../src/network/contract.ts';
import { LocalNetworks } from '../../src/network/local-networks.ts';
import { alive, bridged, bridgeOptions, endpoint, sandbox } from '../support/network-requests.ts';
import { enterOwnNetworkNamespace, sh } from '../support/own-namespace.ts';

/**
 * The suite that every network driver passes, and what each is alone in. In a network namespace of its own that plays the host, with a
 * link ("up0") to another that plays a machine outside.
 */
const OUTSIDE = '203.0.113.2';
const OUTSIDE6 = '2001:db8:9::2';

interface Kind {
  title: string;
  driver: string;
  options: Record<string, string>;
  subnet: string;
  gateway: string;
  /** Containers on the network reach each other. */
  neighbours: boolean;
  /** No second container can be on it. */
  single?: boolean;
}

const onLink = { subnet: '203.0.113.0/24', gateway: OUTSIDE };
const kinds: Kind[] = [
  { title: 'bridge', driver: 'bridge', options: {}, subnet: '10.50.0.0/24', gateway: '', neighbours: true },
  ...['bridge', 'private', 'vepa', 'passthru'].map((mode) => ({
    title: `macvlan, ${mode}`,
    driver: 'macvlan',
    options: { parent: 'up0', macvlan_mode: mode },
    ...onLink,
    neighbours: mode === 'bridge',
    single: mode === 'passthru',
  })),
  ...['l2', 'l3', 'l3s'].map((mode) => ({
    title: `ipvlan, ${mode}`,
    driver: 'ipvlan',
    options: { parent: 'up0', ipvlan_mode: mode },
    // In layer 3 nobody asks who has an address: others need a route to the subnet.
    ...(mode === 'l2' ? onLink : { subnet: '10.70.0.0/24', gateway: '' }),
    neighbours: true,
  })),
];

const skip = process.getuid?.() === 0 ? false : 'needs root';
const warnings: string[] = [];
const log = {
  info: () => {},
  warn: (message: string, fields?: unknown) => {
    warnings.push(`${message} ${JSON.stringify(fields)}`);
  },
};
let directory = '';
let outside = '';

const inside = (path: string, command: string): string => sh(`nsenter --net=${path} sh -c '${command}'`);

/** Whether a packet comes back. */
const reaches = (path: string, address: string): boolean =>
  spawnSync('nsenter', [`--net=${path}`, 'busybox', 'ping', '-c1', '-W1', address]).status === 0;

function networks(): LocalNetworks {
  const none = { dns: [], dnsSearch: [], dnsOptions: [] };
  const execRoot = join(directory, 'run');
  return new LocalNetworks(bridgeOptions('gt0'), { execRoot, engineId: 'test', dns: none, hostGatewayIps: [], log });
}

function record(name: string, more: Partial<NetworkRecord> = {}): NetworkRecord {
  return {
    id: randomBytes(32).toString('hex'),
    name,
    created: new Date().toISOString(),
    driver: 'bridge',
    enableIpv4: true,
    enableIpv6: false,
    internal: false,
    attachable: false,
    labels: {},
    options: {},
    ipam: { driver: 'default', options: null, config: [] },
    pools: [],
    ...more,
  };
}

async function make(net: LocalNetworks, network: NetworkRecord): Promise<NetworkRecord> {
  net.prepare(network);
  await net.add(network);
  return network;
}

function ofKind(kind: Kind, name = 'net1'): NetworkRecord {
  const config = [
    {
      Subnet: kind.subnet,
      ...(kind.gateway === '' ? {} : { Gateway: kind.gateway, AuxiliaryAddresses: { host: '203.0.113.1' } }),
    },
  ];
  const { driver, options } = kind;
  return record(name, { driver, options: { ...options }, ipam: { driver: 'default', options: null, config } });
}

/** All that the networks may leave behind. */
function traces(): string {
  const pins = listMounts().filter(({ mountPoint }) => mountPoint.startsWith(directory) && mountPoint !== outside);
  return [
    sh('ip -o link').replace(/^\d+: /gm, ''),
    sh('ip -o addr show scope global'),
    sh('nft list ruleset'),
    ...pins.map(({ mountPoint }) => mountPoint),
  ].join('\n');
}

/** Why a kind cannot be tried, false when the kernel has it: then it complains of the parent, which is none. */
function missing(driver: string): string | false {
  if (driver !== 'macvlan' && driver !== 'ipvlan' && driver !== 'vlan') return false;
  const routes = new RouteSocket();
  try {
    routes.addStacked({ kind: driver, name: 'gtprobe', mode: 1, parent: 0x7fffffff });
    return 'the kernel takes a parent that is none';
  } catch (error) {
    return (error as { code?: string }).code === 'EOPNOTSUPP' ? `this kernel has no ${driver}` : false;
  } finally {
    routes.close();
  }
}

describe('network drivers', { skip }, () => {
  let clean = '';

  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'gantry-drivers-'));
    outside = join(directory, 'outside');
    enterOwnNetworkNamespace();
    pinNetworkNamespace(outside, () => {});
    sh(`ip link set lo up; ip link add up0 type veth peer name eth0 netns ${outside}
        ip addr add 203.0.113.1/24 dev up0; ip addr add 2001:db8:9::1/64 dev up0 nodad; ip link set up0 up
        nsenter --net=${outside} sh -c 'ip addr add ${OUTSIDE}/24 dev eth0; ip addr add ${OUTSIDE6}/64 dev eth0 nodad; ip link set eth0 up; ip route add 10.70.0.0/24 via 203.0.113.1'`);
    clean = traces();
  });

  after(() => {
    for (const entry of listMounts().reverse()) {
      if (entry.mountPoint.startsWith(directory)) umount(entry.mountPoint, MNT_DETACH);
    }
    rmSync(directory, { recursive: true });
    assert.deepEqual(warnings, []);
  });

  for (const kind of kinds) {
    describe(kind.title, { skip: skip || missing(kind.driver) }, () => {
      test('containers on it, and a daemon that is started again', async () => {
        const net = networks();
        await net.init([], []);
        // The link's own subnet is another's for a bridge, and that of the network for what stands on the link.
        const network = await make(net, ofKind(kind));
        const one = net.createSandbox(sandbox('one', endpoint('net1')));
        const first = one.endpoints[0]!;
        assert.equal(first.networkId, network.id);
        assert.match(inside(one.path, 'ip -4 -o addr show eth0'), new RegExp(`${first.ipAddress}/24`));
        assert.ok(reaches(one.path, OUTSIDE), 'outside');
        if (kind.single === true) {
          assert.throws(() => net.createSandbox(sandbox('two', endpoint('net1'))), {
            code: 'conflict',
            message: "network net1 is in passthru mode: its parent up0 is one container's alone",
          });
        } else {
          const two = net.createSandbox(
            sandbox('two', endpoint('net1', { ipAddress: kind.subnet.replace('0/24', '99') })),
          );
          assert.equal(reaches(one.path, two.endpoints[0]!.ipAddress), kind.neighbours);
          assert.throws(
            () => net.createSandbox(sandbox('x', endpoint('net1', { ipAddress: two.endpoints[0]!.ipAddress }))),
            {
              message: 'Address already in use',
            },
          );
          net.releaseSandbox('two');
        }
        await net.close({ keepLive: true });
        const again = networks();
        await again.init([network], [alive('one', one.endpoints)]);
        assert.ok(reaches(one.path, OUTSIDE), 'outside, after a start of the daemon');
        assert.throws(() => again.createSandbox(sandbox('x', endpoint('net1', { ipAddress: first.ipAddress }))), {
          message: 'Address already in use',
        });
        again.releaseSandbox('one');
        await again.remove(network.id);
        assert.equal(again.find('net1'), undefined);
        await again.close({ keepLive: false });
        assert.equal(traces(), clean);
      });

      test('connected and disconnected while the container runs', async () => {
        const net = networks();
        await net.init([], []);
        const network = await make(net, ofKind(kind));
        const { path } = net.createSandbox(bridged('one'));
        const one = { containerId: 'one', name: 'one' };
        const made = await net.connect(one, endpoint('net1', { gatewayPriority: 1 }));
        assert.equal(made.interfaceName, 'eth1');
        assert.match(inside(path, 'ip -4 route'), /^default .*dev eth1/m);
        assert.ok(reaches(path, OUTSIDE));
        await assert.rejects(net.connect(one, endpoint('net1')), {
          code: 'forbidden',
          message: 'endpoint with name one already exists in network net1',
        });
        await net.disconnect('one', network.id);
        assert.doesNotMatch(inside(path, 'ip -o link'), /eth1/);
        assert.match(inside(path, 'ip -4 route'), /^default .*dev eth0/m);
        assert.ok(reaches(path, OUTSIDE));
        // The address is free again, and so is the name of the interface.
        assert.equal((await net.connect(one, endpoint('net1'))).ipAddress, made.ipAddress);
        assert.ok('eth1' in net.counters('one'));
        net.releaseSandbox('one');
        await net.remove(network.id);
        await net.close({ keepLive: false });
        assert.equal(traces(), clean);
      });

      test('a container that changes its own interfaces leaves the network all the same', async () => {
        const net = networks();
        await net.init([], []);
        const network = await make(net, ofKind(kind));
        const made = net.createSandbox(sandbox('one', endpoint('bridge'), endpoint('net1')));
        // What CAP_NET_ADMIN lets it do.
        inside(made.path, 'ip link set eth1 down; ip link set eth1 name own; ip link set own up');
        inside(made.path, 'ip route del default; ip link set eth0 down; ip route add default dev own metric 3');
        await net.disconnect('one', network.id);
        assert.doesNotMatch(inside(made.path, 'ip -o link'), /own/);
        const again = await net.connect({ containerId: 'one', name: 'one' }, endpoint('net1', { gatewayPriority: 1 }));
        inside(made.path, 'ip link set eth0 name first');
        await net.disconnect('one', network.id);
        assert.doesNotMatch(inside(made.path, 'ip -o link'), new RegExp(again.interfaceName));
        await net.disconnect('one', net.find('bridge')!.id);
        assert.equal(inside(made.path, 'ip -o link').trim().split('\n').length, 1);
        net.releaseSandbox('one');
        await net.remove(network.id);
        await net.close({ keepLive: false });
        assert.equal(traces(), clean);
      });

      test('an internal one leads nowhere else', async () => {
        const net = networks();
        await net.init([], []);
        const network = await make(net, { ...ofKind(kind), internal: true });
        const one = net.createSandbox(sandbox('one', endpoint('net1')));
        assert.equal(one.endpoints[0]!.gateway, '');
        assert.doesNotMatch(inside(one.path, 'ip route'), /default/);
        if (kind.driver === 'bridge') {
          inside(one.path, `ip route add default via ${network.pools[0]!.gateway}`);
          assert.ok(!reaches(one.path, OUTSIDE), 'nor with a route of its own making');
        }
        net.releaseSandbox('one');
        await net.remove(network.id);
        await net.close({ keepLive: false });
        assert.equal(traces(), clean);
      });
    });
  }

  test('bridge: options, and networks apart from each other', async () => {
    const net = networks();
    await net.init([], []);
    const options = {
      'com.docker.network.bridge.name': 'gt7',
      'com.docker.network.bridge.enable_icc': 'false',
      'com.docker.network.bridge.enable_ip_masquerade': 'false',
      'com.docker.network.driver.mtu': '1400',
      'com.docker.network.container_iface_prefix': 'net',
    };
    await make(net, record('a', { options }));
    await make(net, record('b', { options: { 'com.docker.network.bridge.inhibit_ipv4': 'true' } }));
    const a1 = net.createSandbox(sandbox('a1', endpoint('a')));
    const a2 = net.createSandbox(sandbox('a2', endpoint('a')));
    const b1 = net.createSandbox(sandbox('b1', endpoint('b')));
    const b2 = net.createSandbox(sandbox('b2', endpoint('b')));
    assert.match(inside(a1.path, 'ip link show net0'), /mtu 1400/);
    assert.ok(reaches(a1.path, a1.endpoints[0]!.gateway));
    assert.ok(!reaches(a1.path, a2.endpoints[0]!.ipAddress), 'no inter-container communication');
    assert.ok(!reaches(a1.path, OUTSIDE), "its address is not the host's: no answer finds the way");
    sh(`nsenter --net=${outside} ip route add ${a1.endpoints[0]!.ipAddress} via 203.0.113.1`);
    assert.ok(reaches(a1.path, OUTSIDE));
    sh(`nsenter --net=${outside} ip route del ${a1.endpoints[0]!.ipAddress}`);
    assert.ok(reaches(b1.path, b2.endpoints[0]!.ipAddress));
    assert.ok(!reaches(b1.path, b1.endpoints[0]!.gateway), 'the bridge has no address');
    assert.ok(!reaches(a1.path, b1.endpoints[0]!.ipAddress), 'networks are apart');
    for (const id of ['a1', 'a2', 'b1', 'b2']) net.releaseSandbox(id);
    for (const name of ['a', 'b']) await net.remove(net.find(name)!.id);
    await net.close({ keepLive: false });
    assert.equal(traces(), clean);
  });

  test('bridge: gateway modes, trusted interfaces, source addresses, another router', async () => {
    const net = networks();
    await net.init([], []);
    const mode = (value: string) => ({ 'com.docker.network.bridge.gateway_mode_ipv4': value });
    const kinds: [string, Partial<NetworkRecord>][] = [
      ['nat', { options: mode('nat') }],
      ['routed', { options: mode('routed') }],
      ['open', { options: mode('nat-unprotected') }],
      ['trusting', { options: { 'com.docker.network.bridge.trusted_host_interfaces': 'none0:up0' } }],
      ['source', { options: { 'com.docker.network.host_ipv4': '203.0.113.77' } }],
    ];
    assert.throws(() => net.prepare(record('x', { options: mode('isolated') })), {
      message: "gateway mode 'isolated' can only be used for an internal network",
    });
    assert.throws(() => net.prepare(record('x', { options: mode('x') })), { message: /unknown gateway mode x/ });
    for (const [name, more] of kinds) {
      await make(net, record(name, more));
      net.createSandbox(sandbox(name, endpoint(name)));
    }
    const address = (name: string) =>
      net.sandboxes().find((one) => one.name === name)!.attachments[0]!.endpoint.ipAddress;
    const path = (name: string) => net.sandboxes().find((one) => one.name === name)!.path;
    // Nobody listens: a packet that arrives is answered with a refusal.
    const arrives = (name: string, port: number, patience: number): boolean => {
      const connect = `timeout ${patience} bash -c ': </dev/tcp/${address(name)}/${port}'`;
      return /refused/.test(
        spawnSync('nsenter', [`--net=${outside}`, 'sh', '-c', connect], { encoding: 'utf8' }).stderr,
      );
    };
    for (const [name] of kinds) sh(`nsenter --net=${outside} ip route add ${address(name)} via 203.0.113.1`);
    assert.deepEqual(
      kinds.filter(([name]) => reaches(outside, address(name))).map(([name]) => name),
      ['routed', 'open', 'trusting'],
    );
    assert.ok(arrives('open', 80, 60) && arrives('trusting', 80, 60));
    assert.ok(!arrives('nat', 80, 1) && !arrives('routed', 80, 1));
    net.openPorts('routed', [{ address: address('routed'), protocol: 'tcp', port: 80 }]);
    await net.add(record('last')); // The rules are made one after the other.
    assert.ok(arrives('routed', 80, 60) && !arrives('routed', 81, 1));
    // Who leaves with which source address: outside answers all but the host's first one.
    sh(`ip addr add 203.0.113.77/24 dev up0; nsenter --net=${outside} ip route add blackhole 203.0.113.1/32`);
    assert.deepEqual(
      ['nat', 'source', 'routed'].map((name) => reaches(path(name), OUTSIDE)),
      [false, true, true],
    );
    sh(`ip addr del 203.0.113.77/24 dev up0; nsenter --net=${outside} ip route del blackhole 203.0.113.1/32`);
    for (const [name] of kinds) {
      sh(`nsenter --net=${outside} ip route del ${address(name)}`);
      net.releaseSandbox(name);
      await net.remove(net.find(name)!.id);
    }
    await net.remove(net.find('last')!.id);

    const config = [{ Subnet: '10.62.0.0/24', AuxiliaryAddresses: { DefaultGatewayIPv4: '10.62.0.9' } }];
    await make(net, record('router', { ipam: { driver: 'default', options: null, config } }));
    assert.equal(net.createSandbox(sandbox('routed', endpoint('router'))).endpoints[0]!.gateway, '10.62.0.9');
    const isolated = await make(net, record('isolated', { internal: true, options: mode('isolated') }));
    const alone = net.createSandbox(sandbox('alone', endpoint('isolated')));
    assert.match(alone.endpoints[0]!.ipAddress, /\.1$/, 'no gateway has it');
    assert.equal(sh(`ip -o addr show dev br-${isolated.id.slice(0, 12)}`), '');
    for (const id of ['routed', 'alone']) net.releaseSandbox(id);
    for (const name of ['router', 'isolated']) await net.remove(net.find(name)!.id);
    await net.close({ keepLive: false });
    assert.equal(traces(), clean);
  });

  test('bridge: IPv6 with and without IPv4', async () => {
    const net = networks();
    await net.init([], []);
    await make(net, record('dual', { enableIpv6: true }));
    const config = [{ Subnet: 'fd00:7::/64', Gateway: 'fd00:7::fe' }];
    const six = record('six', {
      enableIpv4: false,
      enableIpv6: true,
      ipam: { driver: 'default', options: null, config },
    });
    await make(net, six);
    const one = net.createSandbox(sandbox('one', endpoint('dual')));
    const two = net.createSandbox(sandbox('two', endpoint('dual', { linkLocalIps: ['169.254.7.7', 'fe80::77'] })));
    const only = net.createSandbox(sandbox('only', endpoint('six', { ipv6Address: 'fd00:7::9' })));
    assert.ok(reaches(one.path, two.endpoints[0]!.ipAddress) && reaches(one.path, two.endpoints[0]!.ipv6Address));
    assert.ok(reaches(one.path, OUTSIDE) && reaches(one.path, OUTSIDE6), 'both families are masqueraded');
    assert.match(inside(two.path, 'ip addr show eth0'), /169\.254\.7\.7\/16[\s\S]*fe80::77\/64/);
    assert.deepEqual([only.endpoints[0]!.ipAddress, only.endpoints[0]!.ipv6Gateway], ['', 'fd00:7::fe']);
    assert.ok(reaches(only.path, OUTSIDE6));
    assert.ok(!reaches(only.path, two.endpoints[0]!.ipv6Address), 'networks are apart');
    for (const key of ['accept_ra', 'accept_redirects']) {
      assert.equal(sh(`cat /proc/sys/net/ipv6/conf/gt0/${key}`).trim(), '0', 'no container is a router to the host');
    }
    assert.equal(inside(one.path, 'cat /proc/sys/net/ipv6/conf/eth0/accept_ra').trim(), '0');
    // Neighbours know the address by its link address: the same after a restart, another one is announced.
    const peer = net.createSandbox(sandbox('peer', endpoint('six')));
    for (const macAddress of ['', '02:00:00:00:00:99']) {
      assert.ok(reaches(peer.path, 'fd00:7::9'));
      net.releaseSandbox('only');
      const back = net.createSandbox(sandbox('only', endpoint('six', { ipv6Address: 'fd00:7::9', macAddress })));
      const mac = back.endpoints[0]!.macAddress;
      assert.equal(mac, macAddress || only.endpoints[0]!.macAddress);
      assert.ok(reaches(peer.path, 'fd00:7::9'), `at once, by ${mac}`);
    }
    net.releaseSandbox('peer');
    for (const id of ['one', 'two', 'only']) net.releaseSandbox(id);
    for (const name of ['dual', 'six']) await net.remove(net.find(name)!.id);
    await net.close({ keepLive: false });
    assert.equal(traces(), clean);
  });

  test('subnets that overlap, and hundreds that do not', async () => {
    const net = networks();
    await net.init([], []);
    const asking = (subnet: string, more: Partial<NetworkRecord> = {}) =>
      record('x', { ...more, ipam: { driver: 'default', options: null, config: [{ Subnet: subnet }] } });
    await make(net, { ...asking('10.60.0.0/16'), name: 'big' });
    assert.throws(() => net.prepare(asking('10.60.7.0/24')), {
      code: 'forbidden',
      message: 'invalid pool request: Pool overlaps with other one on this address space',
    });
    assert.throws(() => net.prepare(asking('203.0.0.0/16')), {
      code: 'forbidden',
      message: /host's network 203\.0\.113\./,
    });
    const many: NetworkRecord[] = [];
    for (let i = 0; i < 100; i++) many.push(await make(net, record(`many${i}`)));
    assert.equal(new Set(many.map(({ pools }) => pools[0]!.subnet)).size, 100);
    for (const { id } of many) await net.remove(id);
    await net.remove(net.find('big')!.id);
    await net.close({ keepLive: false });
    assert.equal(traces(), clean);
  });

  test('stored networks that have come to overlap: the daemon starts, the second one waits to be removed', async () => {
    const overlapping = (name: string) =>
      record(name, { ipam: { driver: 'default', options: null, config: [{ Subnet: '10.61.0.0/16' }] } });
    const [one, other] = [overlapping('one'), overlapping('other')];
    const before = networks();
    await before.init([], []);
    for (const network of [one, other]) before.prepare(network);
    await before.add(one);
    await before.close({ keepLive: true });
    const left = `br-${other.id.slice(0, 12)}`;
    sh(
      `ip link add ${left} type bridge; ip link set ${left} alias gantry:${left}; ip addr add 10.61.0.1/16 dev ${left}`,
    );
    const net = networks();
    await net.init([one, other], []);
    assert.match(
      warnings.splice(0).join(),
      /cannot bring up a network .*its subnets overlap with those of network one/,
    );
    assert.equal(sh('ip -o -4 addr show to 10.61.0.0/16').trim().split('\n').length, 1, 'one bridge has the address');
    assert.throws(() => net.createSandbox(sandbox('on-other', endpoint('other'))), { code: 'unavailable' });
    net.createSandbox(sandbox('on-one', endpoint('one')));
    net.releaseSandbox('on-one');
    // Gone at once for whoever asks next, whatever the rules are waiting for.
    const rules = net.remove(one.id);
    assert.equal(net.find('one'), undefined);
    await rules;
    await net.remove(other.id);
    await net.close({ keepLive: false });
    assert.equal(traces(), clean);
  });

  test('macvlan: what a parent allows', async () => {
    const net = networks();
    await net.init([], []);
    const on = (options: Record<string, string>, driver = 'macvlan') => record('x', { driver, options });
    const passthru = { parent: 'up0', macvlan_mode: 'passthru' };
    const first = await make(net, { ...on({ parent: 'up0' }), name: 'first' });
    assert.throws(() => net.prepare(on(passthru)), {
      code: 'forbidden',
      message: 'network first is already using parent interface up0',
    });
    assert.throws(() => net.prepare(on({ parent: 'lo' })), {
      message: /loopback interface is not a valid macvlan parent/,
    });
    assert.throws(() => net.prepare(on({ parent: 'nope' })), { message: /invalid subinterface vlan name nope/ });
    assert.throws(() => net.prepare(on({ parent: 'nope.7' })), { message: /not found on the host: nope/ });
    assert.throws(() => net.prepare(on({ parent: 'up0', macvlan_mode: 'x' })), {
      message: /macvlan mode 'x' is not valid/,
    });
    if (missing('ipvlan') !== false) {
      assert.throws(() => net.prepare(on({ parent: 'up0' }, 'ipvlan')), {
        code: 'not_supported',
        message: /no ipvlan/,
      });
    }
    if (missing('vlan') !== false) {
      assert.throws(() => net.prepare(on({ parent: 'up0.7' })), { code: 'not_supported', message: /no 802.1Q VLANs/ });
    } else {
      const tagged = await make(net, { ...on({ parent: 'up0.7' }), name: 'tagged' });
      const other = await make(net, { ...on({ parent: 'up0.7' }), name: 'other' });
      assert.match(sh('ip -d link show up0.7'), /802\.1Q id 7/);
      await net.remove(tagged.id);
      assert.match(sh('ip -d link show up0.7'), /802\.1Q id 7/, 'another network is on it');
      await net.remove(other.id);
      sh('ip link add link up0 name up0.8 type vlan id 8');
      const used = await make(net, { ...on({ parent: 'up0.8' }), name: 'used' });
      await net.remove(used.id);
      sh('ip link del up0.8'); // An administrator's stays, and is removed by that one.
      // Without a parent: a link that leads nowhere, for the containers alone.
      const nowhere = await make(net, { ...on({}), name: 'nowhere' });
      const [one, two] = ['one', 'two'].map((id) => net.createSandbox(sandbox(id, endpoint('nowhere'))));
      assert.ok(reaches(one!.path, two!.endpoints[0]!.ipAddress));
      for (const id of ['one', 'two']) net.releaseSandbox(id);
      await net.remove(nowhere.id);
    }
    await net.remove(first.id);
    await net.close({ keepLive: false });
    assert.equal(traces(), clean);
  });

  test('those who follow the containers are told of all that happens', async () => {
    const net = networks();
    const told: string[] = [];
    net.observe({
      opened: ({ containerId, path, attachments }) =>
        void told.push(
          `opened ${containerId} ${path !== ''} ${attachments.map(({ names }) => names.join('+')).join()}`,
        ),
      closed: (id) => void told.push(`closed ${id}`),
      attached: ({ attachments }, { endpoint: { networkName }, bridgeName }) =>
        void told.push(`attached ${networkName} ${bridgeName} of ${attachments.length}`),
      detached: ({ attachments }, { endpoint: { networkName } }) =>
        void told.push(`detached ${networkName} of ${attachments.length}`),
      restored: () => void told.push('restored'),
      renamed: ({ name, attachments }) => void told.push(`renamed ${name} ${attachments[0]!.names.join('+')}`),
      gatewayChanged: (_, gateway) => void told.push(`gateway ${gateway?.endpoint.networkName}`),
    });
    await net.init([], []);
    const options = { 'com.docker.network.bridge.name': 'gt8' };
    const network = await make(net, record('a', { options }));
    net.createSandbox(bridged('one', { aliases: ['x'] }));
    await net.connect({ containerId: 'one', name: 'one' }, endpoint('a', { gatewayPriority: 2 }));
    net.rename('one', 'new');
    await net.disconnect('one', network.id);
    net.releaseSandbox('one');
    assert.deepEqual(told, [
      'restored',
      'opened one true one+x',
      'gateway bridge',
      'attached a gt8 of 2',
      'gateway a',
      'renamed new new+x+one',
      'gateway bridge',
      'detached a of 1',
      'closed one',
    ]);
    await net.remove(network.id);
    await net.close({ keepLive: false });
    assert.equal(traces(), clean);
  });
});
