import assert from 'node:assert/strict';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { after, before, describe, test } from 'node:test';
import type { PortEndpoint, PortRequest } from '../../src/network/ports/contract.ts';
import { PublishedPorts } from '../../src/network/ports/published-ports.ts';
import { askHere, fetchHere, Host, inOwnNamespace, sh } from '../support/port-hosts.ts';

const TABLE = 'gantry_test';
const BRIDGE = { name: 'br0', subnets: ['10.88.0.0/24', 'fd88::/64'] };
const DUAL: PortEndpoint = {
  id: 'dual',
  ipAddress: '10.88.0.2',
  ipv6Address: 'fd88::2',
  hostInterface: 'v1',
  hostBinding: '',
};
const PLAIN: PortEndpoint = {
  id: 'plain',
  ipAddress: '10.88.0.3',
  ipv6Address: '',
  hostInterface: 'v2',
  hostBinding: '',
};

const tcp = (hostPort: number, containerPort: number, hostIp = ''): PortRequest => ({
  containerPort,
  protocol: 'tcp',
  hostIp,
  hostPort,
  hostPortEnd: hostPort,
});
const udp = (hostPort: number, containerPort: number): PortRequest => ({
  ...tcp(hostPort, containerPort),
  protocol: 'udp',
});

if (inOwnNamespace(import.meta.filename, test)) {
  describe('published ports', () => {
    const warnings: string[] = [];
    const log = {
      info: () => {},
      warn: (message: string, fields?: object) => void warnings.push(`${message} ${JSON.stringify(fields)}`),
    };
    const options = { table: TABLE, iptables: true, ip6tables: true, userlandProxy: true };
    let ports: PublishedPorts;
    let foreign: Host;
    let dual: Host;
    let plain: Host;

    before(async () => {
      sh(`ip link set lo up
        ip link add br0 type bridge; ip link set br0 up
        ip addr add 10.88.0.1/24 dev br0; ip addr add fd88::1/64 dev br0 nodad
        sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1`);
      foreign = await Host.start(
        'up0',
        'ip addr add 192.0.2.1/24 dev up0; ip addr add 2001:db8::1/64 dev up0 nodad',
        ['192.0.2.2/24', '2001:db8::2/64'],
        ['192.0.2.1', '2001:db8::1'],
      );
      dual = await Host.start(
        'v1',
        'ip link set v1 master br0',
        ['10.88.0.2/24', 'fd88::2/64'],
        ['10.88.0.1', 'fd88::1'],
      );
      plain = await Host.start('v2', 'ip link set v2 master br0', ['10.88.0.3/24'], ['10.88.0.1']);
      await dual.serve(80, 'dual');
      await plain.serve(80, 'plain');
      ports = new PublishedPorts(options, log);
      ports.restore([BRIDGE], []);
    });
    after(async () => {
      await ports?.close({ keepRules: false });
      for (const host of [foreign, dual, plain]) host?.close();
      assert.deepEqual(warnings, []);
      assert.doesNotMatch(sh('nft list ruleset'), /gantry/);
    });

    test('are reached from everywhere', async () => {
      assert.deepEqual(ports.publish(DUAL, [tcp(8080, 80)]), [
        { containerPort: 80, protocol: 'tcp', hostIp: '0.0.0.0', hostPort: 8080 },
        { containerPort: 80, protocol: 'tcp', hostIp: '::', hostPort: 8080 },
      ]);
      // Other hosts are seen as who they are.
      assert.equal(await foreign.fetch('http://192.0.2.1:8080'), 'dual ::ffff:192.0.2.2');
      assert.equal(await foreign.fetch('http://[2001:db8::1]:8080'), 'dual 2001:db8::2');
      for (const address of [
        '192.0.2.1',
        '10.88.0.1',
        '127.0.0.1',
        '127.7.7.7',
        '[2001:db8::1]',
        '[fd88::1]',
        '[::1]',
      ]) {
        assert.match(await fetchHere(`http://${address}:8080`), /^dual /, address);
      }
      // By the host's addresses, from a neighbour and from itself.
      for (const address of ['192.0.2.1', '10.88.0.1']) {
        assert.match(await plain.fetch(`http://${address}:8080`), /^dual /, `neighbour to ${address}`);
        assert.match(await dual.fetch(`http://${address}:8080`), /^dual /, `itself to ${address}`);
      }
      assert.match(await dual.fetch('http://[fd88::1]:8080'), /^dual /);
      ports.unpublish('dual');
      assert.equal(await foreign.fetch('http://192.0.2.1:8080'), 'refused');
      assert.equal(await fetchHere('http://[::1]:8080'), 'refused');
    });

    test('IPv6 reaches a container that has only IPv4', async () => {
      ports.publish(PLAIN, [tcp(8081, 80)]);
      for (const address of ['[::1]', '[2001:db8::1]', '127.0.0.1']) {
        assert.match(await fetchHere(`http://${address}:8081`), /^plain /, address);
      }
      assert.match(await foreign.fetch('http://[2001:db8::1]:8081'), /^plain /);
      ports.unpublish('plain');
      assert.equal(await foreign.fetch('http://[2001:db8::1]:8081'), 'refused');
    });

    test('on one address only', async () => {
      ports.publish(PLAIN, [tcp(8082, 80, '127.0.0.1'), tcp(8083, 80, '192.0.2.1'), tcp(8084, 80, '2001:db8::1')]);
      assert.match(await fetchHere('http://127.0.0.1:8082'), /^plain /);
      assert.equal(await fetchHere('http://192.0.2.1:8082'), 'refused');
      assert.equal(await foreign.fetch('http://192.0.2.1:8082'), 'refused');
      assert.match(await foreign.fetch('http://192.0.2.1:8083'), /^plain /);
      assert.equal(await fetchHere('http://127.0.0.1:8083'), 'refused');
      assert.match(await foreign.fetch('http://[2001:db8::1]:8084'), /^plain /);
      assert.notEqual(await fetchHere('http://[::1]:8084').then((text) => text.slice(0, 5)), 'plain');
      ports.unpublish('plain');
    });

    test('the loopback is not opened to containers or neighbours by it', async () => {
      const received: string[] = [];
      const local = createSocket('udp4').bind(9000, '127.0.0.1');
      await once(local, 'listening');
      await dual.countUdp(54);
      ports.publish(DUAL, [
        { ...udp(8085, 54), hostIp: '127.0.0.1' },
        { ...udp(8086, 54), hostIp: '192.0.2.1' },
      ]);
      for (const [index, host] of [plain, foreign].entries()) {
        // A host that sends to 127.0.0.1 by its wire.
        host.run('ip', 'route', 'del', 'local', '127.0.0.0/8', 'dev', 'lo', 'table', 'local');
        host.run('ip', 'route', 'del', 'local', '127.0.0.1', 'dev', 'lo', 'table', 'local');
        host.run('sysctl', '-qw', 'net.ipv4.conf.all.route_localnet=1');
        const [gateway, source] = host === plain ? ['10.88.0.1', '10.88.0.3'] : ['192.0.2.1', '192.0.2.2'];
        host.run('ip', 'route', 'add', '127.0.0.1/32', 'via', gateway!, 'src', source!);
        host.send('127.0.0.1', 9000);
        host.send('127.0.0.1', 8085);
        // Counted: what came by the published address, and nothing else.
        assert.equal(await host.ask('192.0.2.1', 8086), `${index + 1}`);
      }
      local.on('message', (message) => received.push(String(message)));
      const marker = createSocket('udp4');
      marker.send('marker', 9000, '127.0.0.1');
      while (!received.includes('marker')) await once(local, 'message');
      assert.deepEqual(received, ['marker']);
      marker.close();
      local.close();
      ports.unpublish('dual');
    });

    test('conflicts are found before', async () => {
      const server = createServer().listen(8090, '0.0.0.0');
      await once(server, 'listening');
      assert.throws(() => ports.publish(PLAIN, [tcp(8091, 80), tcp(8090, 80)]), {
        code: 'system',
        message: 'failed to bind host port 0.0.0.0:8090/tcp: address already in use',
      });
      // Nothing of it has stayed.
      assert.equal(await foreign.fetch('http://192.0.2.1:8091'), 'refused');
      ports.publish(DUAL, [tcp(8091, 80)]);
      assert.throws(() => ports.publish(PLAIN, [tcp(8091, 80)]), {
        message: 'Bind for 0.0.0.0:8091 failed: port is already allocated',
      });
      assert.throws(() => ports.publish(PLAIN, [tcp(8091, 80, '127.0.0.1')]), /port is already allocated/);
      assert.throws(() => ports.publish(PLAIN, [tcp(8092, 80, '192.0.2.77')]), {
        message: 'failed to bind host port 192.0.2.77:8092/tcp: cannot assign requested address',
      });
      // Nor does anybody get ours.
      const late = createServer().listen(8091, '0.0.0.0');
      const [error] = await once(late, 'error');
      assert.equal((error as { code?: string }).code, 'EADDRINUSE');
      // A range goes round what is taken, and another port of the kernel's range does too.
      const [first] = ports.publish(PLAIN, [{ ...tcp(8090, 80), hostPortEnd: 8093 }]);
      assert.equal(first!.hostPort, 8092);
      const [random] = ports.publish(PLAIN, [tcp(0, 80)]);
      assert.ok(random!.hostPort >= 32768);
      assert.match(await foreign.fetch(`http://192.0.2.1:${random!.hostPort}`), /^plain /);
      // Taking one back leaves the others.
      ports.unpublish('plain', (port) => port.hostPort === 8092);
      assert.equal(await foreign.fetch('http://192.0.2.1:8092'), 'refused');
      assert.match(await foreign.fetch(`http://192.0.2.1:${random!.hostPort}`), /^plain /);
      server.close();
      ports.unpublish('plain');
      ports.unpublish('dual');
    });

    test('10,000 ports are one element, and can be taken back in part', async () => {
      await plain.serve(12345, 'range');
      await plain.serve(19999, 'end');
      const requests = Array.from({ length: 10_000 }, (_, index) => tcp(10_000 + index, 10_000 + index));
      assert.equal(ports.publish(PLAIN, requests).length, 20_000);
      assert.match(sh(`nft list map inet ${TABLE} ranges4`), /0\.0\.0\.0\/0 \. tcp \. 10000-19999 : 10\.88\.0\.3/);
      assert.match(await foreign.fetch('http://192.0.2.1:12345'), /^range /);
      assert.match(await fetchHere('http://127.0.0.1:19999'), /^end /);
      assert.match(await fetchHere('http://[::1]:19999'), /^end /);
      ports.unpublish('plain', (port) => port.hostPort === 12345);
      assert.equal(await foreign.fetch('http://192.0.2.1:12345'), 'refused');
      assert.match(await foreign.fetch('http://192.0.2.1:19999'), /^end /);
      ports.unpublish('plain');
      assert.doesNotMatch(sh(`nft list map inet ${TABLE} ranges4`), /elements/);
      assert.doesNotMatch(sh(`nft list set inet ${TABLE} relay6`), /elements/);
    });

    test('the rules come back when another program flushes them, and after a crash', async () => {
      ports.publish(PLAIN, [tcp(8100, 80)]);
      assert.equal(ports.check(), false);
      sh('nft flush ruleset');
      assert.equal(ports.check(), true);
      assert.match(await foreign.fetch('http://192.0.2.1:8100'), /^plain /);
      sh(`nft flush map inet ${TABLE} any4`);
      assert.equal(ports.check(), true);
      assert.match(await foreign.fetch('http://192.0.2.1:8100'), /^plain /);
      sh('nft flush ruleset');
      // The next change puts all in place as well.
      ports.publish(DUAL, [tcp(8101, 80)]);
      assert.match(await foreign.fetch('http://192.0.2.1:8100'), /^plain /);
      assert.match(await foreign.fetch('http://192.0.2.1:8101'), /^dual /);

      // The host's own rules in the user chain are left alone, by the next daemon too.
      sh(`nft add rule inet ${TABLE} GANTRY-USER ip saddr 192.0.2.2 tcp dport 80 ip daddr 10.88.0.2 drop`);
      assert.equal(ports.check(), false);
      await ports.close({ keepRules: true });
      assert.match(await foreign.fetch('http://192.0.2.1:8100'), /^plain /);
      ports = new PublishedPorts(options, log);
      const kept = [8100, 8101].map((hostPort) => [
        { containerPort: 80, protocol: 'tcp', hostIp: '0.0.0.0', hostPort } as const,
        { containerPort: 80, protocol: 'tcp', hostIp: '::', hostPort } as const,
      ]);
      ports.restore(
        [BRIDGE],
        [
          { endpoint: PLAIN, ports: kept[0]! },
          { endpoint: DUAL, ports: kept[1]! },
        ],
      );
      assert.match(await foreign.fetch('http://192.0.2.1:8100'), /^plain /);
      assert.equal(await foreign.fetch('http://192.0.2.1:8101', 1), 'no answer');
      assert.match(await fetchHere('http://[::1]:8101'), /^dual /);
      assert.throws(() => ports.publish(PLAIN, [tcp(8101, 80)]), /already allocated/);
      sh(`nft flush chain inet ${TABLE} GANTRY-USER`);
      ports.unpublish('plain');
      ports.unpublish('dual');
    });

    test('a sender of datagrams finds the next container', async () => {
      await dual.serveUdp(53, 'dual');
      await plain.serveUdp(53, 'plain');
      const client = createSocket('udp4');
      const ask = async (): Promise<string> => {
        client.send('?', 5353, '127.0.0.1');
        const [answer] = await once(client, 'message');
        return String(answer);
      };
      ports.publish(DUAL, [udp(5353, 53)]);
      assert.equal(await ask(), 'dual');
      ports.unpublish('dual');
      // Sent while nobody is there: tracked as a flow to the host itself.
      client.send('?', 5353, '127.0.0.1');
      ports.publish(PLAIN, [udp(5353, 53)]);
      assert.equal(await ask(), 'plain');
      client.close();
      ports.unpublish('plain');
    });

    test("the port of the daemon's own relay can be published", async () => {
      const rule = sh(`nft list chain inet ${TABLE} relay`);
      const port = Number(/redirect to :(\d+)/.exec(rule)![1]);
      ports.publish(PLAIN, [tcp(port, 80), udp(port, 53)]);
      for (const address of ['127.0.0.1', '[::1]', '[2001:db8::1]']) {
        assert.match(await fetchHere(`http://${address}:${port}`), /^plain /, address);
      }
      assert.match(await foreign.fetch(`http://[2001:db8::1]:${port}`), /^plain /);
      assert.equal(await foreign.ask('2001:db8::1', port), 'plain');
      ports.unpublish('plain');
    });

    test('datagrams over IPv6 reach a container that has only IPv4, and the next one', async () => {
      ports.publish(PLAIN, [udp(8300, 53)]);
      assert.equal(await foreign.ask('2001:db8::1', 8300), 'plain');
      for (const address of ['::1', '2001:db8::1', 'fd88::1'])
        assert.equal(await askHere(address, 8300), 'plain', address);
      const client = createSocket('udp6');
      const ask = async (): Promise<string> => {
        client.send('?', 8300, '::1');
        const [answer] = await once(client, 'message');
        return String(answer);
      };
      assert.equal(await ask(), 'plain');
      ports.unpublish('plain');
      ports.publish({ ...DUAL, ipv6Address: '' }, [udp(8300, 53)]);
      assert.equal(await ask(), 'dual');
      client.close();
      ports.unpublish('dual');
      // The container has IPv6 itself: only what comes by [::1] is relayed.
      await dual.serveUdp(55, 'six', 'udp6');
      ports.publish(DUAL, [udp(8301, 55)]);
      assert.equal(await foreign.ask('2001:db8::1', 8301), 'six');
      assert.equal(await askHere('::1', 8301), 'six');
      ports.unpublish('dual');
      assert.doesNotMatch(sh(`nft list set inet ${TABLE} relay6`), /elements/);
    });

    test('--iptables=false: the daemon relays, without rules', async () => {
      const proxied = new PublishedPorts(
        { table: 'gantry_none', iptables: false, ip6tables: false, userlandProxy: true },
        log,
      );
      proxied.restore([BRIDGE], []);
      sh('ip addr add 192.0.2.9/24 dev up0');
      assert.deepEqual(proxied.publish(PLAIN, [tcp(8200, 80), udp(8200, 53), tcp(8201, 80, '127.0.0.1')]).length, 5);
      const everywhere = ['192.0.2.1', '192.0.2.9', '[2001:db8::1]'];
      for (const address of everywhere) {
        assert.match(await foreign.fetch(`http://${address}:8200`), /^plain /, address);
        // The answer comes from the address that was asked, the host's second one too.
        assert.equal(await foreign.ask(address.replace(/[[\]]/g, ''), 8200), 'plain', address);
      }
      for (const address of [...everywhere, '127.0.0.1', '[::1]']) {
        assert.match(await fetchHere(`http://${address}:8200`), /^plain /, address);
      }
      assert.match(await dual.fetch('http://10.88.0.1:8200'), /^plain /);
      assert.match(await fetchHere('http://127.0.0.1:8201'), /^plain /);
      assert.equal(await foreign.fetch('http://192.0.2.1:8201'), 'refused');
      assert.throws(() => ports.publish(PLAIN, [tcp(8200, 80)]), /address already in use/);
      assert.throws(() => proxied.publish(DUAL, [tcp(8200, 80)]), /port is already allocated/);
      assert.throws(() => proxied.publish(DUAL, [{ ...tcp(8202, 80), protocol: 'sctp' }]), { code: 'not_supported' });
      assert.doesNotMatch(sh('nft list tables'), /gantry_none/);
      proxied.unpublish('plain', (port) => port.hostPort === 8200);
      assert.equal(await foreign.fetch('http://192.0.2.1:8200'), 'refused');
      assert.match(await fetchHere('http://127.0.0.1:8201'), /^plain /);
      // The next daemon finds them published, and listens again.
      await proxied.close({ keepRules: true });
      assert.equal(await fetchHere('http://127.0.0.1:8201'), 'refused');
      const next = new PublishedPorts(
        { table: 'gantry_none', iptables: false, ip6tables: false, userlandProxy: true },
        log,
      );
      next.restore(
        [BRIDGE],
        [{ endpoint: PLAIN, ports: [{ containerPort: 80, protocol: 'tcp', hostIp: '127.0.0.1', hostPort: 8201 }] }],
      );
      assert.match(await fetchHere('http://127.0.0.1:8201'), /^plain /);
      await next.close({ keepRules: false });
    });

    test('--ip6tables=false: IPv4 by rules, IPv6 by the daemon', async () => {
      const mixed = new PublishedPorts(
        { table: 'gantry_mixed', iptables: true, ip6tables: false, userlandProxy: true },
        log,
      );
      mixed.restore([BRIDGE], []);
      mixed.publish(DUAL, [tcp(8210, 80), udp(8210, 53)]);
      assert.equal(await foreign.fetch('http://192.0.2.1:8210'), 'dual ::ffff:192.0.2.2');
      assert.equal(await foreign.fetch('http://[2001:db8::1]:8210'), 'dual fd88::1');
      assert.match(sh('nft list map inet gantry_mixed any4'), /8210/);
      assert.doesNotMatch(sh('nft list map inet gantry_mixed any6'), /elements/);
      await mixed.close({ keepRules: false });
    });

    test('--iptables=false --userland-proxy=false: ports are only reserved', async () => {
      const reserved = new PublishedPorts(
        { table: 'gantry_none', iptables: false, ip6tables: false, userlandProxy: false },
        log,
      );
      reserved.restore([BRIDGE], []);
      assert.equal(reserved.publish(PLAIN, [tcp(8200, 80)])[0]!.hostPort, 8200);
      assert.throws(() => ports.publish(PLAIN, [tcp(8200, 80)]), /address already in use/);
      assert.doesNotMatch(sh('nft list tables'), /gantry_none/);
      await reserved.close({ keepRules: false });
      ports.publish(PLAIN, [tcp(8200, 80)]);
      ports.unpublish('plain');
    });

    test('a kernel without SCTP forwards it all the same', () => {
      const [port] = ports.publish(PLAIN, [{ ...tcp(9999, 80), protocol: 'sctp' }]);
      assert.deepEqual(port, { containerPort: 80, protocol: 'sctp', hostIp: '0.0.0.0', hostPort: 9999 });
      assert.match(sh(`nft list map inet ${TABLE} any4`), /sctp \. 9999 : 10\.88\.0\.3 \. 80/);
      ports.unpublish('plain');
    });
  });
}
