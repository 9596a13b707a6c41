import { randomBytes } from 'node:crypto';
import { GantryError } from '../api/errors.ts';
import type { RouteSocket } from '../linux/netlink/route.ts';
import { hostNetworks } from './built-in.ts';
import type {
  EndpointRequest,
  LastAddresses,
  LinkRule,
  NetworkDriver,
  NetworkPool,
  NetworkRecord,
  NetworkState,
  OpenPort,
} from './contract.ts';
import { BridgeDriver, bridgeNameOf, removeOwnBridge } from './drivers/bridge.ts';
import {
  boolOption,
  ENABLE_ICC,
  ENABLE_MASQUERADE,
  gatewayMode,
  hostAddress,
  INHIBIT_IPV4,
  trustedInterfaces,
} from './drivers/options.ts';
import { PlainDriver } from './drivers/plain.ts';
import { RemoteDriver } from './drivers/remote.ts';
import { StackedDriver } from './drivers/stacked.ts';
import { contains, type Family, formatAddress, type IpNetwork, overlaps, parseAddress, splitCidr } from './ip.ts';
import { DEFAULT_ADDRESS_POOLS, localIpv6Pool, macOf, noAddressLeft, type SubnetAllocator } from './ipam.ts';
import type { BridgeRules } from './nat-rules.ts';
import { allocatorOf, checkIpam, preparePools } from './prepare.ts';
import type { Arrangement } from './remote/contract.ts';
import { isRemote, remoteDriver, remoteIpam } from './remote/kinds.ts';

export interface RegistryOptions {
  engineId: string;
  /** --default-address-pool; [] for ours. */
  pools: readonly { base: string; size: number }[];
  /** Makes the host a router for a family. */
  forward(family: 4 | 6): void;
}

/** A network that is up, or that could not be brought up. */
export interface ActiveNetwork {
  record: NetworkRecord;
  driver: NetworkDriver;
  /** undefined when its driver has failed: it takes no endpoints until the daemon's next start. */
  state: NetworkState | undefined;
  allocators: readonly SubnetAllocator[];
}

/** The addresses of one endpoint; "" for what it does not have. */
export interface ChosenAddresses {
  ipAddress: string;
  ipPrefixLen: number;
  gateway: string;
  ipv6Address: string;
  ipv6PrefixLen: number;
  ipv6Gateway: string;
  macAddress: string;
}

/** All networks of this engine, by ID: what is up, and which of their addresses are given out. */
export class NetworkRegistry {
  readonly #routes: RouteSocket;
  readonly #options: RegistryOptions;
  readonly #drivers: ReadonlyMap<string, NetworkDriver>;
  readonly #networks = new Map<string, ActiveNetwork>();
  /** What ends the keeping of addresses, by container. */
  readonly #kept = new Map<string, (() => void)[]>();
  /** Networks that plugins are about to make: their subnets are taken. */
  readonly #pending = new Map<string, NetworkRecord>();

  constructor(routes: RouteSocket, options: RegistryOptions) {
    this.#routes = routes;
    this.#options = options;
    const drivers: NetworkDriver[] = [
      new BridgeDriver(routes),
      new StackedDriver('macvlan', routes),
      new StackedDriver('ipvlan', routes),
      new PlainDriver('host'),
      new PlainDriver('null'),
    ];
    this.#drivers = new Map(drivers.map((driver) => [driver.name, driver]));
  }

  all(): ActiveNetwork[] {
    return [...this.#networks.values()];
  }

  get(id: string): ActiveNetwork | undefined {
    return this.#networks.get(id);
  }

  /** By name, full ID or unambiguous prefix of it. */
  find(reference: string): ActiveNetwork | undefined {
    const all = this.all();
    const exact = this.#networks.get(reference) ?? all.find(({ record }) => record.name === reference);
    if (exact !== undefined || reference === '') return exact;
    const byPrefix = all.filter(({ record }) => record.id.startsWith(reference));
    return byPrefix.length === 1 ? byPrefix[0] : undefined;
  }

  /** See Networks.prepare. */
  prepare(record: NetworkRecord): void {
    if (record.configOnly === true) {
      checkIpam(record);
      return;
    }
    const driver = this.#driverOf(record);
    const others = this.all().map((network) => network.record);
    driver.prepare(record, others);
    if (record.ipam.driver === 'null' && !(driver instanceof RemoteDriver)) {
      throw new GantryError('invalid_parameter', `ipv${record.enableIpv4 ? 4 : 6} pool is empty`);
    }
    const { pools, engineId } = this.#options;
    const chosenFrom = pools.length > 0 ? pools : DEFAULT_ADDRESS_POOLS;
    const hasIpv6Pool = chosenFrom.some((pool) => pool.base.includes(':'));
    preparePools(record, {
      networks: this.#subnets(),
      host: driver.ownSubnets ? hostNetworks(this.#routes, bridgeNameOf(record)) : [],
      avoid: isRemote(record) ? hostNetworks(this.#routes) : [],
      pools: hasIpv6Pool ? chosenFrom : [...chosenFrom, localIpv6Pool(engineId)],
    });
    if (driver.ownSubnets) dropGateways(record);
    // No default route, so that the gateway's address is a neighbour's as any other.
    if (driver.routesByInterface(record)) for (const pool of record.pools) if (!pool.given) pool.gateway = '';
  }

  /** Plugins are going to make it: keeps its subnets from others until it is added, or this is called off. */
  expect(record: NetworkRecord): void {
    this.#pending.set(record.id, record);
  }

  callOff(id: string): void {
    this.#pending.delete(id);
  }

  /**
   * Brings a network up. Throws what its driver throws, and forbidden when its subnets are those of one that is up: stored networks were apart
   * from each other, but --bip or the address of an existing bridge may have changed since.
   */
  add(record: NetworkRecord): void {
    this.#pending.delete(record.id);
    const driver = this.#driverOf(record);
    const allocators = allocatorsOf(record);
    const rival = this.all().find(
      ({ state, allocators: others }) =>
        state !== undefined &&
        others.some((other) => allocators.some((allocator) => overlaps(other.network, allocator.network))),
    );
    if (rival !== undefined) {
      this.#removeLeft(record);
      throw new GantryError('forbidden', `its subnets overlap with those of network ${rival.record.name}`);
    }
    if (record.driver === 'bridge') {
      if (record.enableIpv4) this.#options.forward(4);
      if (record.enableIpv6) this.#options.forward(6);
    }
    const state = driver.add(record);
    this.#networks.set(record.id, { record, driver, state, allocators });
  }

  /** Keeps a stored network that cannot be brought up: it is listed, can be removed, and its subnets stay its own. */
  addFailed(record: NetworkRecord): void {
    const driver = this.#driverOf(record);
    this.#networks.set(record.id, { record, driver, state: undefined, allocators: allocatorsOf(record) });
  }

  /** Takes a network down and forgets it. */
  remove(id: string): void {
    const network = this.#networks.get(id);
    if (network === undefined) return;
    const { state } = network;
    if (state !== undefined) {
      const shared = this.all().some(
        (other) =>
          other !== network && other.state?.interfaceName === state.interfaceName && state.interfaceName !== '',
      );
      network.driver.remove(state, shared);
    } else {
      this.#removeLeft(network.record);
    }
    this.#networks.delete(id);
  }

  /** What the rules of the bridges are made from. */
  bridgeRules(links: readonly LinkRule[] = [], open: readonly OpenPort[] = []): BridgeRules[] {
    return this.all()
      .filter(({ record, state }) => record.driver === 'bridge' && state !== undefined)
      .map(({ record, state, allocators }) => ({
        bridgeName: state!.interfaceName,
        subnets: allocators.map((allocator) => allocator.network),
        icc: boolOption(record, ENABLE_ICC, true),
        masquerade: boolOption(record, ENABLE_MASQUERADE, true),
        internal: record.internal,
        links: record.name === 'bridge' ? links : [],
        modes: { 4: gatewayMode(record, 4), 6: gatewayMode(record, 6) },
        sources: { 4: hostAddress(record, 4), 6: hostAddress(record, 6) },
        trusted: trustedInterfaces(record),
        open: open.filter(({ address }) =>
          allocators.some((allocator) => contains(allocator.network, parseAddress(address)!)),
        ),
      }));
  }

  /** Takes addresses for an endpoint. Throws invalid_parameter, forbidden when one is in use, unavailable; none is taken then. */
  choose(network: ActiveNetwork, request: EndpointRequest): ChosenAddresses {
    const { record, allocators } = network;
    if (request.arrangement !== undefined) return arranged(network, request.arrangement);
    const chosen: ChosenAddresses = {
      ipAddress: '',
      ipPrefixLen: 0,
      gateway: '',
      ipv6Address: '',
      ipv6PrefixLen: 0,
      ipv6Gateway: '',
      macAddress: request.macAddress.toLowerCase().replaceAll('-', ':'),
    };
    try {
      for (const family of [4, 6] as const) {
        const indexes = allocators.flatMap(({ network: subnet }, index) => (subnet.family === family ? [index] : []));
        const wanted = family === 4 ? request.ipAddress : request.ipv6Address;
        const before = family === 4 ? request.previous?.ipAddress : request.previous?.ipv6Address;
        if (indexes.length === 0) {
          if (wanted !== '') throw notWanted(family, wanted);
          continue;
        }
        const { index, address } = take(network, family, indexes, wanted, before ?? '');
        const pool = record.pools[index]!;
        const prefixLength = allocators[index]!.network.prefixLength;
        const gateway =
          record.internal || network.driver.routesByInterface(record) ? '' : routerOf(record, pool, family);
        const text = formatAddress(family, address);
        if (family === 4) Object.assign(chosen, { ipAddress: text, ipPrefixLen: prefixLength, gateway });
        else Object.assign(chosen, { ipv6Address: text, ipv6PrefixLen: prefixLength, ipv6Gateway: gateway });
        if (chosen.macAddress === '') chosen.macAddress = macOf(family, address);
      }
    } catch (error) {
      this.release(network, chosen);
      throw error;
    }
    if (chosen.macAddress === '') {
      chosen.macAddress = ['02', ...[...randomBytes(5)].map((byte) => byte.toString(16).padStart(2, '0'))].join(':');
    }
    return chosen;
  }

  /** Takes the addresses of an endpoint that lives. False when one is not to be had. */
  reclaim(network: ActiveNetwork, addresses: { ipAddress: string; ipv6Address: string }): boolean {
    // A plugin's own affair.
    if (network.record.ipam.driver !== 'default') return true;
    return [addresses.ipAddress, addresses.ipv6Address]
      .map(parseAddress)
      .every((address) => address === undefined || network.allocators.some((allocator) => allocator.take(address)));
  }

  release(network: ActiveNetwork, addresses: { ipAddress: string; ipv6Address: string }): void {
    for (const text of [addresses.ipAddress, addresses.ipv6Address]) {
      const address = parseAddress(text);
      if (address === undefined) continue;
      for (const allocator of network.allocators) {
        if (allocator.network.family === address.family) allocator.release(address.value);
      }
    }
  }

  /** See Networks.keepAddresses. */
  keep(containerId: string, addresses: Readonly<Record<string, LastAddresses>>): void {
    for (const end of this.#kept.get(containerId) ?? []) end();
    this.#kept.delete(containerId);
    const ends = Object.entries(addresses).flatMap(([name, { ipAddress, ipv6Address }]) =>
      [ipAddress, ipv6Address].map(parseAddress).flatMap((address) => {
        const allocator = this.find(name)?.allocators.find(
          ({ network }) => address !== undefined && contains(network, address),
        );
        if (address === undefined || allocator === undefined) return [];
        allocator.keep(address.value);
        return [() => allocator.unkeep(address.value)];
      }),
    );
    if (ends.length > 0) this.#kept.set(containerId, ends);
  }

  /** Removes the bridge that an earlier daemon made for a network that is not up: its address would draw packets for others. */
  #removeLeft(record: NetworkRecord): void {
    const used = this.all().some(({ state }) => state?.interfaceName === bridgeNameOf(record));
    if (record.driver === 'bridge' && !used) removeOwnBridge(this.#routes, bridgeNameOf(record));
  }

  #driverOf(record: NetworkRecord): NetworkDriver {
    return this.#drivers.get(record.driver) ?? new RemoteDriver(record.driver, this.#routes);
  }

  /** In use on this host. */
  #subnets(): IpNetwork[] {
    const pending = [...this.#pending.values()].flatMap(allocatorsOf);
    return [...this.all().flatMap(({ allocators }) => allocators), ...pending].map((allocator) => allocator.network);
  }
}

/** None where a plugin's addresses are on a plugin's links: these are theirs to keep apart. */
function allocatorsOf(record: NetworkRecord): SubnetAllocator[] {
  return remoteDriver(record) !== '' && remoteIpam(record) !== '' ? [] : record.pools.map(allocatorOf);
}

/** Addresses that have been taken before the sandbox was set up. */
function arranged({ record, driver }: ActiveNetwork, arrangement: Arrangement): ChosenAddresses {
  const { ipAddress, ipPrefixLen, ipv6Address, ipv6PrefixLen, link, macAddress } = arrangement;
  const gatewayOf = (text: string) => {
    const address = parseAddress(text);
    if (address === undefined || record.internal || driver.routesByInterface(record)) return '';
    return record.pools.find((pool) => contains(splitCidr(pool.subnet)!.network, address))?.gateway ?? '';
  };
  const address = parseAddress(ipAddress) ?? parseAddress(ipv6Address);
  const ownMac = address === undefined ? '' : macOf(address.family, address.value);
  return {
    ...{ ipAddress, ipPrefixLen, gateway: link === undefined ? gatewayOf(ipAddress) : link.gateway },
    ...{ ipv6Address, ipv6PrefixLen, ipv6Gateway: link === undefined ? gatewayOf(ipv6Address) : link.ipv6Gateway },
    // A plugin's interface has one.
    macAddress: macAddress === '' && link === undefined ? ownMac : macAddress,
  };
}

function take(
  network: ActiveNetwork,
  family: 4 | 6,
  indexes: readonly number[],
  wanted: string,
  before: string,
): { index: number; address: bigint } {
  const { record, allocators } = network;
  if (wanted !== '') {
    const address = parseAddress(wanted);
    if (address === undefined || address.family !== family) {
      throw new GantryError('invalid_parameter', `invalid IPv${family} address: ${wanted}`);
    }
    if (!indexes.some((index) => record.pools[index]!.given)) {
      throw new GantryError(
        'invalid_parameter',
        'invalid endpoint settings:\nuser specified IP address is supported only when connecting to networks with user configured subnets',
      );
    }
    const index = indexes.find((at) => {
      const subnet = splitCidr(record.pools[at]!.subnet)!.network;
      return splitCidr(`${wanted}/${subnet.prefixLength}`)!.network.base === subnet.base;
    });
    if (index === undefined) throw notWanted(family, wanted);
    if (!allocators[index]!.take(address)) throw new GantryError('forbidden', 'Address already in use');
    return { index, address: address.value };
  }
  const previous = parseAddress(before);
  for (const index of previous === undefined ? [] : indexes) {
    if (allocators[index]!.take(previous!)) return { index, address: previous!.value };
  }
  for (const index of indexes) {
    const address = allocators[index]!.allocate();
    if (address !== undefined) return { index, address };
  }
  throw noAddressLeft(family);
}

/** Of an isolated network, and of an internal one whose bridge has no address, nothing is a gateway: its address is a container's. */
function dropGateways(record: NetworkRecord): void {
  const bare = record.internal && boolOption(record, INHIBIT_IPV4, false);
  for (const pool of record.pools) {
    const { family } = splitCidr(pool.subnet)!.network;
    const config = record.ipam.config.find(({ Subnet }) => Subnet === pool.subnet);
    if (gatewayMode(record, family) !== 'isolated' && !(family === 4 && bare)) continue;
    if (pool.given && config?.Gateway) continue;
    pool.gateway = '';
    if (config !== undefined) delete config.Gateway;
  }
}

/** By an auxiliary address of this name users of Docker make another host than the bridge the way out. */
function routerOf({ driver }: NetworkRecord, { aux, gateway }: NetworkPool, family: Family): string {
  return (driver === 'bridge' && aux[`DefaultGatewayIPv${family}`]) || gateway;
}

function notWanted(family: 4 | 6, address: string): GantryError {
  return new GantryError(
    'invalid_parameter',
    `invalid endpoint settings:\nno configured subnet or ip-range contain the IP address ${address}`,
    family === 6 ? { hint: 'the network needs an IPv6 subnet that has this address' } : {},
  );
}
