import { GantryError } from '../api/errors.ts';
import { listed } from '../api/listed.ts';
import type { IPAMConfig } from '../api/schemas/network.ts';
import type { NetworkPool, NetworkRecord } from './contract.ts';
import {
  contains,
  type Family,
  formatAddress,
  formatNetwork,
  type IpNetwork,
  lastOf,
  overlaps,
  parseAddress,
  parseCidr,
  sizeOf,
  splitCidr,
} from './ip.ts';
import { chooseNetwork, SubnetAllocator } from './ipam.ts';

const LINK_LOCAL = parseCidr('fe80::/64').network;
const UNUSABLE = [
  { range: parseCidr('0.0.0.0/8').network, what: 'this network (RFC 1122)' },
  { range: parseCidr('224.0.0.0/4').network, what: 'multicast' },
  { range: parseCidr('ff00::/8').network, what: 'multicast' },
  { range: parseCidr('::ffff:0:0/96').network, what: 'IPv4 within IPv6' },
];

export interface PoolSurroundings {
  /** Subnets of other networks. */
  networks: readonly IpNetwork[];
  /** Networks that the host has an address in or a route to; none for a driver that shares them. */
  host: readonly IpNetwork[];
  /** Networks of the host's that may be asked for and are not chosen. */
  avoid: readonly IpNetwork[];
  /** What is chosen from. */
  pools: readonly { base: string; size: number }[];
}

/**
 * Checks the subnets that a new network asks for (all problems at once, worded as dockerd's), chooses those it does not, and fills
 * record.pools and record.ipam.config. Throws invalid_parameter, forbidden for an overlap, unavailable when nothing is left.
 */
export function preparePools(record: NetworkRecord, around: PoolSurroundings): void {
  if (!record.enableIpv4 && !record.enableIpv6) {
    throw new GantryError('invalid_parameter', 'IPv4 or IPv6 must be enabled');
  }
  checkIpam(record);
  const asked = record.ipam.config;
  if (record.ipam.driver === 'null') {
    if (record.enableIpv4) asked.push({ Subnet: '0.0.0.0/0' });
    if (record.enableIpv6) asked.push({ Subnet: '::/0' });
  }
  // A plugin chooses, when everything else is known to be right.
  if (record.ipam.driver !== 'default') return;
  const taken: IpNetwork[] = [...around.networks];
  const pools: NetworkPool[] = [];
  for (const config of asked) {
    const { network } = splitCidr(config.Subnet!)!;
    if (network.family === 4 ? !record.enableIpv4 : !record.enableIpv6) continue;
    if (taken.some((other) => overlaps(other, network))) {
      throw new GantryError('forbidden', 'invalid pool request: Pool overlaps with other one on this address space');
    }
    const route = around.host.find((other) => overlaps(other, network));
    if (route !== undefined) {
      throw new GantryError(
        'forbidden',
        `invalid pool request: Pool ${config.Subnet} overlaps with the host's network ${formatNetwork(route)}`,
      );
    }
    taken.push(network);
    pools.push(completePool(network, config));
  }
  for (const family of [4, 6] as const) {
    const enabled = family === 4 ? record.enableIpv4 : record.enableIpv6;
    if (!enabled || pools.some((pool) => splitCidr(pool.subnet)!.network.family === family)) continue;
    const pool = choosePool(family, around, taken);
    pools.push(pool);
    asked.push({ Subnet: pool.subnet, Gateway: pool.gateway });
  }
  const familyOf = (pool: NetworkPool): Family => splitCidr(pool.subnet)!.network.family;
  record.pools = pools.sort((one, other) => familyOf(one) - familyOf(other));
}

/** Whether what a network asks for can be had at all. Throws invalid_parameter with all problems. */
export function checkIpam({ ipam, enableIpv6 }: NetworkRecord): void {
  // Its endpoints have no addresses, or those that their driver gives them.
  if (ipam.driver === 'null' && ipam.config.length > 0) {
    throw new GantryError('invalid_parameter', 'null ipam driver does not handle specific address pool requests');
  }
  const problems = ipam.config.flatMap((config) => problemsOf(config, enableIpv6));
  if (problems.length > 0) throw new GantryError('invalid_parameter', `invalid network config:\n${listed(problems)}`);
}

/** What addresses of a pool are given out from, gateway and aux addresses taken. */
export function allocatorOf(pool: NetworkPool): SubnetAllocator {
  const { network } = splitCidr(pool.subnet)!;
  const reserved = [pool.gateway, ...Object.values(pool.aux)]
    .map(parseAddress)
    .flatMap((address) => (address === undefined ? [] : [address.value]));
  const range = pool.ipRange === '' ? network : splitCidr(pool.ipRange)!.network;
  return new SubnetAllocator(network, reserved, range);
}

function choosePool(family: Family, around: PoolSurroundings, taken: readonly IpNetwork[]): NetworkPool {
  const network = chooseNetwork(family, around.pools, [...taken, ...around.host, ...around.avoid]);
  if (network === undefined) {
    throw new GantryError('unavailable', 'all predefined address pools have been fully subnetted', {
      hint: 'give the network a subnet with --subnet, or the daemon other pools with --default-address-pool',
    });
  }
  return { ...completePool(network, {}), given: false };
}

function completePool(network: IpNetwork, config: IPAMConfig): NetworkPool {
  const pool: NetworkPool = {
    subnet: formatNetwork(network),
    gateway: config.Gateway ?? '',
    ipRange: config.IPRange ?? '',
    aux: { ...config.AuxiliaryAddresses },
    given: true,
  };
  if (pool.gateway === '') {
    const first = allocatorOf(pool).allocate();
    if (first === undefined) {
      throw new GantryError('invalid_parameter', `invalid subnet ${pool.subnet}: it has no address for a gateway`);
    }
    pool.gateway = formatAddress(network.family, first);
  }
  checkApart(pool);
  return pool;
}

/** Each auxiliary address is another one, and none the gateway's. Throws forbidden, worded as dockerd's. */
function checkApart({ gateway, aux }: NetworkPool): void {
  const taken = new Set([parseAddress(gateway)?.value]);
  for (const [name, address] of Object.entries(aux)) {
    const { value } = parseAddress(address)!;
    if (taken.has(value)) {
      const what = `secondary ip address (${name}:${address})`;
      throw new GantryError('forbidden', `failed to allocate ${what}: Address already in use`);
    }
    taken.add(value);
  }
}

function problemsOf(config: IPAMConfig, enableIpv6: boolean): string[] {
  const { Subnet: text = '', IPRange: rangeText = '', Gateway: gateway = '' } = config;
  const subnet = splitCidr(text);
  if (subnet === undefined) return [`invalid subnet ${text}: invalid CIDR block notation`];
  const { network } = subnet;
  if (network.family === 6 && !enableIpv6) return [];
  const problems: string[] = [];
  const complain = (what: string, problem: string | null) => {
    if (problem !== null) problems.push(`invalid ${what}: ${problem}`);
  };
  if (subnet.address !== network.base) complain(`subnet ${text}`, `it should be ${formatNetwork(network)}`);
  complain(`subnet ${text}`, unusable(network));
  if (rangeText !== '') {
    for (const problem of rangeProblems(rangeText, network)) complain(`ip-range ${rangeText}`, problem);
  }
  complain(`gateway ${gateway}`, addressProblem(gateway, network) ?? edgeProblem(gateway, network));
  for (const [name, address] of Object.entries(config.AuxiliaryAddresses ?? {})) {
    complain(`auxiliary address ${name}`, addressProblem(address, network));
  }
  return problems;
}

/** A gateway is a host: null when it can be one. */
function edgeProblem(text: string, network: IpNetwork): string | null {
  const value = parseAddress(text)?.value;
  // As SubnetAllocator: a /31 has no such addresses.
  if (value === undefined || sizeOf(network) <= 2n) return null;
  if (value === network.base) return 'it is the address of the network';
  return network.family === 4 && value === lastOf(network) ? 'it is the broadcast address' : null;
}

function rangeProblems(text: string, parent: IpNetwork): string[] {
  const range = splitCidr(text);
  if (range === undefined) return ['invalid CIDR block notation'];
  if (range.network.family !== parent.family) return [`parent subnet is an IPv${parent.family} block`];
  const problems: string[] = [];
  if (range.network.prefixLength < parent.prefixLength) {
    problems.push(`CIDR block is bigger than its parent subnet ${formatNetwork(parent)}`);
  }
  if (range.address !== range.network.base) problems.push(`it should be ${formatNetwork(range.network)}`);
  if (!overlaps(parent, range.network)) {
    problems.push(`parent subnet ${formatNetwork(parent)} doesn't contain ip-range`);
  }
  return problems;
}

/** What no interface can have addresses of; null for others. */
function unusable(network: IpNetwork): string | null {
  // Every link has this one; under another prefix length the kernel and the engine would not mean the same (RFC 4291 section 2.5.6).
  if (overlaps(network, LINK_LOCAL) && formatNetwork(network) !== formatNetwork(LINK_LOCAL)) {
    return `it clashes with the Link-Local prefix ${formatNetwork(LINK_LOCAL)}`;
  }
  const kind = UNUSABLE.find(({ range }) => overlaps(range, network));
  return kind === undefined ? null : `${formatNetwork(kind.range)} is ${kind.what}`;
}

/** null for none. */
function addressProblem(text: string, parent: IpNetwork): string | null {
  if (text === '') return null;
  const address = parseAddress(text);
  if (address === undefined) return 'invalid address';
  if (address.family !== parent.family) return `parent subnet is an IPv${parent.family} block`;
  return contains(parent, address) ? null : `parent subnet ${formatNetwork(parent)} doesn't contain this address`;
}
