import { GantryError } from '../../api/errors.ts';
import type { PortProtocol } from '../../linux/port-socket.ts';
import { ANY_IPV4, ANY_IPV6, isAny, isIpv6Address } from './address.ts';
import type { PortEndpoint, PortRequest, PublishedPort } from './contract.ts';
import type { PortMapping } from './port-rules.ts';
import type { RelayTarget } from './stream-relay.ts';

/** One port to be chosen, the same on all of these addresses of the host. */
export interface PortGroup {
  containerPort: number;
  protocol: PortProtocol;
  addresses: string[];
  first: number;
  last: number;
}

/** What carries packets to containers here. */
export interface Means {
  /** The host has IPv6. */
  ipv6: boolean;
  /** Families that rules translate. */
  rules: { 4: boolean; 6: boolean };
  /** The daemon itself relays TCP and UDP where rules do not, or cannot. */
  relay: boolean;
}

/**
 * Which ports of the host are to be taken for these requests. A request without an address is one for 0.0.0.0 and for [::]; requests that
 * differ in their address alone get the same port. Exact ports come first, so that no range takes them.
 * @throws GantryError not_supported for what can be sent to the container neither by rules nor by the relay
 */
export function planPorts(endpoint: PortEndpoint, requests: readonly PortRequest[], means: Means): PortGroup[] {
  const groups = new Map<string, PortGroup>();
  for (const request of requests) {
    const { containerPort, protocol, hostPort: first, hostPortEnd: last } = request;
    const key = `${containerPort}/${protocol} ${first}-${last}`;
    const group = groups.get(key) ?? { containerPort, protocol, addresses: [], first, last };
    groups.set(key, group);
    for (const address of addressesOf(endpoint, request, means)) {
      // Twice the same is one more port, or a conflict, as with dockerd: not the same group.
      if (group.addresses.includes(address)) {
        groups.set(`${key} ${groups.size}`, { ...group, addresses: [address] });
      } else {
        group.addresses.push(address);
      }
    }
  }
  return [...groups.values()]
    .filter((group) => group.addresses.length > 0)
    .sort((a, b) => Number(isSearched(a)) - Number(isSearched(b)));
}

const isSearched = (group: PortGroup): boolean => group.first === 0 || group.first !== group.last;

function addressesOf(endpoint: PortEndpoint, request: PortRequest, means: Means): string[] {
  const address = request.hostIp === '' ? endpoint.hostBinding : request.hostIp;
  if (address === '' || (request.hostIp === '' && address === ANY_IPV4)) {
    const both = [
      ...(reachable(endpoint, request, means, 4) ? [ANY_IPV4] : []),
      ...(reachable(endpoint, request, means, 6) ? [ANY_IPV6] : []),
    ];
    if (both.length === 0 && endpoint.ipAddress !== '') throw notCarried(request, ANY_IPV4);
    return both;
  }
  if (reachable(endpoint, request, means, isIpv6Address(address) ? 6 : 4)) return [address];
  // A container without IPv4 is published on IPv6 alone, as with dockerd.
  if (!isIpv6Address(address) && endpoint.ipAddress === '') return [];
  throw notCarried(request, address);
}

function reachable(endpoint: PortEndpoint, { protocol }: PortRequest, means: Means, family: 4 | 6): boolean {
  if (family === 6 && !means.ipv6) return false;
  const own = (family === 4 ? endpoint.ipAddress : endpoint.ipv6Address) !== '';
  const relayed = means.relay && protocol !== 'sctp';
  const byOther = family === 6 && endpoint.ipAddress !== '' && relayed;
  // With neither, ports are only reserved.
  return (own && (means.rules[family] || relayed || !means.relay)) || byOther;
}

function notCarried({ containerPort, protocol }: PortRequest, address: string): GantryError {
  const how =
    protocol === 'sctp'
      ? 'SCTP goes by packet filter rules alone, within one address family'
      : 'the container or the host has no IPv6, and the daemon relays nothing';
  return new GantryError('not_supported', `cannot publish ${containerPort}/${protocol} on ${address}: ${how}`);
}

/** What the rules translate: a mapping a port, not joined yet. */
export function translated(endpoint: PortEndpoint, ports: readonly PublishedPort[], means: Means): PortMapping[] {
  const mappings: PortMapping[] = [];
  for (const { protocol, hostIp, hostPort, containerPort } of ports) {
    const family = familyOf(hostIp);
    const target = family === 6 ? endpoint.ipv6Address : endpoint.ipAddress;
    if (target !== '' && means.rules[family]) {
      mappings.push({ protocol, hostIp, hostPort, count: 1, target, containerPort });
    }
  }
  return mappings;
}

/** What rules redirect to the relay: from IPv6 to a container without it, and from [::1] to any. */
export function relayed(endpoint: PortEndpoint, ports: readonly PublishedPort[], means: Means): PublishedPort[] {
  if (!means.relay || !means.rules[6]) return [];
  return ports.filter(
    ({ protocol, hostIp }) =>
      protocol !== 'sctp' &&
      isIpv6Address(hostIp) &&
      (endpoint.ipv6Address === '' || isAny(hostIp) || hostIp === '::1'),
  );
}

/** What the daemon listens for itself, where its family has no rules. */
export function proxied(ports: readonly PublishedPort[], means: Means): PublishedPort[] {
  return means.relay ? ports.filter(({ hostIp }) => !means.rules[familyOf(hostIp)]) : [];
}

/** Where the daemon sends what it relays from this address. */
export function relayTarget(endpoint: PortEndpoint, { hostIp, containerPort }: PublishedPort): RelayTarget {
  const [own, other] = isIpv6Address(hostIp)
    ? [endpoint.ipv6Address, endpoint.ipAddress]
    : [endpoint.ipAddress, endpoint.ipv6Address];
  return { address: own || other, port: containerPort };
}

const familyOf = (address: string): 4 | 6 => (isIpv6Address(address) ? 6 : 4);
