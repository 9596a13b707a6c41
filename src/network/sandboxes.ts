import { randomBytes } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { errnoOf, GantryError, messageOf } from '../api/errors.ts';
import { unpinNamespace } from '../linux/namespace.ts';
import type { RouteSocket } from '../linux/netlink/route.ts';
import { attachmentOf, checkFree, freeName, namesOf } from './attachment.ts';
import {
  removeStacked,
  returnLink,
  type SandboxInside,
  setUpInterface,
  setUpRemoteInterface,
  withInside,
  writeDefaultRoutes,
} from './container-interface.ts';
import type {
  Attachment,
  EndpointInfo,
  EndpointRequest,
  LiveSandbox,
  Sandbox,
  SandboxObserver,
  SandboxRequest,
  SandboxView,
} from './contract.ts';
import { countersOf } from './counters.ts';
import { IFACE_PREFIX } from './drivers/options.ts';
import { chooseGateways, type Gateways, NO_GATEWAYS } from './gateways.ts';
import type { HostPorts } from './host-ports.ts';
import type { NetworkLog } from './log.ts';
import { closeReady, type NamespacePool, type ReadyNamespace } from './namespace-pool.ts';
import type { NetworkRegistry } from './registry.ts';
import type { SandboxOwners } from './sandbox-owners.ts';

export interface SandboxesParts {
  routes: RouteSocket;
  registry: NetworkRegistry;
  ports: HostPorts;
  pool: NamespacePool;
  owners: SandboxOwners;
  pinDirectory: string;
  observers: readonly SandboxObserver[];
  log: NetworkLog;
}

interface OpenSandbox extends SandboxView {
  name: string;
  /** "" for one of which only its interfaces are known. */
  path: string;
  attachments: Attachment[];
  gateways: Gateways;
}

/**
 * The sandboxes of running containers and their endpoints. What is known of them is kept in three places that agree again after any
 * crash: the kernel (pins, interfaces whose alias names bridge and container), the owner links beside the pins, and memory.
 */
export class Sandboxes {
  readonly #parts: SandboxesParts;
  readonly #open = new Map<string, OpenSandbox>();
  readonly #reserved = new Map<string, ReadyNamespace>();

  constructor(parts: SandboxesParts) {
    this.#parts = parts;
  }

  views(): SandboxView[] {
    return [...this.#open.values()].filter(({ path }) => path !== '');
  }

  /** Whether any container runs in one. */
  get empty(): boolean {
    return this.#open.size === 0;
  }

  /** Path of the namespace that the container's next sandbox will have, for plugins that want to know before. */
  reserve(containerId: string): string {
    const { pool, owners } = this.#parts;
    this.release(containerId);
    const namespace = pool.take();
    this.#reserved.set(containerId, namespace);
    owners.set(containerId, namespace.sandboxId);
    return namespace.path;
  }

  /** Of a running container. Throws conflict for one without a namespace of its own, forbidden when it is on the network. */
  pathFor(containerId: string, network: { id: string; name: string }): string {
    const open = this.#require(containerId);
    checkFree(open, network);
    return open.path;
  }

  /** Whether its interfaces are within reach. */
  has(containerId: string): boolean {
    return (this.#open.get(containerId)?.path ?? '') !== '';
  }

  attachments(containerId: string): readonly Attachment[] {
    return this.#open.get(containerId)?.attachments ?? [];
  }

  gateways(containerId: string): Gateways {
    return this.#open.get(containerId)?.gateways ?? NO_GATEWAYS;
  }

  create(request: SandboxRequest): Sandbox {
    const { containerId, name, hostname } = request;
    const { pool, owners } = this.#parts;
    const reserved = this.#reserved.get(containerId);
    this.#reserved.delete(containerId);
    // What a start that failed half-way may have left.
    if (reserved === undefined) this.release(containerId);
    const namespace = reserved ?? pool.take();
    const { sandboxId, path } = namespace;
    const open: OpenSandbox = { containerId, name, hostname, path, attachments: [], gateways: NO_GATEWAYS };
    this.#open.set(containerId, open);
    try {
      if (reserved === undefined) owners.set(containerId, sandboxId);
      const inside: SandboxInside = { path, fd: namespace.fd, routes: namespace.routes };
      for (const endpoint of request.endpoints) open.attachments.push(this.#attach(open, endpoint, inside));
      this.#route(open, inside);
      for (const observer of this.#parts.observers) observer.opened(open);
      this.#tellGateway(open);
    } catch (error) {
      this.release(containerId);
      throw error;
    } finally {
      closeReady(namespace);
    }
    return { sandboxId, path, endpoints: open.attachments.map(({ endpoint }) => endpoint) };
  }

  connect(containerId: string, request: EndpointRequest): EndpointInfo {
    const open = this.#require(containerId);
    return withInside(open.path, (inside) => {
      const attachment = this.#attach(open, request, inside);
      open.attachments.push(attachment);
      try {
        const changed = this.#route(open, inside);
        for (const observer of this.#parts.observers) observer.attached(open, attachment);
        if (changed) this.#tellGateway(open);
      } catch (error) {
        this.#detach(open, attachment, inside);
        throw error;
      }
      return attachment.endpoint;
    });
  }

  disconnect(containerId: string, networkId: string): void {
    const open = this.#require(containerId);
    const attachment = open.attachments.find(({ endpoint }) => endpoint.networkId === networkId);
    if (attachment === undefined) return;
    withInside(open.path, (inside) => {
      if (this.#detach(open, attachment, inside)) this.#tellGateway(open);
      for (const observer of this.#parts.observers) observer.detached(open, attachment);
    });
  }

  rename(containerId: string, name: string): void {
    const open = this.#open.get(containerId);
    if (open === undefined) return;
    open.name = name;
    open.attachments = open.attachments.map((attachment) => ({
      ...attachment,
      names: namesOf(open, attachment.aliases),
    }));
    for (const observer of this.#parts.observers) observer.renamed(open);
  }

  release(containerId: string): void {
    const { observers, ports, owners } = this.#parts;
    const reserved = this.#reserved.get(containerId);
    if (reserved !== undefined) {
      this.#reserved.delete(containerId);
      closeReady(reserved);
      this.#attempt('release a network namespace', () => unpinNamespace(reserved.path));
      this.#attempt('forget a sandbox', () => owners.remove(containerId));
    }
    const open = this.#open.get(containerId);
    if (open === undefined) return;
    this.#open.delete(containerId);
    for (const observer of observers) this.#attempt('tell of a sandbox that ends', () => observer.closed(containerId));
    for (const { endpoint } of open.attachments) {
      if (endpoint.hostInterfaceName !== '') {
        this.#attempt('disable a port', () => ports.leave(endpoint.hostInterfaceName));
      } else if (open.path !== '') {
        // Its address must be free at once on the parent's link; the namespace would keep it for some 100 ms.
        this.#attempt('remove an interface', () =>
          withInside(open.path, (inside) => this.#unlink(endpoint, inside, [])),
        );
      }
      this.#giveBack(endpoint);
    }
    if (open.path !== '') this.#attempt('release a network namespace', () => unpinNamespace(open.path));
    this.#attempt('forget a sandbox', () => owners.remove(containerId));
  }

  counters(containerId: string): Record<string, Record<string, number>> {
    const open = this.#open.get(containerId);
    if (open === undefined) return {};
    return countersOf(open, this.#parts.routes, (read) => withInside(open.path, read));
  }

  /** Rebuilds memory from the records of running containers and the owner links; removes pins that belong to none of them. */
  takeBack(live: readonly LiveSandbox[]): void {
    const { owners, pinDirectory, registry, log, ports, observers } = this.#parts;
    const owned = owners.all();
    const kept = new Set<string>();
    for (const { containerId, name, hostname, endpoints, aliases } of live) {
      const pin = owned.get(containerId)?.slice(0, 12);
      if (pin !== undefined) kept.add(pin);
      const attachments: Attachment[] = [];
      for (const endpoint of endpoints) {
        const network = registry.get(endpoint.networkId);
        if (network === undefined || !registry.reclaim(network, endpoint)) {
          log.warn('the address of a running container is not of its network', {
            containerId,
            network: endpoint.networkName,
            address: endpoint.ipAddress || endpoint.ipv6Address,
          });
        }
        if (network === undefined) continue;
        const own = aliases[endpoint.networkName] ?? [];
        attachments.push(attachmentOf(network, endpoint, { containerId, name, hostname }, own));
      }
      const path = pin === undefined ? '' : join(pinDirectory, pin);
      const gateways = chooseGateways(attachments);
      this.#open.set(containerId, { containerId, name, hostname, path, attachments, gateways });
    }
    for (const containerId of owned.keys()) {
      if (!this.#open.has(containerId)) this.#attempt('forget a sandbox', () => owners.remove(containerId));
    }
    for (const pin of readdirSync(pinDirectory)) {
      if (!kept.has(pin)) {
        this.#attempt('release a network namespace', () => unpinNamespace(join(pinDirectory, pin)));
      }
    }
    const states = registry.all().flatMap(({ record, state }) => (record.driver === 'bridge' && state ? [state] : []));
    const used = live.flatMap(({ endpoints }) => endpoints.map(({ hostInterfaceName }) => hostInterfaceName));
    ports.leaveForeign(states, new Set(used));
    for (const open of this.#open.values()) {
      if (open.path === '') continue;
      this.#attempt('take a running container back', () => {
        for (const observer of observers) observer.opened(open);
        this.#tellGateway(open);
      });
    }
    for (const observer of observers) this.#attempt('take running containers back', () => observer.restored());
  }

  /** Makes an endpoint, all but its default route. Nothing is left when it throws. */
  #attach(open: OpenSandbox, request: EndpointRequest, inside: SandboxInside): Attachment {
    const { registry } = this.#parts;
    const network = registry.find(request.network);
    if (network === undefined) throw new GantryError('not_found', `network ${request.network} not found`);
    const { record, state, driver } = network;
    if (record.configOnly === true) {
      throw new GantryError('forbidden', 'cannot create endpoint on configuration-only network');
    }
    checkFree(open, record);
    if (state === undefined) {
      throw new GantryError('unavailable', `network ${record.name} could not be brought up when the daemon started`, {
        hint: "the daemon's log says why; start it again when that is mended",
      });
    }
    const { arrangement } = request;
    const link = arrangement?.link;
    const prefix = link?.prefix ?? (record.options[IFACE_PREFIX] || 'eth');
    // Some plugins put no interface into the sandbox.
    const interfaceName = link?.sourceName === '' ? '' : freeName(open, request.interfaceName, prefix);
    const addresses = registry.choose(network, request);
    let hostInterfaceName: string | undefined;
    try {
      const { containerId } = open;
      const { macAddress } = addresses;
      const place = { containerId, namespace: inside.fd, interfaceName, macAddress };
      hostInterfaceName = driver.connect(state, { ...place, ...(link === undefined ? {} : { link }) });
      const settings = { ...request, ...addresses, ignoreRouters: driver.ownSubnets };
      const made =
        link === undefined
          ? setUpInterface(inside, interfaceName, settings)
          : interfaceName !== '' && setUpRemoteInterface(inside, interfaceName, { ...settings, routes: link.routes });
      const { linkLocalIps, gatewayPriority } = request;
      const endpoint: EndpointInfo = {
        networkName: record.name,
        networkId: record.id,
        endpointId: arrangement?.endpointId ?? randomBytes(32).toString('hex'),
        interfaceName,
        hostInterfaceName,
        ...addresses,
        macAddress: made === false ? macAddress : made.macAddress,
        ...(linkLocalIps.length > 0 ? { linkLocalIps } : {}),
        ...(gatewayPriority !== 0 ? { gatewayPriority } : {}),
        ...(request.wayOut === true ? { wayOut: true as const } : {}),
        ...(link === undefined ? {} : { remote: { ...link, index: made === false ? 0 : made.index } }),
      };
      return attachmentOf(network, endpoint, open, request.aliases);
    } catch (error) {
      // Addresses that were arranged are given back by who arranged them.
      if (arrangement === undefined) registry.release(network, addresses);
      if (hostInterfaceName !== undefined) {
        const name = hostInterfaceName;
        this.#attempt('remove an interface', () => {
          const there = link === undefined ? undefined : inside.routes.link(interfaceName);
          if (there !== undefined) returnLink(inside.routes, there.index, link!.sourceName);
          else if (name === '') inside.routes.deleteLink(interfaceName);
          else this.#parts.ports.leave(name);
        });
      }
      throw error;
    }
  }

  /** Takes an endpoint out of a running container. Returns whether the default route changed. */
  #detach(open: OpenSandbox, attachment: Attachment, inside: SandboxInside): boolean {
    const { endpoint } = attachment;
    open.attachments = open.attachments.filter((other) => other !== attachment);
    this.#attempt('remove an interface', () => this.#unlink(endpoint, inside, open.attachments));
    this.#giveBack(endpoint);
    let changed = false;
    // The container may have set the interface down that comes next: it is off the network all the same.
    this.#attempt('change the default route', () => {
      changed = this.#route(open, inside);
    });
    return changed;
  }

  /** `others`: what it stays on. The name of an interface within a container with CAP_NET_ADMIN is that one's to change. */
  #unlink(endpoint: EndpointInfo, inside: SandboxInside, others: readonly Attachment[]): void {
    const { routes, registry } = this.#parts;
    if (endpoint.remote !== undefined) {
      if (endpoint.interfaceName !== '') returnLink(inside.routes, endpoint.remote.index, endpoint.remote.sourceName);
      return;
    }
    if (endpoint.hostInterfaceName !== '') {
      routes.deleteLink(endpoint.hostInterfaceName);
      return;
    }
    const parent = registry.get(endpoint.networkId)?.state?.index;
    if (parent === undefined) inside.routes.deleteLink(endpoint.interfaceName);
    else removeStacked(inside.routes, parent, new Set(others.map((other) => other.endpoint.interfaceName)));
  }

  #giveBack(endpoint: EndpointInfo): void {
    const network = this.#parts.registry.get(endpoint.networkId);
    if (network !== undefined) this.#parts.registry.release(network, endpoint);
  }

  /** Puts the default routes where they belong now. Returns whether that is another endpoint than before. */
  #route(open: OpenSandbox, inside: SandboxInside): boolean {
    const before = open.gateways;
    const gateways = chooseGateways(open.attachments);
    open.gateways = gateways;
    writeDefaultRoutes(inside.routes, before, gateways, ({ endpoint }, family) => {
      const network = this.#parts.registry.get(endpoint.networkId);
      const onLink = endpoint.remote?.defaultOnLink.includes(family) === true;
      return onLink || network?.driver.routesByInterface(network.record) === true;
    });
    const same = (one: Attachment | undefined, other: Attachment | undefined) =>
      one?.endpoint.endpointId === other?.endpoint.endpointId;
    return !same(before.ipv4, gateways.ipv4) || !same(before.ipv6, gateways.ipv6);
  }

  #tellGateway(open: OpenSandbox): void {
    const gateway = open.gateways.ipv4 ?? open.gateways.ipv6;
    for (const observer of this.#parts.observers) observer.gatewayChanged(open, gateway);
  }

  #require(containerId: string): OpenSandbox {
    const open = this.#open.get(containerId);
    if (open === undefined || open.path === '') {
      throw new GantryError('conflict', `container ${containerId} has no network namespace of its own`);
    }
    return open;
  }

  /** Teardown goes on whatever fails; what is already gone is no failure. */
  #attempt(what: string, step: () => void): void {
    try {
      step();
    } catch (error) {
      if (errnoOf(error) === 'ENODEV' || errnoOf(error) === 'ENOENT') return;
      this.#parts.log.warn(`cannot ${what}`, { error: messageOf(error) });
    }
  }
}
