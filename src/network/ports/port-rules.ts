/**
 * The nftables rules of published ports: a fixed number of rules, whatever the number of ports, bridges and containers. What changes are
 * elements of maps and sets.
 *
 * - fixed4/6: address . protocol . port -> container's address . port, for ports published on one address;
 * - any4/6: protocol . port -> the same, for ports published on every address of the host. Both are hash tables: one look-up;
 * - ranges4/6: the same key in intervals -> container's address, one element for a whole range that keeps its port numbers;
 * - hairpin4/6: network . network, so that what a container sends to a port of its own network comes back by the host;
 * - bridges: interfaces on which route_localnet is set, and so must not let 127.0.0.0/8 in;
 * - relay6: ports that the daemon relays (see port-relay.ts).
 *
 * Translation is done before routing (prerouting for what comes in, output for the host's own), at the priority dstnat. The host's own
 * rules see packets before it in chains of priority raw or mangle, and after it, translated, in every forward chain: what is dropped in
 * any of them is dropped. The chain GANTRY-USER of our table is such a place, jumped to for everything that is forwarded; its rules are
 * the host's, and stay while the table is there. Like Docker's, these flows do not pass the host's input chains.
 */
import type { NftBatch, NftElement, NftSet } from '../../linux/netlink/nft-batch.ts';
import {
  destinationTranslated,
  dnat,
  type Expression,
  equals,
  fromMap,
  inSet,
  masquerade,
  meta,
  payload,
  redirect,
  toLocalAddress,
  verdict,
} from '../../linux/netlink/nft-expressions.ts';
import { type PortProtocol, PROTOCOL_NUMBERS } from '../../linux/port-socket.ts';
import { addressBytes, isAny, isIpv6Address, networkBounds } from './address.ts';
import type { PortBridge } from './contract.ts';

export const USER_CHAIN = 'GANTRY-USER';

/** Ports of the host and where they lead: `count` of them in a row, on both sides. */
export interface PortMapping {
  protocol: PortProtocol;
  /** "0.0.0.0", "::" or one address. */
  hostIp: string;
  hostPort: number;
  count: number;
  /** Address of the container, of the same family. */
  target: string;
  containerPort: number;
}

/** Elements by the name of their set. */
export type SetElements = Map<string, NftElement[]>;

const NAT_DESTINATION = -100;
const NAT_SOURCE = 100;
const RAW = -300;

const SETS: readonly NftSet[] = [
  { name: 'fixed4', key: ['ipv4_addr', 'inet_proto', 'inet_service'], data: ['ipv4_addr', 'inet_service'] },
  { name: 'any4', key: ['inet_proto', 'inet_service'], data: ['ipv4_addr', 'inet_service'] },
  { name: 'ranges4', key: ['ipv4_addr', 'inet_proto', 'inet_service'], data: ['ipv4_addr'], interval: true },
  { name: 'fixed6', key: ['ipv6_addr', 'inet_proto', 'inet_service'], data: ['ipv6_addr', 'inet_service'] },
  { name: 'any6', key: ['inet_proto', 'inet_service'], data: ['ipv6_addr', 'inet_service'] },
  { name: 'ranges6', key: ['ipv6_addr', 'inet_proto', 'inet_service'], data: ['ipv6_addr'], interval: true },
  { name: 'hairpin4', key: ['ipv4_addr', 'ipv4_addr'], interval: true },
  { name: 'hairpin6', key: ['ipv6_addr', 'ipv6_addr'], interval: true },
  { name: 'bridges', key: ['ifname'] },
  { name: 'relay6', key: ['inet_proto', 'inet_service'] },
];

const BASE_CHAINS = ['guard', 'prerouting', 'output', 'forward', 'postrouting'] as const;
const OWN_CHAINS = ['publish', 'relay'] as const;

/** A fewer number in a row is kept as single elements: their look-up is the faster one. */
const SHORTEST_RANGE = 16;

/**
 * Fills the batch with the whole table but its elements, whatever of it is there: after a crash, an upgrade, or somebody else's hands.
 * @param rules families that there are rules for
 * @param relayPort where relayed connections are sent to, undefined for no relay
 */
export function layOut(
  batch: NftBatch,
  present: { chains: readonly string[]; sets: readonly string[] },
  { rules, relayPort }: { rules: { 4: boolean; 6: boolean }; relayPort: number | undefined },
): void {
  batch.addTable();
  const chains = present.chains.filter((name) => name !== USER_CHAIN);
  for (const chain of chains) batch.flushChain(chain);
  for (const chain of chains) batch.deleteChain(chain);
  for (const set of present.sets) batch.deleteSet(set);

  for (const set of SETS) batch.addSet(set);
  batch.addChain(USER_CHAIN);
  for (const chain of OWN_CHAINS) batch.addChain(chain);
  const [guard, prerouting, output, forward, postrouting] = BASE_CHAINS;
  batch.addChain(guard, { type: 'filter', hook: 'prerouting', priority: RAW });
  batch.addChain(prerouting, { type: 'nat', hook: 'prerouting', priority: NAT_DESTINATION });
  batch.addChain(output, { type: 'nat', hook: 'output', priority: NAT_DESTINATION });
  batch.addChain(forward, { type: 'filter', hook: 'forward', priority: 0 });
  batch.addChain(postrouting, { type: 'nat', hook: 'postrouting', priority: NAT_SOURCE });

  // With route_localnet a container could reach what listens on the host's loopback alone (CVE-2020-8558).
  // Every packet of the host comes by here: the cheap question first.
  batch.addRule(guard, ...IPV4, ...loopback(DESTINATION4), meta('iifname'), inSet('bridges'), verdict('drop'));
  // 127.0.0.0/8 from another host is never meant for us: the kernel would refuse it, had we not translated it first.
  batch.addRule(prerouting, ...IPV4, ...loopback(DESTINATION4), verdict('return'));
  batch.addRule(prerouting, ...toLocalAddress(), verdict('jump', 'publish'));
  batch.addRule(output, ...toLocalAddress(), verdict('jump', 'publish'));
  batch.addRule(forward, verdict('jump', USER_CHAIN));
  if (rules[4]) translate4(batch);
  if (rules[6]) translate6(batch, relayPort);
  // The container must answer to the host, which translates back, and neither to its neighbour directly nor to a loopback address.
  const translated = destinationTranslated();
  const pair4 = [payload('network', 12, 4, 0), payload('network', 16, 4, 1)];
  const pair6 = [payload('network', 8, 16, 0), payload('network', 24, 16, 4)];
  batch.addRule(postrouting, ...translated, ...IPV4, ...pair4, inSet('hairpin4'), masquerade());
  batch.addRule(postrouting, ...translated, ...IPV4, ...loopback(SOURCE4), masquerade());
  batch.addRule(postrouting, ...translated, ...IPV6, ...pair6, inSet('hairpin6'), masquerade());
}

const IPV4: readonly Expression[] = [meta('nfproto'), equals(Uint8Array.of(2))];
const IPV6: readonly Expression[] = [meta('nfproto'), equals(Uint8Array.of(10))];
const SOURCE4 = 12;
const DESTINATION4 = 16;
const DESTINATION6 = 24;

/** Of an IPv4 header: the address there is in 127.0.0.0/8. */
function loopback(offset: number): Expression[] {
  return [payload('network', offset, 1), equals(Uint8Array.of(127))];
}

/** Protocol and destination port, where TCP, UDP and SCTP alike have it. */
function portIn(register: number): Expression[] {
  return [meta('l4proto', register), payload('transport', 2, 2, register + 1)];
}

function translate4(batch: NftBatch): void {
  const address4 = payload('network', DESTINATION4, 4);
  batch.addRule('publish', ...IPV4, address4, ...portIn(1), fromMap('fixed4'), dnat('ipv4', 1));
  batch.addRule('publish', ...IPV4, ...portIn(0), fromMap('any4'), dnat('ipv4', 1));
  batch.addRule('publish', ...IPV4, address4, ...portIn(1), fromMap('ranges4'), dnat('ipv4'));
}

function translate6(batch: NftBatch, relayPort: number | undefined): void {
  const address6 = payload('network', DESTINATION6, 16);
  // The kernel never routes ::1 to another interface, nor the answer back.
  batch.addRule('publish', ...IPV6, address6, equals(addressBytes('::1')), verdict('goto', 'relay'));
  batch.addRule('publish', ...IPV6, address6, ...portIn(4), fromMap('fixed6'), dnat('ipv6', 4));
  batch.addRule('publish', ...IPV6, ...portIn(0), fromMap('any6'), dnat('ipv6', 4));
  batch.addRule('publish', ...IPV6, address6, ...portIn(4), fromMap('ranges6'), dnat('ipv6'));
  batch.addRule('publish', ...IPV6, verdict('goto', 'relay'));
  if (relayPort !== undefined) batch.addRule('relay', ...portIn(0), inSet('relay6'), ...redirect(relayPort));
}

/** Ports in a row that keep their numbers become one mapping, so that a range is one element. */
export function joinMappings(single: readonly PortMapping[]): PortMapping[] {
  const sorted = [...single].sort(
    (a, b) =>
      compare(a.hostIp, b.hostIp) ||
      compare(a.protocol, b.protocol) ||
      compare(a.target, b.target) ||
      a.hostPort - b.hostPort,
  );
  const joined: PortMapping[] = [];
  for (let start = 0; start < sorted.length; ) {
    const first = sorted[start]!;
    let end = start + 1;
    while (end < sorted.length && follows(sorted[end - 1]!, sorted[end]!)) end += 1;
    if (end - start >= SHORTEST_RANGE) joined.push({ ...first, count: end - start });
    else joined.push(...sorted.slice(start, end));
    start = end;
  }
  return joined;
}

function follows(one: PortMapping, next: PortMapping): boolean {
  return (
    one.hostPort === one.containerPort &&
    next.hostPort === next.containerPort &&
    next.hostPort === one.hostPort + 1 &&
    next.hostIp === one.hostIp &&
    next.protocol === one.protocol &&
    next.target === one.target
  );
}

const compare = (a: string, b: string): number => (a < b ? -1 : a > b ? 1 : 0);

export function mappingElements(mappings: readonly PortMapping[]): SetElements {
  const elements: SetElements = new Map();
  for (const mapping of mappings) {
    const family = isIpv6Address(mapping.hostIp) ? 6 : 4;
    const any = isAny(mapping.hostIp);
    const target = addressBytes(mapping.target);
    const address = addressBytes(mapping.hostIp);
    if (mapping.count > 1) {
      const last = mapping.hostPort + mapping.count - 1;
      add(elements, `ranges${family}`, {
        key: Buffer.concat([address, portBytes(mapping.protocol, mapping.hostPort)]),
        keyEnd: Buffer.concat([any ? Buffer.alloc(address.length, 0xff) : address, portBytes(mapping.protocol, last)]),
        data: target,
      });
      continue;
    }
    const port = portBytes(mapping.protocol, mapping.hostPort);
    add(elements, `${any ? 'any' : 'fixed'}${family}`, {
      key: any ? port : Buffer.concat([address, port]),
      data: Buffer.concat([target, numberBytes(mapping.containerPort)]),
    });
  }
  return elements;
}

export function relayElements(ports: readonly { protocol: PortProtocol; hostPort: number }[]): SetElements {
  const elements: SetElements = new Map();
  for (const { protocol, hostPort } of ports) add(elements, 'relay6', { key: portBytes(protocol, hostPort) });
  return elements;
}

export function bridgeElements(bridge: PortBridge): SetElements {
  const elements: SetElements = new Map();
  const name = Buffer.alloc(16);
  name.write(bridge.name);
  add(elements, 'bridges', { key: name });
  for (const subnet of bridge.subnets) {
    const { first, last } = networkBounds(subnet);
    add(elements, first.length === 4 ? 'hairpin4' : 'hairpin6', {
      key: Buffer.concat([first, first]),
      keyEnd: Buffer.concat([last, last]),
    });
  }
  return elements;
}

function add(elements: SetElements, set: string, element: NftElement): void {
  const list = elements.get(set);
  if (list === undefined) elements.set(set, [element]);
  else list.push(element);
}

function portBytes(protocol: PortProtocol, port: number): Buffer {
  return Buffer.concat([Buffer.from([PROTOCOL_NUMBERS[protocol], 0, 0, 0]), numberBytes(port)]);
}

/** A port as it lies in a register: in network order, padded. */
function numberBytes(port: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt16BE(port);
  return bytes;
}
