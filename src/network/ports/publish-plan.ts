import { notSupportedYet } from '../../api/errors.ts';
import type { PortProtocol } from '../../linux/port-socket.ts';
import { ANY_IPV4, ANY_IPV6, isAny, isIpv6Address } from './address.ts';
import type { PortEndpoint, PortRequest, PublishedPort } from './contract.ts';
import type { PortMapping } from './port-rules.ts';

/** One port to be chosen, the same on all of these addresses of the host. */
export interface PortGroup {
  containerPort: number;
  protocol: PortProtocol;
  addresses: string[];
  first: number;
  last: number;
}

export interface PlanOptions {
  /** The host has IPv6. */
  ipv6: boolean;
  /** TCP over IPv6 reaches a container without it. */
  relay: boolean;
}

/**
 * Which ports of the host are to be taken for these requests. A request without an address is one for 0.0.0.0 and for [::]; requests that
 * differ in their address alone get the same port. Exact ports come first, so that no range takes them.
 * @throws GantryError not_supported for what can be sent to the container neither by rules nor by the relay
 */
export function planPorts(endpoint: PortEndpoint, requests: readonly PortRequest[], options: PlanOptions): PortGroup[] {
  const groups = new Map<string, PortGroup>();
  for (const request of requests) {
    const { containerPort, protocol, hostPort: first, hostPortEnd: last } = request;
    const key = `${containerPort}/${protocol} ${first}-${last}`;
    const group = groups.get(key) ?? { containerPort, protocol, addresses: [], first, last };
    groups.set(key, group);
    for (const address of addressesOf(endpoint, request, options)) {
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

function addressesOf(endpoint: PortEndpoint, request: PortRequest, options: PlanOptions): string[] {
  const reachable6 =
    options.ipv6 &&
    (endpoint.ipv6Address !== '' || (options.relay && request.protocol === 'tcp' && endpoint.ipAddress !== ''));
  const address = request.hostIp === '' ? endpoint.hostBinding : request.hostIp;
  if (address === '' || (request.hostIp === '' && address === ANY_IPV4)) {
    return [...(endpoint.ipAddress === '' ? [] : [ANY_IPV4]), ...(reachable6 ? [ANY_IPV6] : [])];
  }
  if (!isIpv6Address(address)) return endpoint.ipAddress === '' ? [] : [address];
  if (!reachable6) {
    throw notSupportedYet(
      `publishing ${request.containerPort}/${request.protocol} on ${address} for a container without IPv6`,
    );
  }
  return [address];
}

/** What the rules translate: a mapping a port, not joined yet. */
export function translated(endpoint: PortEndpoint, ports: readonly PublishedPort[]): PortMapping[] {
  const mappings: PortMapping[] = [];
  for (const { protocol, hostIp, hostPort, containerPort } of ports) {
    const target = isIpv6Address(hostIp) ? endpoint.ipv6Address : endpoint.ipAddress;
    if (target !== '') mappings.push({ protocol, hostIp, hostPort, count: 1, target, containerPort });
  }
  return mappings;
}

/** What the relay has to carry: TCP from IPv6 to a container without it, and from [::1] to any. */
export function relayed(endpoint: PortEndpoint, ports: readonly PublishedPort[]): PublishedPort[] {
  return ports.filter(
    ({ protocol, hostIp }) =>
      protocol === 'tcp' && isIpv6Address(hostIp) && (endpoint.ipv6Address === '' || isAny(hostIp) || hostIp === '::1'),
  );
}
