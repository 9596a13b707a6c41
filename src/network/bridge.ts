import { createHash, randomBytes } from 'node:crypto';
import type { RouteSocket } from '../linux/netlink/route.ts';
import type { BridgeOptions } from './contract.ts';
import { chooseNetwork, DEFAULT_ADDRESS_POOLS } from './ipam.ts';
import { formatIpv4, type Ipv4Network, networkOf, parseCidr, parseIpv4 } from './ipv4.ts';

const DEFAULT_MTU = 1500;

export interface Bridge {
  name: string;
  index: number;
  mtu: number;
  /** Its own address, the containers' gateway. */
  address: number;
  network: Ipv4Network;
  /** Made by Gantry, so removed by it; one that an administrator made is only used. */
  own: boolean;
}

/** The alias by which a bridge is known as made by Gantry, and the start of its ports' aliases. */
export function bridgeAlias(bridgeName: string): string {
  return `gantry:${bridgeName}`;
}

/** The alias of a container's host-side interface. */
export function portAlias(bridgeName: string, containerId: string): string {
  return `gantry:${bridgeName}:${containerId}`;
}

/** The start of the names of a bridge's ports: "veth" and four letters of its own. 15 letters are all that an interface name holds. */
export function portPrefix(bridgeName: string): string {
  return `veth${createHash('sha256').update(bridgeName).digest('hex').slice(0, 4)}`;
}

/**
 * Makes the bridge or takes over the one that is there, gives it its address and sets it up. The address is --bip's, or else the one
 * the bridge has, or else the first of the first free network of the pools.
 * @throws SystemCallError, GantryError (invalid_parameter for a bad bip, unavailable when no network is free)
 */
export function setUpBridge(routes: RouteSocket, options: BridgeOptions): Bridge {
  const name = options.bridgeName;
  const mtu = options.mtu > 0 ? options.mtu : DEFAULT_MTU;
  const wanted = options.bip === '' ? undefined : parseCidr(options.bip);
  let link = routes.link(name);
  if (link === undefined) {
    // An address of its own: otherwise a bridge takes the lowest of its ports, and its neighbours see it change as containers come and go.
    const macAddress = `02:42:${[...randomBytes(4)].map((byte) => byte.toString(16).padStart(2, '0')).join(':')}`;
    routes.addBridge(name, macAddress, mtu);
    routes.setLink(name, { alias: bridgeAlias(name) });
    link = routes.link(name)!;
  }
  const { index } = link;
  const own = link.alias === bridgeAlias(name);
  const present = routes.addresses().filter((address) => address.index === index);

  let address: number;
  let network: Ipv4Network;
  if (wanted !== undefined) ({ address, network } = wanted);
  else if (present.length > 0) {
    address = parseIpv4(present[0]!.address)!;
    network = networkOf(address, present[0]!.prefixLength);
  } else {
    network = chooseNetwork(options.pools.length > 0 ? options.pools : DEFAULT_ADDRESS_POOLS, usedNetworks(routes));
    address = network.base + 1;
  }

  const text = formatIpv4(address);
  let there = false;
  for (const other of present) {
    if (other.address === text && other.prefixLength === network.prefixLength) there = true;
    else if (own) routes.deleteAddress(other);
  }
  if (!there) routes.addAddress({ index, address: text, prefixLength: network.prefixLength });
  routes.setLink(index, own ? { up: true, mtu } : { up: true });
  return { name, index, mtu, address, network, own };
}

/** Every network that the host has an address in or a route to, but for the default route. */
function usedNetworks(routes: RouteSocket): Ipv4Network[] {
  return [
    ...routes.addresses().map((a) => [a.address, a.prefixLength] as const),
    ...routes.routes().map((r) => [r.destination, r.prefixLength] as const),
  ]
    .filter(([, prefixLength]) => prefixLength > 0)
    .map(([address, prefixLength]) => networkOf(parseIpv4(address)!, prefixLength));
}
