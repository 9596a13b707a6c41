import { closeSync, openSync, writeFileSync } from 'node:fs';
import { errnoOf, GantryError } from '../api/errors.ts';
import { inNetworkNamespace } from '../linux/namespace.ts';
import type { Link } from '../linux/netlink/link.ts';
import { RouteSocket } from '../linux/netlink/route.ts';
import type { Attachment } from './contract.ts';
import type { Gateways } from './gateways.ts';
import { isIpv6 } from './ip.ts';

/** A sandbox's namespace while something is done in it. */
export interface SandboxInside {
  path: string;
  /** Open descriptor of the namespace. */
  fd: number;
  /** Speaks for the namespace, from outside. */
  routes: RouteSocket;
}

/** Does something in the namespace pinned at `path`. Throws SystemCallError, and what `work` throws. */
export function withInside<T>(path: string, work: (inside: SandboxInside) => T): T {
  const fd = openSync(path, 'r');
  try {
    const routes = inNetworkNamespace(path, () => new RouteSocket());
    try {
      return work({ path, fd, routes });
    } finally {
      routes.close();
    }
  } finally {
    closeSync(fd);
  }
}

export interface InterfaceSettings {
  ipAddress: string;
  ipPrefixLen: number;
  ipv6Address: string;
  ipv6PrefixLen: number;
  linkLocalIps: readonly string[];
  /** Its neighbours are other containers, none of which is a router: what one announces as such is passed over. */
  ignoreRouters: boolean;
  /** By name, with IFNAME in the interface's place. */
  sysctls: Readonly<Record<string, string>>;
}

/** Where a packet to anywhere goes. */
const ANYWHERE = { 4: '0.0.0.0', 6: '::' } as const;

/** Gives an interface that is there its addresses and settings, and sets it up. Throws SystemCallError, invalid_parameter for a sysctl. */
export function setUpInterface(inside: SandboxInside, name: string, settings: InterfaceSettings): Link {
  const { routes } = inside;
  const link = routes.link(name)!;
  const { index } = link;
  const linkLocal = settings.linkLocalIps.map((address) => ({
    index,
    address,
    // RFC 3927, RFC 4291
    prefixLength: isIpv6(address) ? 64 : 16,
  }));
  const sysctls = Object.entries(settings.sysctls);
  // Namespaces begin without IPv6: see NamespacePool.
  if (settings.ipv6Address !== '' || linkLocal.some(({ address }) => isIpv6(address))) {
    sysctls.unshift(['net.ipv6.conf.IFNAME.disable_ipv6', '0']);
    if (settings.ignoreRouters) sysctls.unshift(['net.ipv6.conf.IFNAME.accept_ra', '0']);
  }
  if (sysctls.length > 0) inNetworkNamespace(inside.path, () => writeSysctls(name, sysctls));
  const { ipAddress, ipPrefixLen, ipv6Address, ipv6PrefixLen } = settings;
  if (ipAddress !== '') routes.addAddress({ index, address: ipAddress, prefixLength: ipPrefixLen });
  if (ipv6Address !== '') routes.addAddress({ index, address: ipv6Address, prefixLength: ipv6PrefixLen });
  for (const address of linkLocal) routes.addAddress(address);
  routes.setLink(index, { up: true });
  return link;
}

/**
 * Makes the default routes go by `after`, when they went by `before`. `byInterface`: whether a network has no gateway that would have
 * an address.
 */
export function writeDefaultRoutes(
  routes: RouteSocket,
  before: Gateways,
  after: Gateways,
  byInterface: (attachment: Attachment, family: 4 | 6) => boolean,
): void {
  for (const family of [4, 6] as const) {
    const [old, next] = family === 4 ? [before.ipv4, after.ipv4] : [before.ipv6, after.ipv6];
    if (old?.endpoint.endpointId === next?.endpoint.endpointId) continue;
    const destination = { destination: ANYWHERE[family], prefixLength: 0 };
    const oldIndex = old === undefined ? undefined : routes.link(old.endpoint.interfaceName)?.index;
    if (oldIndex !== undefined) {
      try {
        routes.deleteRoute({ ...destination, gateway: gatewayOf(old!, family), index: oldIndex });
      } catch (error) {
        // The container may have taken it away itself.
        if (errnoOf(error) !== 'ESRCH') throw error;
      }
    }
    if (next === undefined) continue;
    const gateway = gatewayOf(next, family);
    if (gateway === '' && !byInterface(next, family)) continue;
    // A container with CAP_NET_ADMIN can have renamed or removed it, or have a default route of its own: that is its affair.
    const index = routes.link(next.endpoint.interfaceName)?.index;
    if (index === undefined) continue;
    try {
      routes.addRoute({ ...destination, gateway, index });
    } catch (error) {
      if (errnoOf(error) !== 'EEXIST') throw error;
    }
  }
}

/** Sets up an interface that a plugin has made and that has just come into the namespace. Throws SystemCallError, invalid_parameter. */
export function setUpRemoteInterface(
  inside: SandboxInside,
  name: string,
  settings: InterfaceSettings & { macAddress: string; routes: readonly { destination: string; gateway: string }[] },
): Link {
  const { routes } = inside;
  if (settings.macAddress !== '') routes.setLink(name, { macAddress: settings.macAddress });
  const link = setUpInterface(inside, name, settings);
  for (const { destination, gateway } of settings.routes) {
    const [address = '', length] = destination.split('/');
    routes.addRoute({ destination: address, prefixLength: Number(length), gateway, index: link.index });
  }
  return link;
}

/** Gives a plugin its interface back, under its old name on the host. By its index: the container can have changed its name. */
export function returnLink(routes: RouteSocket, index: number, sourceName: string): void {
  // The calling thread's: the host's.
  const host = openSync('/proc/thread-self/ns/net', 'r');
  try {
    routes.moveLink(index, host, sourceName);
  } finally {
    closeSync(host);
  }
}

/**
 * Removes the macvlan and ipvlan interfaces of a namespace that stand on `parent`, but for those in `keep`. Not by their names: a container
 * with CAP_NET_ADMIN can change them.
 */
export function removeStacked(routes: RouteSocket, parent: number, keep: ReadonlySet<string>): void {
  for (const link of routes.links()) {
    const stacked = link.kind === 'macvlan' || link.kind === 'ipvlan';
    if (stacked && link.parent === parent && !keep.has(link.name)) routes.deleteLink(link.name);
  }
}

function gatewayOf(attachment: Attachment, family: 4 | 6): string {
  return family === 4 ? attachment.endpoint.gateway : attachment.endpoint.ipv6Gateway;
}

/** In the namespace of the calling thread. */
function writeSysctls(interfaceName: string, sysctls: readonly (readonly [string, string])[]): void {
  for (const [name, value] of sysctls) {
    const path = name
      .split(/[./]/)
      .map((part) => (part === 'IFNAME' ? interfaceName : part))
      .join('/');
    try {
      writeFileSync(`/proc/sys/${path}`, value);
    } catch (cause) {
      throw new GantryError('invalid_parameter', `failed to set sysctl ${name}=${value}: ${(cause as Error).message}`, {
        cause,
      });
    }
  }
}
