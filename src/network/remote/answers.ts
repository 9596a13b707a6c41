/** What plugins answer, checked: whatever they send, what comes out of here has the right form. Worded as dockerd's errors. */
import { GantryError } from '../../api/errors.ts';
import { type Family, formatAddress, formatNetwork, isIpv6, parseAddress, splitCidr } from '../ip.ts';

type Answer = Readonly<Record<string, unknown>>;

/** Addresses of an endpoint in CIDR notation; "" for what is left as it is. */
export interface InterfaceAnswer {
  address: string;
  addressIpv6: string;
  macAddress: string;
}

export interface StaticRoute {
  /** CIDR, the network's own address first. */
  destination: string;
  /** "" for on the link. */
  gateway: string;
}

export interface JoinAnswer {
  /** Name of the interface on the host that goes into the sandbox; "" where the plugin puts none there. */
  sourceName: string;
  /** What its name in the sandbox begins with. */
  prefix: string;
  /** "" for none. */
  gateway: string;
  gatewayIpv6: string;
  /** Families whose default route goes to the interface itself. */
  defaultOnLink: Family[];
  routes: StaticRoute[];
  /** The plugin sees to the way out, or there is none: no other one is to be made. */
  standAlone: boolean;
}

const DEFAULT_PREFIX = 'eth';
const NEXT_HOP = 0;

/** Answer to CreateEndpoint. Throws system. */
export function interfaceOf(answer: Answer): InterfaceAnswer {
  const given = objectOf(answer.Interface);
  const macAddress = textOf(given.MacAddress).toLowerCase().replaceAll('-', ':');
  if (macAddress !== '' && !/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/.test(macAddress)) {
    throw invalid(`address ${macAddress}: invalid MAC address`);
  }
  return {
    address: cidrOf(textOf(given.Address), 4),
    addressIpv6: cidrOf(textOf(given.AddressIPv6), 6),
    macAddress,
  };
}

/** Answer to Join. Throws system. */
export function joinOf(answer: Answer): JoinAnswer {
  const name = objectOf(answer.InterfaceName);
  const [sourceName, prefix] = [textOf(name.SrcName), textOf(name.DstPrefix) || DEFAULT_PREFIX];
  // Interface names hold 15 letters, and a number is to follow.
  if (!/^[^\s/:]{0,15}$/.test(sourceName) || !/^[^\s/:]{1,13}$/.test(prefix)) {
    throw invalid(`failed to set interface name: "${sourceName}", "${prefix}"`);
  }
  const join: JoinAnswer = {
    sourceName,
    prefix,
    gateway: gatewayOf('Gateway', textOf(answer.Gateway), 4),
    gatewayIpv6: gatewayOf('GatewayIPv6', textOf(answer.GatewayIPv6), 6),
    defaultOnLink: [],
    routes: [],
    standAlone: answer.DisableGatewayService === true,
  };
  for (const given of Array.isArray(answer.StaticRoutes) ? answer.StaticRoutes : []) {
    const { Destination, NextHop, RouteType = NEXT_HOP } = objectOf(given);
    addRoute(join, textOf(Destination), RouteType === NEXT_HOP ? textOf(NextHop) : '');
  }
  return join;
}

/** An IPAM plugin's pool as a network in CIDR notation. Throws system. */
export function poolOf(answer: Answer): { poolId: string; subnet: string; gateway: string } {
  const subnet = splitCidr(textOf(answer.Pool));
  if (subnet === undefined) throw invalid(`invalid CIDR address: ${textOf(answer.Pool)}`);
  const gateway = textOf(objectOf(answer.Data)['com.docker.network.gateway']);
  if (gateway !== '' && splitCidr(gateway) === undefined) {
    throw invalid(
      `failed to parse gateway address (${gateway}) returned by ipam driver: invalid CIDR address: ${gateway}`,
    );
  }
  return { poolId: textOf(answer.PoolID), subnet: formatNetwork(subnet.network), gateway };
}

/** An IPAM plugin's address in CIDR notation. Throws system. */
export function addressOf(answer: Answer): string {
  const text = textOf(answer.Address);
  if (text === '') throw invalid('No address returned');
  return cidrOf(text);
}

export function textOf(value: unknown): string {
  return typeof value === 'string' ? value.trim() : '';
}

export function objectOf(value: unknown): Answer {
  return typeof value === 'object' && value !== null ? (value as Answer) : {};
}

/** A default route counts as the gateway. */
function addRoute(join: JoinAnswer, text: string, nextHop: string): void {
  const destination = splitCidr(text);
  if (destination === undefined) throw invalid(`invalid CIDR address: ${text}`);
  const { network } = destination;
  if (nextHop !== '' && parseAddress(nextHop)?.family !== network.family) {
    throw invalid(`failed to parse nexthop IP ${nextHop}`);
  }
  if (network.prefixLength > 0) join.routes.push({ destination: formatNetwork(network), gateway: nextHop });
  else if (nextHop === '') join.defaultOnLink.push(network.family);
  else if (network.family === 4) join.gateway ||= nextHop;
  else join.gatewayIpv6 ||= nextHop;
}

function gatewayOf(field: string, text: string, family: Family): string {
  const address = parseAddress(text);
  if (text !== '' && address?.family !== family) throw invalid(`unable to parse ${field} "${text}"`);
  return address === undefined ? '' : formatAddress(family, address.value);
}

function cidrOf(text: string, family: Family = isIpv6(text) ? 6 : 4): string {
  if (text === '') return '';
  const parsed = splitCidr(text);
  if (parsed === undefined || parsed.network.family !== family) throw invalid(`invalid CIDR address: ${text}`);
  return `${formatAddress(family, parsed.address)}/${parsed.network.prefixLength}`;
}

function invalid(message: string): GantryError {
  return new GantryError('system', message);
}
