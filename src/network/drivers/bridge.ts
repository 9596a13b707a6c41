import { createHash, randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { errnoOf, GantryError } from '../../api/errors.ts';
import type { RouteSocket } from '../../linux/netlink/route.ts';
import type { LinkRequest, NetworkDriver, NetworkRecord, NetworkState } from '../contract.ts';
import { type Family, splitCidr } from '../ip.ts';
import {
  BRIDGE_NAME,
  boolOption,
  checkInterfaceName,
  DEFAULT_BRIDGE,
  ENABLE_ICC,
  ENABLE_IPV4,
  ENABLE_IPV6,
  ENABLE_MASQUERADE,
  GATEWAY_MODE,
  gatewayMode,
  HOST_ADDRESS,
  HOST_BINDING,
  hostAddress,
  IFACE_PREFIX,
  INHIBIT_IPV4,
  MTU,
  mtuOption,
  refuseUnknown,
  TRUSTED_INTERFACES,
  trustedInterfaces,
} from './options.ts';

const DEFAULT_MTU = 1500;
const KNOWN = [
  BRIDGE_NAME,
  ENABLE_ICC,
  ENABLE_MASQUERADE,
  HOST_BINDING,
  INHIBIT_IPV4,
  MTU,
  IFACE_PREFIX,
  ENABLE_IPV4,
  ENABLE_IPV6,
  TRUSTED_INTERFACES,
  ...Object.values(GATEWAY_MODE),
  ...Object.values(HOST_ADDRESS),
];

/** The alias by which a bridge is known as made by Gantry, and the start of its ports' aliases. */
export function bridgeAlias(bridgeName: string): string {
  return `gantry:${bridgeName}`;
}

/** The start of the names of a bridge's ports: "veth" and four letters of its own. 15 letters are all that an interface name holds. */
export function portPrefix(bridgeName: string): string {
  return `veth${createHash('sha256').update(bridgeName).digest('hex').slice(0, 4)}`;
}

/** The interface of a network with this driver. */
export function bridgeNameOf(record: NetworkRecord): string {
  return record.options[BRIDGE_NAME] || `br-${record.id.slice(0, 12)}`;
}

/** Removes a bridge if it is one that Gantry made. Throws SystemCallError. */
export function removeOwnBridge(routes: RouteSocket, name: string): void {
  if (routes.link(name)?.alias === bridgeAlias(name)) routes.deleteLink(name);
}

/** A software bridge of the host's, its address the gateway; containers hang on it by veth pairs. */
export class BridgeDriver implements NetworkDriver {
  readonly name = 'bridge';
  readonly ownSubnets = true;
  readonly #routes: RouteSocket;

  constructor(routes: RouteSocket) {
    this.#routes = routes;
  }

  prepare(record: NetworkRecord, others: readonly NetworkRecord[]): void {
    if (record.options[DEFAULT_BRIDGE] !== undefined) {
      throw new GantryError('forbidden', `option ${DEFAULT_BRIDGE} is reserved for the default bridge`);
    }
    refuseUnknown(record, KNOWN);
    for (const name of [ENABLE_ICC, ENABLE_MASQUERADE, INHIBIT_IPV4]) boolOption(record, name, true);
    mtuOption(record);
    trustedInterfaces(record);
    for (const family of [4, 6] as const) {
      hostAddress(record, family);
      if (gatewayMode(record, family) === 'isolated' && !record.internal) {
        throw new GantryError('invalid_parameter', "gateway mode 'isolated' can only be used for an internal network");
      }
    }
    const binding = record.options[HOST_BINDING] ?? '';
    if (binding !== '' && splitCidr(`${binding}/32`)?.network.family !== 4) {
      throw new GantryError('invalid_parameter', `invalid value for ${HOST_BINDING}: "${binding}" is no IPv4 address`);
    }
    const name = bridgeNameOf(record);
    checkInterfaceName(name, BRIDGE_NAME);
    const rival = others.find((other) => other.driver === 'bridge' && bridgeNameOf(other) === name);
    if (rival !== undefined) {
      throw new GantryError(
        'forbidden',
        `cannot create network ${record.id} (${name}): conflicts with network ${rival.id} (${name}): networks have same bridge name`,
      );
    }
  }

  add(record: NetworkRecord): NetworkState {
    const routes = this.#routes;
    const name = bridgeNameOf(record);
    const mtu = mtuOption(record) || DEFAULT_MTU;
    let link = routes.link(name);
    const made = link === undefined;
    if (link === undefined) {
      // An address of its own: otherwise a bridge takes the lowest of its ports, and its neighbours see it change as containers come and go.
      const macAddress = `02:42:${[...randomBytes(4)].map((byte) => byte.toString(16).padStart(2, '0')).join(':')}`;
      routes.addBridge(name, macAddress, mtu);
    } else if (link.kind !== 'bridge') {
      throw new GantryError('forbidden', `existing interface ${name} is not a bridge`);
    }
    try {
      if (made) routes.setLink(name, { alias: bridgeAlias(name) });
      link = routes.link(name)!;
      const own = link.alias === bridgeAlias(name);
      if (own) hearNoRouters(name);
      const isolated = ([4, 6] as const).map((family) => gatewayMode(record, family) === 'isolated');
      if (record.enableIpv6 && !isolated[1]) enableIpv6(name);
      // Otherwise the host would still be reached by the bridge's link-local address.
      else if (own && isolated.includes(true)) disableIpv6(name);
      this.#giveAddresses(record, link.index, own);
      routes.setLink(link.index, own ? { up: true, mtu } : { up: true });
      return { record, interfaceName: name, index: link.index, mtu, own };
    } catch (error) {
      if (made) routes.deleteLink(name);
      throw error;
    }
  }

  remove(state: NetworkState): void {
    const link = state.own ? this.#routes.link(state.interfaceName) : undefined;
    if (link !== undefined) this.#routes.deleteLink(state.interfaceName);
  }

  connect(state: NetworkState, request: LinkRequest): string {
    const routes = this.#routes;
    const name = `${portPrefix(state.interfaceName)}${randomBytes(4).toString('hex').slice(0, 7)}`;
    routes.addVeth({
      name,
      mtu: state.mtu,
      master: state.index,
      peerNamespace: request.namespace,
      peerName: request.interfaceName,
      peerMacAddress: request.macAddress,
    });
    try {
      routes.setLink(name, { up: true, alias: `${bridgeAlias(state.interfaceName)}:${request.containerId}` });
      if (!boolOption(state.record, ENABLE_ICC, true)) routes.isolatePort(routes.link(name)!.index);
      return name;
    } catch (error) {
      routes.deleteLink(name);
      throw error;
    }
  }

  routesByInterface(): boolean {
    return false;
  }

  /** The gateways' addresses; of a bridge of our own they are the only ones. */
  #giveAddresses(record: NetworkRecord, index: number, own: boolean): void {
    const inhibited = (family: Family): boolean =>
      gatewayMode(record, family) === 'isolated' || (family === 4 && boolOption(record, INHIBIT_IPV4, false));
    const wanted = record.pools.flatMap((pool) => {
      const { network } = splitCidr(pool.subnet)!;
      if (pool.gateway === '' || inhibited(network.family)) return [];
      return [{ address: pool.gateway, prefixLength: network.prefixLength }];
    });
    for (const family of [4, 6] as const) {
      for (const present of this.#routes.addresses(family)) {
        if (present.index !== index) continue;
        const at = wanted.findIndex((one) => one.address === present.address);
        if (at >= 0 && wanted[at]!.prefixLength === present.prefixLength) wanted.splice(at, 1);
        // The kernel's own link-local address stays.
        else if (own && !present.address.startsWith('fe80:')) this.#routes.deleteAddress(present);
      }
    }
    for (const address of wanted) this.#routes.addAddress({ index, ...address });
  }
}

/**
 * The host takes no addresses, routes or redirects that a container announces (CVE-2020-13401), not on a network without IPv6 either: its
 * bridge has a link-local address.
 */
function hearNoRouters(name: string): void {
  for (const key of ['accept_ra', 'accept_redirects']) {
    try {
      writeSetting(name, key, '0');
    } catch (error) {
      // A host without IPv6 hears nothing.
      if (errnoOf(error) !== 'ENOENT') throw error;
    }
  }
}

/** Whatever the host's default for new interfaces is. */
function enableIpv6(name: string): void {
  try {
    writeSetting(name, 'accept_ra', '0');
    writeSetting(name, 'disable_ipv6', '0');
  } catch (cause) {
    if (errnoOf(cause) !== 'ENOENT') throw cause;
    throw new GantryError('not_supported', 'this host has no IPv6', { cause });
  }
}

function disableIpv6(name: string): void {
  try {
    writeSetting(name, 'disable_ipv6', '1');
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
  }
}

function writeSetting(name: string, key: string, value: string): void {
  writeFileSync(`/proc/sys/net/ipv6/conf/${name}/${key}`, value);
}
