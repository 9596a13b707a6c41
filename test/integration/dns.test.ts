import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { bindInet, connectInet } from '../../src/linux/inet-socket.ts';
import { inNetworkNamespace, pinNetworkNamespace, unpinNamespace } from '../../src/linux/namespace.ts';
import { Forwarder, ForwardingBudget } from '../../src/network/dns/forwarder.ts';
import { frame } from '../../src/network/dns/frames.ts';
import { parseQuery, RCODE, rcodeOf } from '../../src/network/dns/message.ts';
import { type NamedEndpoint, NameTable } from '../../src/network/dns/names.ts';
import { type DnsSandbox, EmbeddedDns } from '../../src/network/dns/server.ts';
import { makeEmbeddedResolvConf } from '../../src/network/resolv-conf.ts';
import { FakeUpstream, knowing } from '../support/fake-upstream.ts';
import { enterOwnNetworkNamespace, sh } from '../support/own-namespace.ts';

/**
 * Network namespaces of the test's own: this process is in one that plays the host; "box" is a container's, joined to "outside" by a pair of
 * interfaces. The servers that know the rest of the world answer by what the name asked for begins with. The client is dig(1).
 */
const OUTSIDE = '203.0.113.1';
const BOX = '203.0.113.2';
const SILENT = '203.0.113.77';
const HOST = '127.0.0.53';

const skip =
  process.getuid?.() !== 0
    ? 'needs root'
    : spawnSync('dig', ['-v']).error !== undefined
      ? 'needs dig (bind9-dnsutils)'
      : false;

let directory = '';
let outside = '';
let box = '';
const warnings: string[] = [];
const log = {
  info: () => {},
  warn: (message: string, fields?: unknown) => {
    warnings.push(`${message} ${JSON.stringify(fields)}`);
  },
};

const dig = (...args: string[]): Promise<string> => digFrom(box, '@127.0.0.11', ...args);

const digFrom = (namespace: string, ...args: string[]): Promise<string> =>
  output(['dig', '+tries=1', '+timeout=20', ...args], namespace);

/** What a program in a namespace writes. Not spawnSync: the servers are in this process. */
async function output(command: string[], namespace = box): Promise<string> {
  const child = spawn('nsenter', [`--net=${namespace}`, ...command], { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
  });
  await once(child, 'close');
  return text;
}

const short = async (...args: string[]): Promise<string[]> => {
  const output = await dig('+short', ...args);
  return output.split('\n').filter((line) => line !== '');
};

/** "NOERROR qr rd ra 2": status, flags and number of answers. */
async function outcome(...args: string[]): Promise<string> {
  const output = await dig(...args);
  const [, status] = /status: (\w+)/.exec(output) ?? [];
  const [, flags, answers] = /flags: ([\w ]+); QUERY: \d+, ANSWER: (\d+)/.exec(output) ?? [];
  return `${status} ${flags} ${answers}`;
}

function endpoint(sandboxId: string, address: string, more: Partial<NamedEndpoint> = {}): NamedEndpoint {
  const network = { networkId: 'n', networkName: 'front' };
  return { ...network, sandboxId, names: [sandboxId], links: {}, addresses: [address], ...more };
}

/** Sends all at once from one socket of the box and returns the replies in the order of their ids. */
async function burst(queries: Buffer[]): Promise<Buffer[]> {
  const fd = inNetworkNamespace(box, () => bindInet('udp', { bytes: Uint8Array.of(127, 0, 0, 1), port: 0 }).fd);
  const socket = createSocket('udp4').bind({ fd, exclusive: true });
  const replies: Buffer[] = [];
  const done = new Promise<void>((resolve) =>
    socket.on('message', (reply) => {
      if (replies.push(reply) === queries.length) resolve();
    }),
  );
  for (const query of queries) socket.send(query, 53, '127.0.0.11');
  await done;
  socket.close();
  return replies.sort((one, other) => one.readUInt16BE(0) - other.readUInt16BE(0));
}

function queryFor(name: string, id: number): Buffer {
  const head = Buffer.from('000001000001000000000000', 'hex');
  head.writeUInt16BE(id, 0);
  const labels = name.split('.').map((label) => `${String.fromCharCode(label.length)}${label}`);
  return Buffer.concat([head, Buffer.from(`${labels.join('')}\0`), Buffer.from('00010001', 'hex')]);
}

describe('the embedded DNS server', { skip }, () => {
  const names = new NameTable();
  let dns = new EmbeddedDns(names, log);
  let near: FakeUpstream;
  let host: FakeUpstream;

  const rules = (...servers: string[]): DnsSandbox => ({
    id: 'web',
    namespace: box,
    upstreams: servers.map((address) => ({ address, fromHost: address === HOST })),
    external: true,
    ndotsSet: false,
  });

  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'gantry-dns-'));
    outside = join(directory, 'outside');
    box = join(directory, 'box');
    enterOwnNetworkNamespace();
    sh('ip link set lo up');
    pinNetworkNamespace(outside, () => {});
    pinNetworkNamespace(box, () => {});
    // A packet to the silent address finds its way to where nobody answers, not even with an error.
    sh(`nsenter --net=${outside} sh -c 'ip link set lo up; ip link add eth0 type veth peer name eth0 netns ${box}
          ip addr add ${OUTSIDE}/24 dev eth0; ip link set eth0 up
          ip addr add ${SILENT}/32 dev lo; nft add table ip t; nft add chain ip t in "{ type filter hook input priority 0; }"
          nft add rule ip t in ip daddr ${SILENT} drop'
        nsenter --net=${box} sh -c 'ip link set lo up; ip addr add ${BOX}/24 dev eth0; ip link set eth0 up
          ip route add default via ${OUTSIDE}'`);
    near = new FakeUpstream(outside, OUTSIDE, knowing(1, { troubled: true }));
    host = new FakeUpstream('', HOST, knowing(2));
    names.connect(endpoint('web', BOX));
    names.connect(
      endpoint('db', '203.0.113.3', { names: ['db', 'store', '0123456789ab'], addresses: ['203.0.113.3', 'fd00::3'] }),
    );
    for (let index = 0; index < 40; index++) {
      names.connect(endpoint(`pool-${index}`, `203.0.113.${100 + index}`, { names: [`pool-${index}`, 'pool'] }));
    }
    dns.open(rules());
  });

  after(() => {
    dns.closeAll();
    near.close();
    host.close();
    unpinNamespace(box);
    unpinNamespace(outside);
    rmSync(directory, { recursive: true });
    assert.deepEqual(warnings, []);
  });

  test('names of containers, over UDP and TCP', async () => {
    for (const transport of ['+notcp', '+tcp']) {
      assert.deepEqual(await short(transport, 'db'), ['203.0.113.3']);
      assert.deepEqual(await short(transport, 'STORE.Front'), ['203.0.113.3']);
      assert.deepEqual(await short(transport, '0123456789ab', 'AAAA'), ['fd00::3']);
      assert.deepEqual(await short(transport, '-x', '203.0.113.3'), ['db.front.']);
      assert.deepEqual(await short(transport, '-x', 'fd00::3'), ['db.front.']);
    }
    assert.match(await dig('db'), /^db\.\s+600\s+IN\s+A\s+203\.0\.113\.3$/m);
    assert.equal(await outcome('web', 'AAAA'), 'NOERROR qr rd ra 0', 'no address of that family');
    assert.equal(await outcome('nobody'), 'SERVFAIL qr rd ra 0', 'and nobody to ask');
  });

  test('the C library finds them by the resolv.conf that goes with it', async () => {
    const none = { dns: [], dnsSearch: [], dnsOptions: [] };
    const { text, upstreams } = makeEmbeddedResolvConf(`nameserver ${HOST}\nsearch corp.example\n`, none, none);
    const file = join(directory, 'resolv.conf');
    writeFileSync(file, text);
    dns.open({ ...rules(), upstreams });
    const lookUp = (name: string): Promise<string> =>
      output(['unshare', '-m', 'sh', '-c', `mount --bind ${file} /etc/resolv.conf && exec getent ahostsv4 ${name}`]);
    assert.match(await lookUp('db'), /^203\.0\.113\.3 +STREAM db$/m);
    assert.deepEqual(host.take(), [], 'without asking for db.corp.example');
    assert.match(await lookUp('ok.example'), /^192\.0\.0\.2 +STREAM ok\.example$/m);
    host.take();
    dns.open(rules());
  });

  test('changes of names count at once', async () => {
    names.connect(endpoint('late', '203.0.113.9'));
    assert.deepEqual(await short('late'), ['203.0.113.9']);
    names.connect(endpoint('late', '203.0.113.9', { names: ['renamed'] }));
    assert.deepEqual([await short('late'), await short('renamed')], [[], ['203.0.113.9']]);
    names.disconnect('late', 'n');
    assert.deepEqual(await short('renamed'), []);
  });

  test('many addresses: each first in its turn; cut for a small client, whole over TCP', async () => {
    const firsts = new Set<string | undefined>();
    for (let index = 0; index < 3; index++) firsts.add((await short('pool'))[0]);
    assert.equal(firsts.size, 3);
    assert.equal(await outcome('+noedns', '+ignore', 'pool'), 'NOERROR qr tc rd ra 30');
    assert.equal(await outcome('+noedns', 'pool'), 'NOERROR qr rd ra 40', 'asked again over TCP');
    assert.equal(await outcome('+bufsize=1232', '+ignore', 'pool'), 'NOERROR qr rd ra 40');
  });

  test('other names: given servers are asked from the container, those of the host from the host', async () => {
    dns.open(rules(OUTSIDE));
    assert.deepEqual(await short('ok.example'), ['192.0.0.1']);
    assert.deepEqual(await short('+tcp', 'ok.example'), ['192.0.0.1']);
    assert.deepEqual(near.take(), [`udp ok.example ${BOX}`, `tcp ok.example ${BOX}`]);
    assert.equal(await outcome('nx.example'), 'NXDOMAIN qr rd ra 0');
    assert.deepEqual(await short('db', 'TXT'), []);
    assert.deepEqual(near.take(), [`udp nx.example ${BOX}`], 'a name of ours stays here');
    dns.open(rules(HOST));
    assert.deepEqual(await short('ok.example'), ['192.0.0.2']);
    assert.deepEqual(await short('+tcp', 'ok.example'), ['192.0.0.2']);
    assert.deepEqual(host.take(), ['udp ok.example 127.0.0.1', 'tcp ok.example 127.0.0.1']);
    assert.deepEqual(near.take(), []);
  });

  test('the size that the client takes holds for what others answer too', async () => {
    dns.open(rules(OUTSIDE));
    assert.equal(await outcome('+bufsize=1232', '+ignore', 'big.example'), 'NOERROR qr tc rd ra 0');
    assert.equal(await outcome('+bufsize=4096', '+ignore', 'big.example'), 'NOERROR qr rd ra 100');
    near.take();
    assert.equal(await outcome('+bufsize=1232', 'big.example'), 'NOERROR qr rd ra 100');
    assert.deepEqual(near.take(), [`udp big.example ${BOX}`, `tcp big.example ${BOX}`]);
  });

  test('a reply under another id is passed over', async () => {
    dns.open(rules(OUTSIDE));
    assert.deepEqual(await short('forged.example'), ['192.0.0.1']);
  });

  test('the next server answers for one that fails, refuses, cannot be reached or is silent', async () => {
    for (const bad of ['203.0.113.1', '203.0.113.2', '127.0.0.1', '2001:db8::1', SILENT]) {
      dns.open(rules(bad, HOST));
      assert.deepEqual(await short('fail.example'), ['192.0.0.2'], bad);
      assert.deepEqual(await short('+tcp', 'fail.again.example'), ['192.0.0.2'], bad);
    }
    dns.open(rules('127.0.0.1', OUTSIDE));
    assert.equal(await outcome('fail.example'), 'SERVFAIL qr rd ra 0');
  });

  test('a server that was silent is not waited for again', async () => {
    dns.open(rules(OUTSIDE, HOST));
    near.take();
    assert.deepEqual(await short('mute.example'), ['192.0.0.2']);
    assert.deepEqual(await short('ok.example'), ['192.0.0.2']);
    assert.deepEqual(near.take(), [`udp mute.example ${BOX}`]);
  });

  test('while a server is silent, everything else goes on; in the end that is an error', async () => {
    dns.open(rules(SILENT));
    let over = false;
    const waiting = outcome('slow.example').finally(() => {
      over = true;
    });
    assert.deepEqual(await short('db'), ['203.0.113.3']);
    assert.equal(over, false);
    assert.equal(await waiting, 'SERVFAIL qr rd ra 0');
  });

  test('without a way out nothing is asked from the host', async () => {
    host.take();
    dns.open({ ...rules(HOST), external: false });
    assert.equal(await outcome('ok.example'), 'SERVFAIL qr rd ra 0');
    assert.deepEqual(await short('db'), ['203.0.113.3']);
    assert.deepEqual(host.take(), []);
  });

  test('with ndots chosen, names without a dot are left to the search list', async () => {
    dns.open({ ...rules(HOST), ndotsSet: true });
    assert.equal(await outcome('nobody'), 'NOERROR qr rd ra 0');
    assert.deepEqual(await short('nobody.example'), ['192.0.0.2']);
    assert.deepEqual(host.take(), ['udp nobody.example 127.0.0.1']);
  });

  test('equal queries under way are one, each with its reply', async () => {
    dns.open(rules(HOST));
    const replies = burst(Array.from({ length: 50 }, (_, index) => queryFor('held.example', index)));
    // Sent later, answered sooner: by then all of them are here.
    await short('db');
    await host.release(1);
    (await replies).forEach((reply, index) => {
      assert.deepEqual([reply.readUInt16BE(0), reply.readUInt16BE(6)], [index, 1]);
    });
    assert.deepEqual(host.take(), ['udp held.example 127.0.0.1']);
  });

  test('a loop ends: its query is not sent a second time', async () => {
    // In the container a forwarder, which asks the embedded server, which was told to ask it.
    const forwarder = new FakeUpstream(box, BOX, async (query) => burst([query.bytes]));
    dns.open(rules(BOX));
    assert.equal(await outcome('loop.example'), 'SERVFAIL qr rd ra 0');
    assert.deepEqual(forwarder.take(), [`udp loop.example ${BOX}`]);
    forwarder.close();
    host.take();
    dns.open(rules('127.0.0.11', HOST));
    assert.deepEqual(await short('ok.example'), ['192.0.0.2'], 'its own address is none to ask');
  });

  test('what may be under way has a limit, and what is over counts no more', async () => {
    const budget = new ForwardingBudget(2);
    const forwarder = new Forwarder(box, rules(HOST), budget);
    const ask = (name: string): Promise<number> =>
      new Promise((resolve) => {
        const parsed = parseQuery(queryFor(name, 1));
        assert.ok(parsed !== undefined && 'query' in parsed);
        forwarder.forward('udp', parsed.query, (reply) => resolve(rcodeOf(reply)));
      });
    const first = ask('held.one');
    const second = ask('held.two');
    assert.equal(await ask('three'), RCODE.refused);
    await host.release(2);
    assert.deepEqual(await Promise.all([first, second]), [RCODE.noError, RCODE.noError]);
    assert.equal(await ask('three'), RCODE.noError);
    forwarder.close();
    assert.ok(budget.take() && budget.take(), 'all given back');
    host.take();
  });

  test('nonsense harms nobody', async () => {
    dns.open(rules(HOST));
    const [malformed] = await burst([queryFor('x', 7).subarray(0, 13)]);
    assert.equal(rcodeOf(malformed!), RCODE.formatError);
    const fd = inNetworkNamespace(box, () => connectInet('tcp', { bytes: Uint8Array.of(127, 0, 0, 11), port: 53 }));
    const client = new Socket({ fd });
    client.on('error', () => {});
    // A reply instead of a query, a length without its message, and after it the end.
    const backwards = queryFor('x', 1);
    backwards[2] = 0x80;
    client.end(Buffer.concat([frame(backwards), Buffer.from([0xff, 0xff, 1])]));
    client.resume();
    await once(client, 'close');
    const twice = await dig('+tcp', '+keepopen', 'db', 'web');
    assert.match(twice, /203\.0\.113\.3\n[\s\S]*203\.0\.113\.2\n/);
  });

  test('a name server in the container has port 53 of all its addresses', async () => {
    dns.open(rules(HOST));
    const own = new FakeUpstream(box, '0.0.0.0', knowing(9));
    assert.deepEqual(await short('db'), ['203.0.113.3']);
    assert.deepEqual(await short('+tcp', 'db'), ['203.0.113.3']);
    assert.equal(await digFrom(outside, '+short', `@${BOX}`, 'some.name'), '192.0.0.9\n');
    own.close();
  });

  test('a table of ours that belongs to somebody in the container: port 53 itself serves', async () => {
    dns.closeAll();
    // A table with an owner is its maker's alone, and goes with it.
    sh(`nsenter --net=${box} nft delete table ip gantry_dns`);
    const owner = spawn('nsenter', [`--net=${box}`, 'nft', '-i'], { stdio: ['pipe', 'pipe', 'inherit'] });
    owner.stdin.write('add table ip gantry_dns { flags owner; }\nlist tables\n');
    await once(owner.stdout, 'data');
    dns.open(rules(HOST));
    assert.deepEqual([await short('db'), await short('+tcp', 'db')], [['203.0.113.3'], ['203.0.113.3']]);
    assert.equal(sh(`nsenter --net=${box} ss -Hlntu sport = :53`).match(/127\.0\.0\.11:53/g)?.length, 2);
    owner.stdin.end();
    await once(owner, 'close');
    dns.closeAll();
  });

  test('another daemon takes over, whether the ports are free or not', async () => {
    const table = (): string => sh(`nsenter --net=${box} nft list table ip gantry_dns`);
    dns.open(rules(HOST));
    const first = table();
    dns.closeAll();
    dns = new EmbeddedDns(names, log);
    dns.open(rules(HOST));
    assert.equal(table(), first);
    assert.deepEqual([await short('db'), await short('+tcp', 'db')], [['203.0.113.3'], ['203.0.113.3']]);

    dns.closeAll();
    const taken = Number(/tcp dport set (\d+)/.exec(first)?.[1]);
    const thief = createServer();
    const fd = inNetworkNamespace(box, () => bindInet('tcp', { bytes: Uint8Array.of(0, 0, 0, 0), port: taken }).fd);
    thief.listen({ fd });
    dns = new EmbeddedDns(names, log);
    dns.open(rules(HOST));
    assert.notEqual(table(), first);
    assert.equal(table().match(/ set /g)?.length, 4);
    assert.deepEqual([await short('db'), await short('+tcp', 'db')], [['203.0.113.3'], ['203.0.113.3']]);
    thief.close();

    // In its own namespace a container may write what it likes.
    for (const words of ['udp 99999 tcp 0', 'none']) {
      dns.closeAll();
      sh(`nsenter --net=${box} nft 'delete table ip gantry_dns; add table ip gantry_dns { comment "${words}"; }'`);
      dns = new EmbeddedDns(names, log);
      dns.open(rules(HOST));
      assert.deepEqual(await short('db'), ['203.0.113.3']);
    }
  });
});
