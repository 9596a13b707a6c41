/**
 * Published ports and bridges of a real daemon on a host of its own (a network namespace), seen from another host, beside whatever else
 * changes the packet filters of hosts. Needs root.
 */
import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { startDaemon, type TestDaemon } from '../support/daemon.ts';
import { FirewalldProcess, MessageBus, Ufw } from '../support/firewalls.ts';
import { askHere, fetchHere, Host, inOwnNamespace, sh } from '../support/port-hosts.ts';

const BUSYBOX = '/var/cache/gantry-test/busybox.tar';
const GANTRY = fileURLToPath(new URL('../../bin/gantry', import.meta.url));
const SERVER = 'mkdir -p /w && hostname >/w/index.html && exec httpd -f -p 80 -h /w';
/** Of the host that has the daemon, and of the one beside it. */
const HERE = '192.0.2.1';
const THERE = '192.0.2.2';

if (inOwnNamespace(import.meta.filename, test)) {
  describe('published ports on a host with firewalls', () => {
    const directory = mkdtempSync(join(tmpdir(), 'gantry-firewalls-'));
    let bus: MessageBus | undefined;
    let daemon: TestDaemon;
    let foreign: Host;

    const gantry = async (...args: string[]): Promise<string> =>
      (await promisify(execFile)(GANTRY, ['-H', `unix://${daemon.socket}`, ...args])).stdout;
    const serve = (name: string, ...flags: string[]): Promise<string> =>
      gantry('run', '-d', '--name', name, '-h', name, '--stop-signal', 'KILL', ...flags, 'busybox', 'sh', '-c', SERVER);
    const wget = (from: string, url: string): Promise<string> =>
      gantry('exec', from, 'timeout', '30', 'wget', '-qO-', url).catch(() => 'no answer');

    /** Asks until the answer is the wanted one: servers start, and rules come back, after a moment. */
    async function eventually(ask: () => Promise<string>, wanted: string | RegExp): Promise<void> {
      for (;;) {
        const answer = await ask();
        if (typeof wanted === 'string' ? answer === wanted : wanted.test(answer)) return;
        await sleep(50);
      }
    }

    /** All that the containers have of the network while everything is in order. */
    async function works(): Promise<void> {
      await eventually(() => foreign.fetch(`http://${HERE}:8080`, 1), 'web\n');
      await eventually(() => foreign.fetch('http://[2001:db8::1]:8086', 1), 'six\n');
      // To the outside: as the host.
      await eventually(() => wget('web', `http://${THERE}:7000`), `there ::ffff:${HERE}`);
      await eventually(() => wget('six', 'http://[2001:db8::2]:7000'), 'there 2001:db8::1');
      assert.equal(await fetchHere('http://127.0.0.1:8080'), 'web\n');
      assert.equal(await fetchHere('http://[::1]:8080'), 'web\n');
    }

    before(async () => {
      sh('ip link set lo up');
      foreign = await Host.start(
        'up0',
        `ip addr add ${HERE}/24 dev up0; ip addr add 2001:db8::1/64 dev up0 nodad`,
        [`${THERE}/24`, '2001:db8::2/64'],
        [HERE, '2001:db8::1'],
      );
      await foreign.serve(7000, 'there');
      if (FirewalldProcess.installed) bus = await MessageBus.start(directory);
      daemon = await startDaemon({ env: bus === undefined ? {} : { DBUS_SYSTEM_BUS_ADDRESS: bus.address } });
      await daemon.request('POST', '/images/create?fromSrc=-&repo=busybox', undefined, { raw: readFileSync(BUSYBOX) });
      await gantry('network', 'create', 'other');
      await gantry('network', 'create', '--ipv6', '--subnet', 'fd00:77::/64', 'dual');
      await serve('web', '-p', '8080:80');
      await serve('six', '--network', 'dual', '-p', '8086:80');
      await serve('apart', '--network', 'other');
    });
    after(async () => {
      await daemon?.[Symbol.asyncDispose]();
      foreign?.close();
      bus?.close();
      rmSync(directory, { recursive: true, force: true });
      assert.doesNotMatch(sh('nft list ruleset'), /gantry/);
    });

    test('are reached from everywhere, by the host that is asked', async () => {
      await works();
      for (const address of [HERE, `${daemon.subnet}.1`, '127.0.0.1', '127.5.5.5', '[::1]', '[2001:db8::1]']) {
        assert.equal(await fetchHere(`http://${address}:8080`), 'web\n', address);
      }
      assert.equal(await foreign.fetch('http://[2001:db8::1]:8080'), 'web\n');
      // From containers by the host's address: itself, a neighbour, another network; not by the container's own address from there.
      await serve('neighbour');
      for (const from of ['web', 'neighbour', 'apart', 'six']) {
        assert.equal(await wget(from, `http://${HERE}:8080`), 'web\n', from);
      }
      const inside = (await gantry('inspect', '-f', '{{.NetworkSettings.IPAddress}}', 'web')).trim();
      assert.equal(
        await gantry('exec', 'apart', 'timeout', '2', 'wget', '-qO-', `http://${inside}`).catch(() => 'no'),
        'no',
      );
      foreign.run('ip', 'route', 'add', `${daemon.subnet}.0/24`, 'via', HERE);
      assert.equal(await foreign.fetch(`http://${inside}`, 2), 'no answer');
      await gantry('rm', '-f', 'neighbour');
    });

    test('all exposed ports, ranges, protocols; what internal networks and stopped containers have', async () => {
      await serve('many', '-P', '--expose', '80', '--expose', '9000-9002/udp', '-p', '127.0.0.1:7100-7102:100-102');
      const lines = (await gantry('port', 'many')).trim().split('\n');
      assert.deepEqual(
        lines.filter((line) => /^10[012]/.test(line)),
        [100, 101, 102].map((port) => `${port}/tcp -> 127.0.0.1:${port + 7000}`),
      );
      const udp = lines.filter((line) => line.includes('/udp'));
      assert.equal(udp.length, 6, lines.join());
      const [random] = (await gantry('port', 'many', '80')).trim().split('\n');
      await eventually(() => fetchHere(`http://${random}`), 'many\n');
      // Fixed ports stay over a restart.
      await gantry('restart', '-t', '0', 'many');
      assert.match(await gantry('port', 'many'), /^100\/tcp -> 127\.0\.0\.1:7100$/m);
      await gantry('stop', '-t', '0', 'many');
      assert.equal(await gantry('port', 'many'), '');
      assert.equal(await gantry('inspect', '-f', '{{len .HostConfig.PortBindings}}', 'many'), '3\n');
      await gantry('rm', 'many');

      await gantry('network', 'create', '--internal', 'inner');
      await serve('closed', '--network', 'inner', '-p', '8090:80');
      assert.equal(await gantry('port', 'closed'), '');
      assert.equal(await fetchHere('http://127.0.0.1:8090'), 'refused');
      // Published where it has a gateway, and with the same ports wherever that is.
      await gantry('network', 'connect', 'other', 'closed');
      await eventually(() => foreign.fetch(`http://${HERE}:8090`, 1), 'closed\n');
      await gantry('network', 'disconnect', 'other', 'closed');
      assert.equal(await gantry('port', 'closed'), '');
      assert.equal(await foreign.fetch(`http://${HERE}:8090`), 'refused');
      await gantry('rm', '-f', 'closed');
      await gantry('network', 'rm', 'inner');
    });

    test('datagrams go to the container that is there, and over IPv6 to one without', async () => {
      for (const name of ['first', 'second']) {
        await gantry(
          'run',
          '-d',
          '--name',
          name,
          '--stop-signal',
          'KILL',
          '-p',
          '5300:53/udp',
          'busybox',
          'sleep',
          '1d',
        );
        const pid = (await gantry('inspect', '-f', '{{.State.Pid}}', name)).trim();
        const script = `const s = require('node:dgram').createSocket('udp4');
          s.on('message', (_, from) => s.send('${name}', from.port, from.address)); s.bind(53, () => console.log('ready'))`;
        const server = spawn('nsenter', ['-n', '-t', pid, process.execPath, '-e', script]);
        await once(server.stdout, 'data');
        assert.equal(await foreign.ask(HERE, 5300), name);
        assert.equal(await foreign.ask('2001:db8::1', 5300), name);
        assert.equal(await askHere('::1', 5300), name);
        server.kill('SIGKILL');
        await gantry('rm', '-f', name);
      }
    });

    test('after a flush of all rules everything is put back, isolation too, also by the daemon that comes next', async () => {
      for (const crash of [false, true]) {
        if (crash) await daemon.kill9();
        sh('nft flush ruleset');
        if (crash) await daemon.start();
        await works();
        const inside = (await gantry('inspect', '-f', '{{.NetworkSettings.IPAddress}}', 'web')).trim();
        await eventually(() => foreign.fetch(`http://${inside}`, 1), 'no answer');
      }
      // A single rule, and a table alone.
      const table = `gantry_${daemon.bridge}`;
      sh(`nft flush chain inet ${table} postrouting`);
      await eventually(async () => sh(`nft list chain inet ${table} postrouting`), /leaving4/);
      sh(`nft delete table inet gantry_ports_${daemon.bridge}`);
      await works();
    });

    test('the FORWARD policy of iptables and ip6tables may be DROP', async () => {
      for (const iptables of ['iptables', 'ip6tables']) sh(`${iptables} -P FORWARD DROP`);
      await works();
      for (const iptables of ['iptables', 'ip6tables']) sh(`${iptables} -F FORWARD`);
      await works();
      for (const iptables of ['iptables', 'ip6tables']) sh(`${iptables} -P FORWARD ACCEPT`);
    });

    test('the host filters before us, in GANTRY-USER, and its rules stay', async () => {
      const chain = `inet gantry_ports_${daemon.bridge} GANTRY-USER`;
      sh(`nft add rule ${chain} ip saddr ${THERE} meta l4proto tcp ct original proto-dst 8080 drop`);
      assert.equal(await foreign.fetch(`http://${HERE}:8080`, 1), 'no answer');
      await serve('more', '-p', '8088:80');
      await eventually(() => foreign.fetch(`http://${HERE}:8088`, 1), 'more\n');
      await gantry('rm', '-f', 'more');
      for (const end of ['kill9', 'stop'] as const) {
        await daemon[end]();
        await daemon.start();
        assert.equal(await foreign.fetch(`http://${HERE}:8080`, 1), 'no answer', end);
        assert.equal(await fetchHere('http://127.0.0.1:8080'), 'web\n');
      }
      sh(`nft flush chain ${chain}`);
      await works();
    });

    test('beside firewalld, its reloads and restarts', {
      skip: !FirewalldProcess.installed && 'no firewalld',
    }, async () => {
      const firewalld = await FirewalldProcess.start(bus!);
      try {
        firewalld.command('--zone=public', '--change-interface=up0');
        await works();
        firewalld.command('--reload');
        await works();
        firewalld.command('--complete-reload');
        await works();
        // A network that comes while it runs, and goes.
        await gantry('network', 'create', '-o', 'com.docker.network.bridge.name=gtfwnew', 'new');
        await serve('later', '--network', 'new', '-p', '8091:80');
        await eventually(() => wget('later', `http://${THERE}:7000`), `there ::ffff:${HERE}`);
        await eventually(() => foreign.fetch(`http://${HERE}:8091`, 1), 'later\n');
        await gantry('rm', '-f', 'later');
        await gantry('network', 'rm', 'new');
        await eventually(async () => firewalld.command('--get-active-zones'), /^(?!.*gtfwnew)/s);
      } finally {
        await firewalld.stop();
      }
      await works();
    });

    test('beside ufw, its reloads and its end', { skip: !Ufw.installed && 'no ufw' }, async () => {
      const ufw = new Ufw(directory);
      ufw.run('start');
      try {
        assert.match(sh('iptables -S FORWARD'), /^-P FORWARD DROP/);
        // ufw closes the host itself: what is for the daemon's relay goes by its rules, as docker-proxy's does.
        sh('ip6tables -I ufw6-user-input -p tcp -j ACCEPT');
        await works();
        ufw.run('force-reload');
        sh('ip6tables -I ufw6-user-input -p tcp -j ACCEPT');
        await works();
      } finally {
        ufw.run('force-stop');
      }
      await works();
    });
  });
}
