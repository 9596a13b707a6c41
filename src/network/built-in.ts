import { createHash } from 'node:crypto';
import { GantryError } from '../api/errors.ts';
import type { RouteSocket } from '../linux/netlink/route.ts';
import type { BridgeOptions, NetworkRecord } from './contract.ts';
import { BRIDGE_NAME, DEFAULT_BRIDGE, ENABLE_ICC, ENABLE_MASQUERADE, HOST_BINDING, MTU } from './drivers/options.ts';
import { formatAddress, formatNetwork, type IpNetwork, networkOf, parseAddress, parseCidr } from './ip.ts';
import { chooseNetwork, DEFAULT_ADDRESS_POOLS } from './ipam.ts';

const DEFAULT_MTU = 1500;

/** Names of the networks that are there without anybody making them. */
export const BUILT_IN: readonly string[] = ['bridge', 'host', 'none'];

/** The ID of a built-in network: the same for an engine's whole life, another for another engine. */
export function networkId(engineId: string, name: string): string {
  return createHash('sha256').update(`${engineId}\0network\0${name}`).digest('hex');
}

/** The networks "host" and "none". */
export function plainNetworks(engineId: string, created: string): NetworkRecord[] {
  return [builtIn(engineId, created, 'host', 'host'), builtIn(engineId, created, 'none', 'null')];
}

/**
 * The default bridge network. Its address is --bip's, or else the one the bridge has, or else the first of the first free network of
 * the pools. Throws GantryError: invalid_parameter for a bad bip, unavailable when no network is free.
 */
export function defaultBridge(
  routes: RouteSocket,
  options: BridgeOptions,
  engineId: string,
  created: string,
): NetworkRecord {
  const { address, network } = addressOf(routes, options);
  const gateway = formatAddress(4, address);
  const subnet = formatNetwork(network);
  const record = builtIn(engineId, created, 'bridge', 'bridge');
  record.pools = [{ subnet, gateway, ipRange: '', aux: {}, given: options.bip !== '' }];
  record.ipam.config = [{ Subnet: subnet, Gateway: gateway }];
  record.options = {
    [DEFAULT_BRIDGE]: 'true',
    [ENABLE_ICC]: String(options.icc),
    [ENABLE_MASQUERADE]: String(options.enableIpMasq),
    [HOST_BINDING]: options.hostBinding ?? '0.0.0.0',
    [BRIDGE_NAME]: options.bridgeName,
    [MTU]: String(options.mtu > 0 ? options.mtu : DEFAULT_MTU),
  };
  return record;
}

/** Every network that the host has an address in or a route to, but for default routes and what goes by `except`. */
export function hostNetworks(routes: RouteSocket, except = ''): IpNetwork[] {
  const passedOver = except === '' ? undefined : routes.link(except)?.index;
  return ([4, 6] as const).flatMap((family) =>
    [
      ...routes.addresses(family),
      ...routes.routes(family).map(({ destination, ...route }) => ({ ...route, address: destination })),
    ]
      .filter(({ prefixLength, index }) => prefixLength > 0 && index !== passedOver)
      // Every link has these two.
      .filter(({ address }) => !address.startsWith('fe80:') && !address.startsWith('ff00:'))
      .map(({ address, prefixLength }) => networkOf(parseAddress(address)!, prefixLength)),
  );
}

function addressOf(routes: RouteSocket, options: BridgeOptions): { address: bigint; network: IpNetwork } {
  if (options.bip !== '') return parseCidr(options.bip);
  const link = routes.link(options.bridgeName);
  const present = link === undefined ? undefined : routes.addresses(4).find(({ index }) => index === link.index);
  if (present !== undefined) return parseCidr(`${present.address}/${present.prefixLength}`);
  const pools = options.pools.length > 0 ? options.pools : DEFAULT_ADDRESS_POOLS;
  const network = chooseNetwork(4, pools, hostNetworks(routes));
  if (network === undefined) {
    throw new GantryError('unavailable', 'all predefined address pools have been fully subnetted', {
      hint: 'give the bridge an address with --bip, or other pools with --default-address-pool',
    });
  }
  return { address: network.base + 1n, network };
}

function builtIn(engineId: string, created: string, name: string, driver: string): NetworkRecord {
  return {
    id: networkId(engineId, name),
    name,
    created,
    driver,
    enableIpv4: true,
    enableIpv6: false,
    internal: false,
    attachable: false,
    labels: {},
    options: {},
    ipam: { driver: 'default', options: null, config: [] },
    pools: [],
  };
}
