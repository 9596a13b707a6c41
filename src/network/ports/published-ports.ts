import { writeFileSync } from 'node:fs';
import { networkInterfaces } from 'node:os';
import { errnoOf, GantryError, messageOf } from '../../api/errors.ts';
import { reflectPort } from '../../linux/netlink/bridge-port.ts';
import { type Flow, forgetFlows } from '../../linux/netlink/conntrack.ts';
import { NftBatch } from '../../linux/netlink/nft-batch.ts';
import { NftSocket } from '../../linux/netlink/nft-socket.ts';
import { PROTOCOL_NUMBERS } from '../../linux/port-socket.ts';
import type { NetworkLog } from '../log.ts';
import { addressBytes, isAny, isIpv6Address } from './address.ts';
import type {
  LiveEndpoint,
  PortBridge,
  PortEndpoint,
  PortRequest,
  Ports,
  PortsOptions,
  PublishedPort,
} from './contract.ts';
import { bindFailure, PortAllocator } from './port-allocator.ts';
import { PortProxy } from './port-proxy.ts';
import { PortRelay } from './port-relay.ts';
import {
  bridgeElements,
  joinMappings,
  layOut,
  mappingElements,
  type PortMapping,
  relayElements,
  type SetElements,
  USER_CHAIN,
} from './port-rules.ts';
import { type Means, planPorts, proxied, relayed, relayTarget, translated } from './publish-plan.ts';

/** Node cannot wait on a netlink socket, so we look: one system call when nothing has happened. */
const CHECK_INTERVAL_MS = 1000;
/** Ports that sockets are kept for. */
const HELD_AT_MOST = 1024;
/** The sets that hold ports, not bridges. */
const PORT_SETS = /^(fixed|any|ranges)[46]$|^relay6$/;

interface Entry {
  endpoint: PortEndpoint;
  ports: PublishedPort[];
  /** What the rules have of it, by a name of its own. */
  mappings: Map<string, PortMapping>;
}

/** Published ports by nftables: see contract.ts for their life and port-rules.ts for the rules. */
export class PublishedPorts implements Ports {
  readonly #options: PortsOptions;
  readonly #log: NetworkLog;
  readonly #allocator = new PortAllocator({
    heldAtMost: HELD_AT_MOST,
    isOwn: (address, port) => isIpv6Address(address) && port === this.#relay?.port,
  });
  readonly #nft: NftSocket | undefined;
  readonly #relay: PortRelay | undefined;
  readonly #proxy: PortProxy;
  readonly #means: Means;
  readonly #bridges = new Map<string, PortBridge>();
  readonly #entries = new Map<string, Entry>();
  #handle: string | undefined;
  /** The kernel's refusal of the table as such: a module that is missing. */
  #lacking: unknown;
  #timer: NodeJS.Timeout | undefined;

  /** @throws SystemCallError where the kernel has no nftables */
  constructor(options: PortsOptions, log: NetworkLog) {
    this.#options = options;
    this.#log = log;
    const { iptables, ip6tables, userlandProxy } = options;
    this.#nft = iptables || ip6tables ? new NftSocket() : undefined;
    this.#means = { ipv6: hasIpv6(), rules: { 4: iptables, 6: ip6tables }, relay: userlandProxy };
    if (this.#means.ipv6 && ip6tables && userlandProxy) this.#relay = new PortRelay(log);
    this.#proxy = new PortProxy(log);
  }

  restore(bridges: readonly PortBridge[], endpoints: readonly LiveEndpoint[]): void {
    for (const bridge of bridges) this.#know(bridge);
    for (const { endpoint, ports } of endpoints) {
      for (const { hostIp, protocol, hostPort } of ports) {
        if (!this.#allocator.retake(hostIp, protocol, hostPort)) {
          this.#log.warn('another program has taken a published port meanwhile', { id: endpoint.id, hostIp, hostPort });
        }
      }
      this.#entries.set(endpoint.id, { endpoint, ports: [...ports], mappings: new Map() });
      this.#attempt('relay published ports', () => this.#relayPorts(endpoint, ports));
    }
    // A kernel that lacks what the rules are made of must not keep the daemon, and what needs no port, from starting.
    this.#attempt('publish ports', () => this.#rebuild());
    this.#timer = setInterval(() => this.#look(), CHECK_INTERVAL_MS).unref();
  }

  addBridge(bridge: PortBridge): void {
    const before = this.#bridges.get(bridge.name);
    this.#know(bridge);
    this.#change(before === undefined ? new Map() : bridgeElements(before), bridgeElements(bridge));
  }

  removeBridge(name: string): void {
    const bridge = this.#bridges.get(name);
    if (bridge === undefined) return;
    this.#bridges.delete(name);
    this.#attempt('forget a bridge', () => this.#change(bridgeElements(bridge), new Map()));
  }

  publish(endpoint: PortEndpoint, requests: readonly PortRequest[]): PublishedPort[] {
    const groups = planPorts(endpoint, requests, this.#means);
    const entry = this.#entries.get(endpoint.id) ?? { endpoint, ports: [], mappings: new Map<string, PortMapping>() };
    const before = entry.ports;
    const added: PublishedPort[] = [];
    try {
      for (const { containerPort, protocol, addresses, first, last } of groups) {
        const hostPort = this.#allocator.take(addresses, protocol, first, last);
        for (const hostIp of addresses) added.push({ containerPort, protocol, hostIp, hostPort });
      }
      if (this.#nft !== undefined && endpoint.hostInterface !== '') reflectPort(endpoint.hostInterface);
      this.#relayPorts(endpoint, added);
      this.#entries.set(endpoint.id, entry);
      this.#set(entry, [...before, ...added]);
    } catch (error) {
      this.#release(endpoint, added);
      entry.ports = before;
      if (before.length === 0) this.#entries.delete(endpoint.id);
      throw error;
    }
    this.#forgetFlowsTo(added, (flow) => flow.protocol === PROTOCOL_NUMBERS.udp);
    return added;
  }

  unpublish(id: string, which: (port: PublishedPort) => boolean = () => true): void {
    const entry = this.#entries.get(id);
    if (entry === undefined) return;
    const gone = entry.ports.filter(which);
    const rest = entry.ports.filter((port) => !which(port));
    if (rest.length === 0) this.#entries.delete(id);
    this.#release(entry.endpoint, gone);
    this.#attempt('take back published ports', () => this.#set(entry, rest));
    // Senders that go on would be answered by nobody, or by whoever gets the address next.
    this.#forgetFlowsTo(gone, (flow) => flow.protocol === PROTOCOL_NUMBERS.udp);
  }

  check(): boolean {
    if (this.#nft === undefined || this.#lacking !== undefined) return false;
    if (!this.#nft.changed(this.#options.table, USER_CHAIN) && this.#handle !== undefined) return false;
    this.#rebuild();
    this.#log.info('the rules of published ports were changed by another program: put back', {
      table: this.#options.table,
    });
    return true;
  }

  async close(options: { keepRules: boolean }): Promise<void> {
    clearInterval(this.#timer);
    this.#allocator.close();
    this.#proxy.close();
    await this.#relay?.close();
    if (!options.keepRules) this.#attempt('remove the rules of published ports', () => this.#removeTable());
    this.#nft?.close();
  }

  /** Makes the rules say what `ports` are, by one transaction of what is new and what is gone. */
  #set(entry: Entry, ports: PublishedPort[]): void {
    const wanted = new Map(
      joinMappings(translated(entry.endpoint, ports, this.#means)).map((one) => [JSON.stringify(one), one]),
    );
    const gone = [...entry.mappings].filter(([key]) => !wanted.has(key)).map(([, mapping]) => mapping);
    const fresh = [...wanted].filter(([key]) => !entry.mappings.has(key)).map(([, mapping]) => mapping);
    const remove = mappingElements(gone);
    const add = mappingElements(fresh);
    const relay = this.#relay;
    if (relay !== undefined) {
      // Several addresses, of several containers, may share a port: its element is there as long as one of them is relayed.
      const before = relayed(entry.endpoint, entry.ports, this.#means);
      mergeInto(remove, relayElements(unique(before.filter((port) => !relay.has(port)))));
      const known = new Set(before.map(relayKey));
      const now = relayed(entry.endpoint, ports, this.#means);
      mergeInto(add, relayElements(unique(now.filter((port) => !known.has(relayKey(port))))));
    }
    const previous = { ports: entry.ports, mappings: entry.mappings };
    Object.assign(entry, { ports, mappings: wanted });
    try {
      this.#change(remove, add);
    } catch (error) {
      Object.assign(entry, previous);
      throw error;
    }
  }

  /** State in memory is already as wanted: where the table is not what we left, all of it is put in place instead. */
  #change(remove: SetElements, add: SetElements): void {
    const nft = this.#nft;
    if (nft === undefined) return;
    const batch = new NftBatch(this.#options.table);
    for (const [set, elements] of remove) batch.deleteElements(set, elements);
    for (const [set, elements] of add) batch.addElements(set, elements);
    if (batch.empty) return;
    if (this.#handle === undefined || nft.changed(this.#options.table, USER_CHAIN)) {
      this.#rebuildFor(add);
      return;
    }
    try {
      nft.commit(batch);
    } catch (error) {
      if (errnoOf(error) !== 'ENOENT') throw error;
      this.#rebuild();
      return;
    }
    this.#settle(nft);
  }

  /** Where the kernel lacks something, a network can be there that publishes nothing, but no port can be. */
  #rebuildFor(add: SetElements): void {
    try {
      this.#rebuild();
    } catch (error) {
      if (this.#lacking === undefined) throw error;
      if (![...add.keys()].some((set) => PORT_SETS.test(set))) return;
      const advice = 'load its modules nft_fib_inet, nft_redir, nft_nat and nft_masq, or use --network host';
      const message = `the kernel refuses the rules of published ports (${messageOf(error)}): ${advice}`;
      throw new GantryError('unavailable', message, { cause: error });
    }
  }

  #rebuild(): void {
    const nft = this.#nft;
    if (nft === undefined) return;
    const { table } = this.#options;
    const batch = new NftBatch(table);
    const there = nft.tableHandle(table) !== undefined;
    const present = there ? { chains: nft.chains(table), sets: nft.sets(table) } : { chains: [], sets: [] };
    layOut(batch, present, { rules: this.#means.rules, relayPort: this.#relay?.port });
    const elements: SetElements = new Map();
    for (const bridge of this.#bridges.values()) mergeInto(elements, bridgeElements(bridge));
    for (const entry of this.#entries.values()) {
      const mappings = joinMappings(translated(entry.endpoint, entry.ports, this.#means));
      entry.mappings = new Map(mappings.map((one) => [JSON.stringify(one), one]));
      mergeInto(elements, mappingElements(mappings));
    }
    if (this.#relay !== undefined) {
      const all = [...this.#entries.values()].flatMap(({ endpoint, ports }) => relayed(endpoint, ports, this.#means));
      mergeInto(elements, relayElements(unique(all)));
    }
    for (const [set, list] of elements) batch.addElements(set, list);
    this.#lacking = undefined;
    try {
      nft.commit(batch);
    } catch (error) {
      if (errnoOf(error) === 'ENOENT' || errnoOf(error) === 'EOPNOTSUPP') this.#lacking = error;
      throw error;
    }
    this.#handle = nft.tableHandle(table);
    this.#settle(nft);
    // What was sent while the rules were not there is tracked as the host's own, and would stay so.
    const ports = [...this.#entries.values()].flatMap((entry) => entry.ports);
    this.#forgetFlowsTo(ports, (flow) => flow.answers.equals(flow.destination));
  }

  /** Our own doing is no news. A table that was removed in the same moment has another handle, or none. */
  #settle(nft: NftSocket): void {
    nft.changed(this.#options.table, USER_CHAIN);
    if (nft.tableHandle(this.#options.table) !== this.#handle) this.#handle = undefined;
  }

  #know(bridge: PortBridge): void {
    this.#bridges.set(bridge.name, bridge);
    if (!this.#means.rules[4] || !bridge.subnets.some((subnet) => !subnet.includes(':'))) return;
    // For 127.0.0.1: without it the kernel neither sends from a loopback address to the bridge nor takes the answer.
    writeFileSync(`/proc/sys/net/ipv4/conf/${bridge.name.replaceAll('.', '/')}/route_localnet`, '1');
  }

  /** Throws GantryError when another program has taken a port between its being tried and its being listened on. */
  #relayPorts(endpoint: PortEndpoint, ports: readonly PublishedPort[]): void {
    for (const port of relayed(endpoint, ports, this.#means)) this.#relay?.add(port, relayTarget(endpoint, port));
    for (const port of proxied(ports, this.#means)) {
      this.#allocator.handOver(port.hostIp, port.protocol, port.hostPort);
      try {
        this.#proxy.add(port, relayTarget(endpoint, port));
      } catch (cause) {
        throw bindFailure(port, cause);
      }
    }
  }

  #release(endpoint: PortEndpoint, ports: readonly PublishedPort[]): void {
    for (const port of relayed(endpoint, ports, this.#means)) this.#relay?.remove(port);
    for (const port of ports) {
      this.#proxy.remove(port);
      this.#allocator.release(port.hostIp, port.protocol, port.hostPort);
    }
  }

  /** Flows to these ports of the host are looked up anew. */
  #forgetFlowsTo(ports: readonly PublishedPort[], chosen: (flow: Flow) => boolean): void {
    const wanted = new Map<string, string[]>();
    for (const { protocol, hostPort, hostIp } of ports) {
      const key = `${PROTOCOL_NUMBERS[protocol]}/${hostPort}`;
      wanted.set(key, [...(wanted.get(key) ?? []), hostIp]);
    }
    const probe = { protocol: PROTOCOL_NUMBERS.udp, destination: ZEROS, destinationPort: 0, answers: ZEROS };
    const concerned = ports.some(({ protocol }) => chosen({ ...probe, protocol: PROTOCOL_NUMBERS[protocol] }));
    if (!concerned || this.#nft === undefined) return;
    const own = localAddresses();
    this.#attempt('forget tracked flows', () =>
      forgetFlows((flow) => {
        const addresses = wanted.get(`${flow.protocol}/${flow.destinationPort}`);
        if (addresses === undefined || !chosen(flow)) return false;
        const hex = flow.destination.toString('hex');
        return addresses.some((address) =>
          isAny(address) ? own.has(hex) || isLoopback(flow.destination) : addressBytes(address).toString('hex') === hex,
        );
      }),
    );
  }

  #look(): void {
    this.#attempt('put back the rules of published ports', () => this.check());
  }

  #removeTable(): void {
    const { table } = this.#options;
    if (this.#nft?.tableHandle(table) !== undefined) this.#nft.commit(new NftBatch(table).deleteTable());
  }

  #attempt(what: string, step: () => void): void {
    try {
      step();
    } catch (error) {
      this.#log.warn(`cannot ${what}`, { error: messageOf(error) });
    }
  }
}

const ZEROS = Buffer.alloc(4);

function relayKey({ protocol, hostPort }: PublishedPort): string {
  return `${protocol}/${hostPort}`;
}

/** One of each protocol and port: a transaction refuses to remove an element twice. */
function unique(ports: readonly PublishedPort[]): PublishedPort[] {
  return [...new Map(ports.map((port) => [relayKey(port), port])).values()];
}

function mergeInto(all: SetElements, more: SetElements): void {
  for (const [set, elements] of more) {
    const list = all.get(set) ?? [];
    all.set(set, list);
    for (const element of elements) list.push(element);
  }
}

function localAddresses(): Set<string> {
  const all = Object.values(networkInterfaces()).flatMap((list) => list ?? []);
  return new Set(all.map(({ address }) => addressBytes(address.split('%')[0]!).toString('hex')));
}

function isLoopback(address: Buffer): boolean {
  return address.length === 4 && address[0] === 127;
}

/** A kernel without IPv6, or one that has it switched off, has no [::1]. */
function hasIpv6(): boolean {
  return localAddresses().has(addressBytes('::1').toString('hex'));
}
