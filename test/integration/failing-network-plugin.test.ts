/** Network plugins that do not answer or forget. In a network namespace of its own that plays the host. */
import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { NetworkRecord } from '../../src/network/contract.ts';
import { LocalNetworks } from '../../src/network/local-networks.ts';
import type { RemoteJournal, RemoteThing } from '../../src/network/remote/contract.ts';
import { Plugins } from '../../src/plugins/plugins.ts';
import { alive, endpoint, sandbox } from '../support/network-requests.ts';
import { enterOwnNetworkNamespace, sh } from '../support/own-namespace.ts';
import { type RunningNetworkPlugin, startNetworkPlugin } from '../support/start-network-plugin.ts';

const skip = process.getuid?.() === 0 ? false : 'needs root';
const log = { info: () => {}, warn: () => {} };

interface Stage {
  plugin: RunningNetworkPlugin;
  /** What the journal has. */
  things: Map<string, RemoteThing>;
  /** A daemon's networks; a call is given up after `answerMs`. */
  networks(answerMs?: number): LocalNetworks;
}

/** A host with a plugin "mute", whose IpamDriver.GetCapabilities answers `ipam`. */
async function onStage(ipam: object, work: (stage: Stage) => Promise<void>): Promise<void> {
  enterOwnNetworkNamespace();
  sh('ip link set lo up');
  const directory = mkdtempSync(join(tmpdir(), 'gantry-failing-'));
  const sockets = join(directory, 'plugins');
  mkdirSync(sockets);
  await using plugin = await startNetworkPlugin(join(sockets, 'mute.sock'), join(directory, 'state'), 'gtmute', ipam);
  const things = new Map<string, RemoteThing>();
  const put = (thing: RemoteThing) => void things.set(thing.id, structuredClone(thing));
  const journal: RemoteJournal = {
    all: () => structuredClone([...things.values()]),
    put,
    keep: put,
    strike: (id) => void things.delete(id),
  };
  const networks = (answerMs?: number) =>
    new LocalNetworks(null, {
      execRoot: join(directory, 'run'),
      engineId: 'test',
      bridgeless: { pools: [], enableIptables: false, enableIpForward: false },
      dns: { dns: [], dnsSearch: [], dnsOptions: [] },
      hostGatewayIps: [],
      remote: {
        plugins: new Plugins({ paths: { sockets, specs: [] }, retryMs: 0, answerMs }),
        journal,
        wayOut: async () => 'none',
      },
      log,
    });
  await work({ plugin, things, networks });
  rmSync(directory, { recursive: true });
}

async function make(net: LocalNetworks, ipam: NetworkRecord['ipam']): Promise<NetworkRecord> {
  const record: NetworkRecord = {
    ...{ id: 'f'.repeat(64), name: 'mute', created: '', driver: 'mute', enableIpv4: true, enableIpv6: false },
    ...{ internal: false, attachable: false, labels: {}, options: {}, pools: [] },
    ipam,
  };
  await net.load(record);
  net.prepare(record);
  await net.make(record);
  await net.add(record);
  return record;
}

test('a plugin that does not answer', { skip }, () =>
  onStage({}, async ({ plugin, things, networks }) => {
    const patient = networks();
    await patient.init([], []);
    const record = await make(patient, { driver: 'default', options: null, config: [{ Subnet: '10.50.0.0/24' }] });
    const { endpoints } = await patient.openSandbox(sandbox('one', endpoint('mute')));
    assert.equal(sh('ip -o link').includes(endpoints[0]!.remote!.sourceName), false);
    await patient.close({ keepLive: true });

    const hasty = networks(500);
    await hasty.init([record], [alive('one', endpoints)]);
    const left = () => [...things.values()].filter(({ kind }) => kind === 'endpoint').map(({ id }) => id);
    plugin.faults({ 'NetworkDriver.CreateEndpoint': 'hang', 'NetworkDriver.DeleteEndpoint': 'hang' });
    await assert.rejects(hasty.openSandbox(sandbox('two', endpoint('mute'))), /the plugin does not answer/);
    assert.equal(left().length, 2, 'what may have been made is to be taken back');
    assert.deepEqual(
      hasty.sandboxes().map(({ containerId }) => containerId),
      ['one'],
    );
    plugin.faults({ 'NetworkDriver.Leave': 'hang' });
    await hasty.releaseSandbox('one');
    assert.deepEqual(hasty.sandboxes(), [], 'it does not hold the end of a container up');
    assert.match(sh('ip -o link'), new RegExp(endpoints[0]!.remote!.sourceName), 'the plugin has its interface back');
    plugin.faults();
    while (left().length > 0) await sleep(50);
    assert.deepEqual(plugin.state().endpoints, {});
    await hasty.remove(record.id);
    plugin.faults({ 'NetworkDriver.DeleteNetwork': 'hang' });
    await hasty.unmake(record.id);
    assert.equal(things.size, 1);
    await hasty.close({ keepLive: false });

    // The next daemon knows.
    plugin.faults();
    const next = networks();
    await next.init([], []);
    while (things.size > 0) await sleep(50);
    assert.deepEqual(plugin.state(), { networks: {}, endpoints: {}, pools: {} });
    await next.close({ keepLive: false });
  }),
);

test('an IPAM plugin that forgets is told again what is in use', { skip }, () =>
  onStage({ RequiresRequestReplay: true }, async ({ plugin, networks }) => {
    const first = networks();
    await first.init([], []);
    const record = await make(first, { driver: 'mute', options: { subnet: '10.51.0.0/24' }, config: [] });
    const { endpoints } = await first.openSandbox(sandbox('one', endpoint('mute')));
    await first.close({ keepLive: true });
    const held = plugin.state().pools;
    assert.deepEqual(held, {
      'here/10.51.0.0/24': { subnet: '10.51.0.0/24', addresses: ['10.51.0.1', '10.51.0.100'] },
    });
    await plugin.kill();
    plugin.forgetAddresses();
    await plugin.start();
    assert.deepEqual(plugin.state().pools, {});
    const second = networks();
    await second.init([record], [alive('one', endpoints)]);
    const two = await second.openSandbox(sandbox('two', endpoint('mute')));
    assert.equal(two.endpoints[0]!.ipAddress, '10.51.0.101');
    await second.releaseSandbox('two');
    assert.deepEqual(plugin.state().pools, held);
    await second.releaseSandbox('one');
    await second.remove(record.id);
    await second.unmake(record.id);
    assert.deepEqual(plugin.state(), { networks: {}, endpoints: {}, pools: {} });
    await second.close({ keepLive: false });
  }),
);
