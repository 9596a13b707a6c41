import { randomBytes } from 'node:crypto';
import { mkdirSync, readdirSync, realpathSync, rmdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { errnoOf, GantryError, messageOf } from '../api/errors.ts';
import type { Network } from '../api/schemas/network.ts';
import { isMountPoint, MNT_DETACH, MS_BIND, MS_PRIVATE, mount, umount } from '../linux/mount.ts';
import { unpinNamespace } from '../linux/namespace.ts';
import { RouteSocket } from '../linux/netlink/route.ts';
import { type Bridge, bridgeAlias, portAlias, portPrefix, setUpBridge } from './bridge.ts';
import type { BridgeOptions, EndpointInfo, Networks, ResolvRequest, Sandbox, SandboxRequest } from './contract.ts';
import { stopAcceptingForwarding } from './forward-policy.ts';
import { ForwardWatch } from './forward-watch.ts';
import { type HostsRequest, makeHostsFile } from './hosts-file.ts';
import { macOf, SubnetAllocator } from './ipam.ts';
import { formatIpv4, parseIpv4 } from './ipv4.ts';
import type { NetworkLog } from './log.ts';
import { closeReady, NamespacePool, type ReadyNamespace } from './namespace-pool.ts';
import { installNat, removeNat } from './nat-rules.ts';
import { bridgeNetwork, networkId, plainNetworks } from './network-objects.ts';
import { makeResolvConf, readHostResolvConf } from './resolv-conf.ts';
import { SandboxOwners } from './sandbox-owners.ts';

const INTERFACE_NAME = 'eth0';
/** The kernel takes an ended namespace's interfaces away within some 100 ms; what is there after this time is held by a process. */
const REAP_DELAY_MS = 3000;

export interface BridgeNetworksDependencies {
  /** Directory of what ends with the host's uptime; pins go to its "netns". */
  execRoot: string;
  /** Stable ID of this engine: network IDs come from it. */
  engineId: string;
  /** The daemon's own resolver settings. */
  dns: ResolvRequest;
  /** What "host-gateway" stands for in extra hosts; empty for the bridge's address. */
  hostGatewayIps: string[];
  log: NetworkLog;
}

interface OpenSandbox {
  /** undefined for one of which only its interfaces are known. */
  sandbox: Sandbox | undefined;
  endpoints: EndpointInfo[];
}

/**
 * The default bridge, and the networks "host" and "none". State is kept in three places that agree again after any crash: the kernel
 * (pins, interfaces whose alias names bridge and container), the owner links beside the pins, and memory, which init() rebuilds.
 */
export class BridgeNetworks implements Networks {
  readonly #options: BridgeOptions | null;
  readonly #dependencies: BridgeNetworksDependencies;
  readonly #log: NetworkLog;
  #pinDirectory: string;
  readonly #sandboxes = new Map<string, OpenSandbox>();
  /** Host-side interfaces of released sandboxes, which the kernel should remove by itself. */
  readonly #leaving = new Set<string>();
  readonly #created = new Date().toISOString();
  #reaper: NodeJS.Timeout | undefined;
  #routes: RouteSocket | undefined;
  #pool: NamespacePool | undefined;
  #owners: SandboxOwners | undefined;
  #bridge: Bridge | undefined;
  #forward: ForwardWatch | undefined;
  #addresses: SubnetAllocator | undefined;

  /** @param options null for a daemon without a default bridge (--bridge=none) */
  constructor(options: BridgeOptions | null, dependencies: BridgeNetworksDependencies) {
    this.#options = options;
    this.#dependencies = dependencies;
    this.#log = dependencies.log;
    this.#pinDirectory = join(dependencies.execRoot, 'netns');
  }

  async init(live: { containerId: string; endpoints: EndpointInfo[] }[]): Promise<void> {
    const routes = new RouteSocket();
    this.#routes = routes;
    this.#makePinDirectory();
    this.#owners = new SandboxOwners(join(this.#dependencies.execRoot, 'sandboxes'));
    if (this.#options !== null) await this.#initBridge(routes, this.#options);
    this.#takeBack(live, this.#owners);
    if (this.#options !== null) this.#leaveForeignPorts(routes, this.#options.bridgeName);
    this.#pool = new NamespacePool(this.#pinDirectory, this.#log);
    this.#pool.fill();
  }

  createSandbox(request: SandboxRequest): Sandbox {
    const { containerId } = request;
    const pool = this.#require(this.#pool);
    const owners = this.#require(this.#owners);
    // What a start that failed half-way may have left.
    this.releaseSandbox(containerId);
    const namespace = pool.take();
    try {
      owners.set(containerId, namespace.sandboxId);
      const endpoints = request.mode === 'bridge' ? [this.#connect(request, namespace)] : [];
      if (endpoints.length > 0) this.#forward?.hurry();
      const sandbox = { sandboxId: namespace.sandboxId, path: namespace.path, endpoints };
      this.#sandboxes.set(containerId, { sandbox, endpoints });
      return sandbox;
    } catch (error) {
      this.#attempt('release a network namespace', () => unpinNamespace(namespace.path));
      this.#attempt('forget a sandbox', () => owners.remove(containerId));
      throw error;
    } finally {
      closeReady(namespace);
    }
  }

  releaseSandbox(containerId: string): void {
    const open = this.#sandboxes.get(containerId);
    if (open === undefined) return;
    this.#sandboxes.delete(containerId);
    for (const endpoint of open.endpoints) {
      const address = parseIpv4(endpoint.ipAddress);
      this.#attempt('disable a port', () => this.#leave(endpoint.hostInterfaceName));
      if (address !== undefined) this.#addresses?.release(address);
    }
    const { sandbox } = open;
    if (sandbox !== undefined) this.#attempt('release a network namespace', () => unpinNamespace(sandbox.path));
    this.#attempt('forget a sandbox', () => this.#owners?.remove(containerId));
  }

  counters(containerId: string): Record<string, Record<string, number>> {
    const result: Record<string, Record<string, number>> = {};
    for (const endpoint of this.#sandboxes.get(containerId)?.endpoints ?? []) {
      // Read at the host's end, where no namespace is entered: what that one sends is what the container receives.
      const host = this.#routes?.counters(endpoint.hostInterfaceName);
      if (host === undefined) continue;
      result[endpoint.interfaceName] = {
        rx_bytes: host.txBytes,
        rx_packets: host.txPackets,
        rx_errors: host.txErrors,
        rx_dropped: host.txDropped,
        tx_bytes: host.rxBytes,
        tx_packets: host.rxPackets,
        tx_errors: host.rxErrors,
        tx_dropped: host.rxDropped,
      };
    }
    return result;
  }

  list(): Network[] {
    const { engineId } = this.#dependencies;
    const plain = plainNetworks(engineId, this.#created);
    if (this.#bridge === undefined || this.#options === null) return plain;
    return [bridgeNetwork(engineId, this.#created, this.#bridge, this.#options), ...plain];
  }

  resolvConf(request: ResolvRequest): string {
    return makeResolvConf(readHostResolvConf(request.hostNetwork === true), request, this.#dependencies.dns);
  }

  hosts(request: HostsRequest): string {
    const { hostGatewayIps } = this.#dependencies;
    const own = this.#bridge === undefined ? [] : [formatIpv4(this.#bridge.address)];
    return makeHostsFile(request, hostGatewayIps.length > 0 ? hostGatewayIps : own);
  }

  async close(options: { keepLive: boolean }): Promise<void> {
    this.#pool?.close();
    clearTimeout(this.#reaper);
    await this.#forward?.close();
    await this.#reap();
    if (!options.keepLive && this.#sandboxes.size === 0) {
      if (this.#options !== null) await this.#removeBridge(this.#options);
      this.#attempt('remove the directory of the pins', () => this.#removePinDirectory());
      this.#attempt('remove the directory of the owners', () => this.#owners?.close());
    }
    this.#routes?.close();
  }

  async #initBridge(routes: RouteSocket, options: BridgeOptions): Promise<void> {
    const bridge = setUpBridge(routes, options);
    this.#bridge = bridge;
    this.#addresses = new SubnetAllocator(bridge.network, [bridge.address]);
    if (options.enableIpForward) writeFileSync('/proc/sys/net/ipv4/ip_forward', '1');
    if (!options.enableIptables) return;
    await installNat({
      bridgeName: bridge.name,
      network: bridge.network,
      icc: options.icc,
      masquerade: options.enableIpMasq,
    });
    this.#forward = new ForwardWatch(bridge.name, this.#log);
    await this.#forward.start();
  }

  /** Makes the pair, its container end configured, and returns what is to be remembered of it. */
  #connect(request: SandboxRequest, namespace: ReadyNamespace): EndpointInfo {
    const bridge = this.#bridge;
    const routes = this.#require(this.#routes);
    if (bridge === undefined) throw new GantryError('not_found', 'network bridge not found');
    const address = this.#chooseAddress(request);
    const hostInterfaceName = `${portPrefix(bridge.name)}${randomBytes(4).toString('hex').slice(0, 7)}`;
    try {
      const ipAddress = formatIpv4(address);
      const macAddress = (request.macAddress ?? '') === '' ? macOf(address) : request.macAddress!.toLowerCase();
      routes.addVeth({
        name: hostInterfaceName,
        mtu: bridge.mtu,
        master: bridge.index,
        peerNamespace: namespace.fd,
        peerName: INTERFACE_NAME,
        peerMacAddress: macAddress,
      });
      routes.setLink(hostInterfaceName, { up: true, alias: portAlias(bridge.name, request.containerId) });
      if (this.#options?.icc === false) routes.isolatePort(routes.link(hostInterfaceName)!.index);

      const inside = namespace.routes;
      const { index } = inside.link(INTERFACE_NAME)!;
      const prefixLength = bridge.network.prefixLength;
      const gateway = formatIpv4(bridge.address);
      inside.addAddress({ index, address: ipAddress, prefixLength });
      inside.setLink(index, { up: true });
      inside.addRoute({ destination: '0.0.0.0', prefixLength: 0, gateway, index });
      return {
        networkName: 'bridge',
        networkId: networkId(this.#dependencies.engineId, 'bridge'),
        endpointId: randomBytes(32).toString('hex'),
        interfaceName: INTERFACE_NAME,
        hostInterfaceName,
        macAddress,
        ipAddress,
        ipPrefixLen: prefixLength,
        gateway,
        ipv6Address: '',
        ipv6PrefixLen: 0,
        ipv6Gateway: '',
      };
    } catch (error) {
      this.#attempt('disable a port', () => this.#leave(hostInterfaceName));
      this.#addresses?.release(address);
      throw error;
    }
  }

  #chooseAddress(request: SandboxRequest): number {
    const addresses = this.#require(this.#addresses);
    if (request.ipAddress !== undefined && request.ipAddress !== '') {
      const wanted = parseIpv4(request.ipAddress);
      if (wanted === undefined)
        throw new GantryError('invalid_parameter', `invalid IPv4 address: ${request.ipAddress}`);
      if (!addresses.take(wanted)) throw new GantryError('forbidden', 'Address already in use');
      return wanted;
    }
    const previous = parseIpv4(request.previous?.ipAddress ?? '');
    if (previous !== undefined && addresses.take(previous)) return previous;
    return addresses.allocate();
  }

  /** Rebuilds memory from the records of running containers and the owner links; removes pins that belong to none of them. */
  #takeBack(live: { containerId: string; endpoints: EndpointInfo[] }[], owners: SandboxOwners): void {
    const owned = owners.all();
    const kept = new Set<string>();
    for (const { containerId, endpoints } of live) {
      const sandboxId = owned.get(containerId);
      const pin = sandboxId?.slice(0, 12);
      const sandbox =
        sandboxId === undefined ? undefined : { sandboxId, path: join(this.#pinDirectory, pin!), endpoints };
      if (pin !== undefined) kept.add(pin);
      this.#sandboxes.set(containerId, { sandbox, endpoints });
      for (const endpoint of endpoints) {
        const address = parseIpv4(endpoint.ipAddress);
        if (address !== undefined && this.#addresses?.take(address) === false) {
          this.#log.warn('the address of a running container is not of the bridge', {
            containerId,
            address: endpoint.ipAddress,
          });
        }
      }
    }
    for (const containerId of owned.keys()) {
      if (!this.#sandboxes.has(containerId)) this.#attempt('forget a sandbox', () => owners.remove(containerId));
    }
    for (const pin of readdirSync(this.#pinDirectory)) {
      if (!kept.has(pin))
        this.#attempt('release a network namespace', () => unpinNamespace(join(this.#pinDirectory, pin)));
    }
  }

  /** Lets go of this bridge's ports that belong to no running container. Other daemons' interfaces have other aliases. */
  #leaveForeignPorts(routes: RouteSocket, bridgeName: string): void {
    const used = new Set(
      [...this.#sandboxes.values()].flatMap((open) => open.endpoints.map((endpoint) => endpoint.hostInterfaceName)),
    );
    for (const link of routes.links()) {
      if (link.kind !== 'veth' || used.has(link.name)) continue;
      const ours = link.alias.startsWith(`${bridgeAlias(bridgeName)}:`);
      // Killed between making it and naming its owner.
      const halfMade =
        link.alias === '' && link.master === this.#bridge?.index && link.name.startsWith(portPrefix(bridgeName));
      if (ours || halfMade) this.#attempt('disable a port', () => this.#leave(link.name));
    }
  }

  /**
   * Takes a port out of use at once, so that whoever gets its address next never competes with it, and sees to it that it goes away.
   * Removing it here would block for an RCU grace period; the kernel does it when the namespace ends.
   */
  #leave(hostInterfaceName: string): void {
    const link = this.#routes?.link(hostInterfaceName);
    if (link === undefined) return;
    this.#leaving.add(hostInterfaceName);
    this.#reaper ??= setTimeout(() => {
      this.#reaper = undefined;
      this.#reap().catch((error: unknown) => this.#log.warn('cannot remove interfaces', { error: messageOf(error) }));
    }, REAP_DELAY_MS).unref();
    if (link.master !== 0) this.#routes?.disablePort(link.index);
  }

  async #reap(): Promise<void> {
    const names = [...this.#leaving];
    this.#leaving.clear();
    for (const name of names) {
      if (this.#routes?.link(name) === undefined) continue;
      this.#attempt('remove an interface', () => this.#routes?.deleteLink(name));
      await nextTurn();
    }
  }

  async #removeBridge(options: BridgeOptions): Promise<void> {
    const steps: [string, () => unknown][] = [];
    if (options.enableIptables) {
      steps.push(['remove the NAT rules', () => removeNat(options.bridgeName)]);
      steps.push(['remove the FORWARD rules', () => stopAcceptingForwarding(options.bridgeName)]);
    }
    if (this.#bridge?.own === true)
      steps.push(['remove the bridge', () => this.#routes?.deleteLink(options.bridgeName)]);
    for (const [what, step] of steps) {
      try {
        await step();
      } catch (error) {
        this.#log.warn(`cannot ${what}`, { error: messageOf(error) });
      }
    }
  }

  /**
   * Pins live on a mount of their own that is private: in a shared one (as systemd makes /run) each would be copied to every mount
   * namespace of the host, which costs time and keeps namespaces alive that were let go of here.
   */
  #makePinDirectory(): void {
    mkdirSync(this.#pinDirectory, { recursive: true, mode: 0o755 });
    // The kernel's list of mounts has no symbolic links in it (/var/run is one).
    this.#pinDirectory = realpathSync(this.#pinDirectory);
    if (isMountPoint(this.#pinDirectory)) return;
    mount(this.#pinDirectory, this.#pinDirectory, null, MS_BIND);
    mount('none', this.#pinDirectory, null, MS_PRIVATE);
  }

  #removePinDirectory(): void {
    if (isMountPoint(this.#pinDirectory)) umount(this.#pinDirectory, MNT_DETACH);
    rmdirSync(this.#pinDirectory);
  }

  /** Teardown goes on whatever fails; what is already gone is no failure. */
  #attempt(what: string, step: () => void): void {
    try {
      step();
    } catch (error) {
      if (errnoOf(error) === 'ENODEV' || errnoOf(error) === 'ENOENT') return;
      this.#log.warn(`cannot ${what}`, { error: messageOf(error) });
    }
  }

  #require<T>(value: T | undefined): T {
    if (value === undefined) throw new GantryError('system', 'networks are used before init()');
    return value;
  }
}
