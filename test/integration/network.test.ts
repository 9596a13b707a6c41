import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { listMounts, MNT_DETACH, umount } from '../../src/linux/mount.ts';
import { inNetworkNamespace, pinNetworkNamespace } from '../../src/linux/namespace.ts';
import { RouteSocket } from '../../src/linux/netlink/route.ts';
import type { BridgeOptions } from '../../src/network/contract.ts';
import { LocalNetworks } from '../../src/network/local-networks.ts';
import { alive, bridged, bridgeOptions, sandbox } from '../support/network-requests.ts';
import { enterOwnNetworkNamespace, sh } from '../support/own-namespace.ts';

/**
 * Runs in a network namespace of its own that plays the host, joined by a pair of interfaces to another that plays the outside world: no
 * rule, policy or interface of the machine is touched.
 */
const OUTSIDE = '203.0.113.2';
const UPLINK = '203.0.113.1';
const none = { dns: [], dnsSearch: [], dnsOptions: [] };

const skip = process.getuid?.() === 0 ? false : 'needs root';
let directory = '';
let outside = '';
const servers: Server[] = [];
const warnings: string[] = [];
const log = {
  info: () => {},
  warn: (message: string, fields?: unknown) => {
    warnings.push(`${message} ${JSON.stringify(fields)}`);
  },
};

/** stdout of a program inside a namespace, undefined when it fails; does not block the servers of this process. */
async function inside(path: string, command: string): Promise<string | undefined> {
  const child = spawn('nsenter', [`--net=${path}`, 'bash', '-c', command], { stdio: ['ignore', 'pipe', 'ignore'] });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    output += chunk;
  });
  const status = await new Promise((resolve) => child.on('close', resolve));
  return status === 0 ? output : undefined;
}

/** The address under which a server at `address` sees a client in the namespace, undefined when it cannot be reached. */
const seenAs = (path: string, address: string): Promise<string | undefined> =>
  inside(path, `exec timeout 2 bash -c 'exec 3<>/dev/tcp/${address}/8080 && cat <&3'`);

/** Listens on port 8080 in a namespace and tells each client its address. listen() binds at once, so within the namespace. */
function serve(path: string): void {
  const server = createServer((client) =>
    client.on('error', () => {}).end((client.remoteAddress ?? '').replace('::ffff:', '')),
  );
  servers.push(server);
  inNetworkNamespace(path, () => server.listen({ port: 8080, exclusive: true }));
}

function networks(name: string, changes: Partial<BridgeOptions> = {}): LocalNetworks {
  return new LocalNetworks(bridgeOptions(name, changes), {
    execRoot: join(directory, name),
    engineId: name,
    dns: none,
    hostGatewayIps: [],
    log,
  });
}

/** All that the networks may leave behind. */
function traces(): string {
  const pins = listMounts()
    .filter((entry) => entry.mountPoint.startsWith(directory) && entry.mountPoint !== outside)
    .map((entry) => entry.mountPoint);
  const links = sh('ip -o link').replace(/^\d+: /gm, '');
  return [links, sh('ip -4 -o addr; ip route'), sh('nft list ruleset'), ...pins].join('\n');
}

describe('the default bridge', { skip }, () => {
  let clean = '';

  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'gantry-network-'));
    outside = join(directory, 'outside');
    enterOwnNetworkNamespace();
    pinNetworkNamespace(outside, () => {});
    sh(`ip link set lo up; ip link add up0 type veth peer name eth0 netns ${outside}
        ip addr add ${UPLINK}/24 dev up0; ip link set up0 up
        nsenter --net=${outside} sh -c 'ip addr add ${OUTSIDE}/24 dev eth0; ip link set eth0 up; ip link set lo up'`);
    // The outside knows a way to the containers, so that it is the rules that keep it out.
    sh(`nsenter --net=${outside} ip route add 172.16.0.0/12 via ${UPLINK}`);
    serve(outside);
    clean = traces();
  });

  after(() => {
    for (const server of servers) server.close();
    // A test that failed half-way leaves pins.
    for (const entry of listMounts().reverse()) {
      if (entry.mountPoint.startsWith(directory)) umount(entry.mountPoint, MNT_DETACH);
    }
    rmSync(directory, { recursive: true });
    assert.deepEqual(warnings, []);
  });

  test('a container reaches gateway, neighbour and the outside; nobody outside reaches it', async () => {
    const net = networks('gt0');
    await net.init([], []);
    const one = net.createSandbox(bridged('one'));
    const two = net.createSandbox(bridged('two'));
    const [endpoint] = two.endpoints;
    assert.equal(endpoint!.ipAddress, '172.17.0.3');
    assert.equal(endpoint!.macAddress, '02:42:ac:11:00:03');
    assert.equal(endpoint!.gateway, '172.17.0.1');
    assert.ok(await inside(one.path, 'busybox ping -c1 -W2 172.17.0.1'), 'gateway');
    assert.ok(await inside(one.path, 'busybox ping -c1 -W2 127.0.0.1 && busybox ping -c1 -W2 ::1'), 'loopback');
    serve(two.path);
    assert.equal(await seenAs(one.path, '172.17.0.3'), '172.17.0.2');
    assert.equal(await seenAs(one.path, OUTSIDE), UPLINK, 'masqueraded');
    assert.equal(await seenAs(outside, '172.17.0.3'), undefined, 'not published');
    assert.equal(await inside(one.path, 'cat /proc/sys/net/ipv6/conf/eth0/disable_ipv6'), '1\n');
    assert.equal(sh('cat /proc/sys/net/ipv4/ip_forward'), '1\n');

    net.releaseSandbox('one');
    net.releaseSandbox('one');
    net.releaseSandbox('two');
    await net.close({ keepLive: false });
    assert.equal(traces(), clean);
  });

  test('counters are those of the container end', async () => {
    const net = networks('gt0');
    await net.init([], []);
    const { path } = net.createSandbox(bridged('one'));
    await inside(path, 'busybox ping -c3 -s 1000 -W2 172.17.0.1');
    await inside(path, 'for i in 1 2 3 4 5; do head -c 1400 /dev/zero > /dev/udp/172.17.0.1/9; done');
    const own = inNetworkNamespace(path, () => {
      const socket = new RouteSocket();
      const counters = socket.counters('eth0')!;
      socket.close();
      return counters;
    });
    const seen = net.counters('one').eth0!;
    assert.ok(own.txBytes > own.rxBytes);
    assert.ok(Math.abs(seen.tx_bytes! - own.txBytes) < 1000, `${seen.tx_bytes} ${own.txBytes}`);
    assert.ok(Math.abs(seen.rx_bytes! - own.rxBytes) < 1000);
    assert.deepEqual(net.counters('unknown'), {});
    net.releaseSandbox('one');
    await net.close({ keepLive: false });
    assert.equal(traces(), clean);
  });

  test('"none" has loopback alone; a daemon without bridge has no bridge network', async () => {
    const net = new LocalNetworks(null, {
      execRoot: join(directory, 'bare'),
      engineId: 'x',
      dns: none,
      hostGatewayIps: [],
      log,
    });
    await net.init([], []);
    const { path, endpoints, sandboxId } = net.createSandbox(sandbox('lonely'));
    assert.deepEqual(endpoints, []);
    assert.match(sandboxId, /^[0-9a-f]{64}$/);
    assert.equal(path, join(directory, 'bare', 'netns', sandboxId.slice(0, 12)));
    assert.match((await inside(path, 'ip -o link'))!, /^1: lo: <LOOPBACK,UP,LOWER_UP>[^\n]*\n$/);
    assert.throws(() => net.createSandbox(bridged('x')), {
      message: 'network bridge not found',
    });
    assert.deepEqual(
      net.records().map((network) => network.name),
      ['host', 'none'],
    );
    net.releaseSandbox('lonely');
    await net.close({ keepLive: false });
    assert.equal(traces(), clean);
  });

  test('without inter-container communication', async () => {
    const net = networks('gt0', { icc: false });
    await net.init([], []);
    const one = net.createSandbox(bridged('one'));
    const two = net.createSandbox(bridged('two'));
    serve(two.path);
    assert.equal(await seenAs(one.path, two.endpoints[0]!.ipAddress), undefined);
    // Nor by way of the host, which routes between the two.
    await inside(one.path, `ip route replace ${two.endpoints[0]!.ipAddress} via 172.17.0.1`);
    assert.equal(await seenAs(one.path, two.endpoints[0]!.ipAddress), undefined);
    assert.equal(await seenAs(one.path, OUTSIDE), UPLINK);
    net.releaseSandbox('one');
    net.releaseSandbox('two');
    await net.close({ keepLive: false });
    assert.equal(traces(), clean);
  });

  test('addresses: wished for, had before, and reported when taken', async () => {
    const net = networks('gt0', { bip: '10.77.0.254/24', mtu: 1400 });
    await net.init([], []);
    const address = (containerId: string, more: object) =>
      net.createSandbox(bridged(containerId, more)).endpoints[0]!.ipAddress;
    assert.equal(address('a', {}), '10.77.0.1');
    assert.equal(address('b', { previous: { ipAddress: '10.77.0.9', ipv6Address: '' } }), '10.77.0.9');
    assert.equal(address('c', { previous: { ipAddress: '10.77.0.9', ipv6Address: '' } }), '10.77.0.2');
    assert.equal(address('d', { ipAddress: '10.77.0.20' }), '10.77.0.20');
    assert.throws(() => address('e', { ipAddress: '10.77.0.20' }), {
      code: 'forbidden',
      message: 'Address already in use',
    });
    assert.throws(() => address('e', { ipAddress: '10.77.0.254' }), { code: 'forbidden' });
    const { endpoints, path } = net.createSandbox(bridged('f', { macAddress: '02:00:00:AA:00:01' }));
    assert.equal(endpoints[0]!.macAddress, '02:00:00:aa:00:01');
    assert.match((await inside(path, 'ip link show eth0'))!, /mtu 1400 .*02:00:00:aa:00:01/s);
    assert.deepEqual(net.describe(net.records()[0]!).IPAM!.Config, [
      { Subnet: '10.77.0.0/24', Gateway: '10.77.0.254' },
    ]);
    // An address passes to the next container at once, whose traffic reaches it though the last one was just here.
    for (let round = 0; round < 5; round++) {
      net.releaseSandbox('a');
      const again = net.createSandbox(bridged('a'));
      assert.equal(again.endpoints[0]!.ipAddress, '10.77.0.1');
      assert.equal(await seenAs(again.path, OUTSIDE), UPLINK);
    }
    for (const id of 'abcdf') net.releaseSandbox(id);
    await net.close({ keepLive: false });
    assert.equal(traces(), clean);
  });

  test('300 sandboxes, and nothing of them left', async () => {
    const net = networks('gt0');
    await net.init([], []);
    const descriptors = (): number => readdirSync('/proc/self/fd').length;
    const open = descriptors();
    const given = new Set<string>();
    for (let i = 0; i < 300; i++) {
      given.add(net.createSandbox(bridged(`c${i}`)).endpoints[0]!.ipAddress);
    }
    assert.equal(given.size, 300);
    assert.equal(sh('ip -o link show type veth master gt0 | wc -l').trim(), '300');
    for (let i = 0; i < 300; i++) net.releaseSandbox(`c${i}`);
    assert.equal(net.createSandbox(bridged('next')).endpoints[0]!.ipAddress, '172.17.0.2');
    net.releaseSandbox('next');
    await net.close({ keepLive: false });
    assert.ok(descriptors() <= open, 'no descriptor is left open');
    assert.equal(traces(), clean);
  });

  test('a killed daemon: the next one takes back what lives and removes the rest', async () => {
    const script = `
      import { LocalNetworks } from ${JSON.stringify(new URL('../../src/network/local-networks.ts', import.meta.url).href)};
      const net = new LocalNetworks(${JSON.stringify(bridgeOptions('gt0'))},
        { execRoot: ${JSON.stringify(join(directory, 'gt0'))}, engineId: 'gt0', dns: {}, hostGatewayIps: [], log: console });
      import { bridged, sandbox } from ${JSON.stringify(new URL('../support/network-requests.ts', import.meta.url).href)};
      await net.init([], []);
      const made = ['dead', 'live', 'none'].map((id) => net.createSandbox(id === 'none' ? sandbox(id) : bridged(id)));
      process.stdout.write(JSON.stringify(made), () => process.kill(process.pid, 'SIGKILL'));`;
    const child = spawnSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' });
    assert.equal(child.signal, 'SIGKILL', child.stderr);
    const [, live, lonely] = JSON.parse(child.stdout);

    const net = networks('gt0');
    await net.init([], [alive('live', live.endpoints), alive('none', [])]);
    assert.equal(await seenAs(live.path, OUTSIDE), UPLINK, 'it still works');
    assert.ok(net.counters('live').eth0!.tx_packets! > 0);
    // Only those two are pinned, beside the new pool.
    const pins = readdirSync(join(directory, 'gt0', 'netns'));
    assert.equal(pins.length, 2 + 6);
    assert.ok(pins.includes(live.sandboxId.slice(0, 12)) && pins.includes(lonely.sandboxId.slice(0, 12)));
    assert.equal(net.createSandbox(bridged('x')).endpoints[0]!.ipAddress, '172.17.0.2');
    assert.equal(net.createSandbox(bridged('y')).endpoints[0]!.ipAddress, '172.17.0.4');

    // Stopped in good order it leaves them as well, and the third finds them again.
    for (const id of ['x', 'y']) net.releaseSandbox(id);
    await net.close({ keepLive: true });
    assert.equal(await seenAs(live.path, OUTSIDE), UPLINK);
    const third = networks('gt0');
    await third.init([], [alive('live', live.endpoints), alive('none', [])]);
    for (const id of ['live', 'none']) third.releaseSandbox(id);
    await third.close({ keepLive: false });
    assert.equal(traces(), clean);
  });

  test('two daemons side by side do not touch each other', async () => {
    const first = networks('gt0');
    const second = networks('gt1');
    await first.init([], []);
    await second.init([], []);
    const a = first.createSandbox(bridged('a'));
    const b = second.createSandbox(bridged('b'));
    assert.equal(a.endpoints[0]!.ipAddress, '172.17.0.2');
    assert.equal(b.endpoints[0]!.ipAddress, '172.18.0.2');
    assert.notEqual(first.records()[0]!.id, second.records()[0]!.id);
    // The first is stopped and started again: it sees none of the other's.
    await first.close({ keepLive: true });
    const again = networks('gt0');
    await again.init([], [alive('a', a.endpoints)]);
    assert.equal(await seenAs(a.path, OUTSIDE), UPLINK);
    assert.equal(await seenAs(b.path, OUTSIDE), UPLINK);
    serve(b.path);
    assert.equal(await seenAs(a.path, b.endpoints[0]!.ipAddress), undefined, 'bridges are kept apart');
    again.releaseSandbox('a');
    await again.close({ keepLive: false });
    assert.equal(await seenAs(b.path, OUTSIDE), UPLINK);
    second.releaseSandbox('b');
    await second.close({ keepLive: false });
    assert.equal(traces(), clean);
  });

  for (const backend of ['iptables-nft', 'iptables-legacy']) {
    const missing = spawnSync(backend, ['--version']).status === 0 ? false : `needs ${backend}`;
    test(`beside a FORWARD policy of DROP (${backend})`, { skip: missing }, async () => {
      sh(`${backend} -P FORWARD DROP`);
      const before = sh(`${backend} -S`);
      const net = networks('gt0');
      await net.init([], []);
      const one = net.createSandbox(bridged('one'));
      assert.equal(await seenAs(one.path, OUTSIDE), UPLINK);
      serve(one.path);
      assert.equal(await seenAs(outside, one.endpoints[0]!.ipAddress), undefined);
      await net.close({ keepLive: true });
      const again = networks('gt0');
      await again.init([], [alive('one', one.endpoints)]);
      assert.equal(sh(`${backend} -S FORWARD | grep -c gantry:gt0`).trim(), '2', 'not added twice');
      again.releaseSandbox('one');
      await again.close({ keepLive: false });
      assert.equal(sh(`${backend} -S`), before);
      sh(`${backend} -P FORWARD ACCEPT; nft flush ruleset`);
      assert.equal(traces(), clean);
    });
  }

  for (const backend of ['iptables-nft', 'iptables-legacy']) {
    const missing = spawnSync(backend, ['--version']).status === 0 ? false : `needs ${backend}`;
    test(`a FORWARD policy that becomes DROP, and a flush of the chain (${backend})`, { skip: missing }, async () => {
      const net = networks('gt0');
      await net.init([], []);
      const one = net.createSandbox(bridged('one'));
      assert.equal(await seenAs(one.path, OUTSIDE), UPLINK);
      for (const change of ['-P FORWARD DROP', '-F FORWARD']) {
        sh(`${backend} ${change}`);
        assert.equal(await seenAs(one.path, OUTSIDE), undefined);
        while (!sh(`${backend} -S FORWARD`).includes('-o gt0')) await delay(100);
        assert.equal(await seenAs(one.path, OUTSIDE), UPLINK);
      }
      sh(`${backend} -F FORWARD`);
      const two = net.createSandbox(bridged('two'));
      while (!sh(`${backend} -S FORWARD`).includes('-o gt0')) await delay(20);
      assert.equal(await seenAs(two.path, OUTSIDE), UPLINK);
      for (const id of ['one', 'two']) net.releaseSandbox(id);
      await net.close({ keepLive: false });
      assert.doesNotMatch(sh(`${backend} -S FORWARD`), /gt0/);
      sh(`${backend} -P FORWARD ACCEPT; nft flush ruleset`);
      assert.equal(traces(), clean);
    });
  }

  test('a process that holds the namespace of a released sandbox has no network, and its interface is removed', async () => {
    const host = `/proc/${process.pid}/ns/net`;
    const net = networks('gt0');
    await net.init([], []);
    const { path, endpoints } = net.createSandbox(bridged('held'));
    const { hostInterfaceName, ipAddress } = endpoints[0]!;
    // The server's socket is what holds it.
    serve(path);
    assert.equal(await seenAs(host, ipAddress), '172.17.0.1');
    net.releaseSandbox('held');
    assert.equal(await seenAs(host, ipAddress), undefined, 'nobody has the address');
    const next = net.createSandbox(bridged('next'));
    assert.equal(next.endpoints[0]!.ipAddress, ipAddress);
    assert.equal(await seenAs(host, ipAddress), undefined, 'the next owner has it, and no server');
    assert.equal(await seenAs(next.path, OUTSIDE), UPLINK);
    assert.match(sh('ip -o link'), new RegExp(hostInterfaceName));
    await delay(3500);
    assert.doesNotMatch(sh('ip -o link'), new RegExp(hostInterfaceName));
    net.releaseSandbox('next');
    await net.close({ keepLive: false });
    assert.equal(traces(), clean);
  });

  test("a bridge that was there is used with its address, and stays; a bridge's port of somebody else, too", async () => {
    sh('ip link add mine0 type bridge; ip addr add 10.99.0.7/24 dev mine0; ip link set mine0 up');
    sh('ip link add other0 type veth peer name other1; ip link set other0 master mine0 up; ip link set other1 up');
    // The kernel tells of a carrier with delay.
    await delay(1500);
    const before = traces();
    const net = networks('mine0');
    await net.init([], []);
    const { endpoints } = net.createSandbox(bridged('one'));
    assert.equal(endpoints[0]!.gateway, '10.99.0.7');
    net.releaseSandbox('one');
    await net.close({ keepLive: false });
    assert.equal(traces(), before);
    sh('ip link del mine0; ip link del other0');
    assert.equal(traces(), clean);
  });

  test('a failure leaves the thread in its namespace and nothing behind', () => {
    const here = readFileSync('/proc/thread-self/net/dev', 'utf8').split('\n').length;
    const path = join(directory, 'failing');
    const fail = (): never => {
      throw new Error('inside');
    };
    assert.throws(() => pinNetworkNamespace(path, fail), /inside/);
    assert.throws(() => inNetworkNamespace(outside, fail), /inside/);
    assert.throws(() => inNetworkNamespace(join(directory, 'nowhere'), fail), { code: 'ENOENT' });
    writeFileSync(path, '');
    assert.throws(() => inNetworkNamespace(path, fail), { code: 'EINVAL', syscall: 'setns' });
    assert.throws(() => pinNetworkNamespace(path, fail), { code: 'EEXIST' });
    rmSync(path);
    assert.equal(readFileSync('/proc/thread-self/net/dev', 'utf8').split('\n').length, here);
    assert.equal(traces(), clean);
  });
});
