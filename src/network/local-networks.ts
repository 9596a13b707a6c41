import { join } from 'node:path';
import { errnoOf, GantryError, messageOf } from '../api/errors.ts';
import type { Network } from '../api/schemas/network.ts';
import { RouteSocket } from '../linux/netlink/route.ts';
import { Plugins } from '../plugins/plugins.ts';
import { BridgeFirewall } from './bridge-firewall.ts';
import { BUILT_IN, defaultBridge, plainNetworks } from './built-in.ts';
import type {
  BridgeOptions,
  EndpointInfo,
  EndpointRequest,
  HostOptions,
  Joining,
  LastAddresses,
  LinkRule,
  LiveSandbox,
  NetworkRecord,
  Networks,
  OpenPort,
  ResolvRequest,
  Sandbox,
  SandboxObserver,
  SandboxRequest,
  SandboxView,
} from './contract.ts';
import { enableForwarding } from './forwarding.ts';
import { HostPorts } from './host-ports.ts';
import { type HostsRequest, makeHostsFile } from './hosts-file.ts';
import { routeBetweenPorts } from './isolated-ports.ts';
import type { NetworkLog } from './log.ts';
import { NamespacePool } from './namespace-pool.ts';
import { type BridgeRules, type Families, tableName } from './nat-rules.ts';
import { makePinDirectory, removePinDirectory } from './pin-directory.ts';
import { type ActiveNetwork, NetworkRegistry } from './registry.ts';
import { Arranger, type WayOut } from './remote/arranger.ts';
import type { RemoteJournal } from './remote/contract.ts';
import { isRemote, OWN_DRIVERS, remoteDriver } from './remote/kinds.ts';
import { Remotes } from './remote/remotes.ts';
import { type EmbeddedResolvConf, makeEmbeddedResolvConf, makeResolvConf, readHostResolvConf } from './resolv-conf.ts';
import { SandboxOwners } from './sandbox-owners.ts';
import { Sandboxes } from './sandboxes.ts';

export interface NetworksDependencies {
  /** Directory of what ends with the host's uptime; pins go to its "netns". */
  execRoot: string;
  /** Stable ID of this engine: the IDs of built-in networks come from it. */
  engineId: string;
  /** Of a daemon without a default bridge: what else BridgeOptions says. */
  bridgeless?: HostOptions;
  /** The daemon's own resolver settings. */
  dns: ResolvRequest;
  /** What "host-gateway" stands for in extra hosts; empty for the default bridge's address. */
  hostGatewayIps: string[];
  /** Networks of plugins; missing for none. */
  remote?: { plugins: Plugins; journal: RemoteJournal; wayOut: WayOut };
  log: NetworkLog;
}

/** What is there between init() and close(). */
interface Running {
  routes: RouteSocket;
  registry: NetworkRegistry;
  sandboxes: Sandboxes;
  remotes: Remotes;
  arranger: Arranger;
  pool: NamespacePool;
  ports: HostPorts;
  owners: SandboxOwners;
  pinDirectory: string;
}

/** The networks of one host: the default bridge, "host" and "none", and what users make. */
export class LocalNetworks implements Networks {
  readonly #options: BridgeOptions | null;
  readonly #dependencies: NetworksDependencies;
  readonly #log: NetworkLog;
  readonly #table: string;
  readonly #created = new Date().toISOString();
  readonly #observers: SandboxObserver[] = [];
  #running: Running | undefined;
  /** undefined for a daemon that leaves the host's packet filters alone. */
  #firewall: BridgeFirewall | undefined;
  #links: readonly LinkRule[] = [];
  readonly #open = new Map<string, readonly OpenPort[]>();

  /** @param options null for a daemon without a default bridge (--bridge=none) */
  constructor(options: BridgeOptions | null, dependencies: NetworksDependencies) {
    this.#options = options;
    this.#dependencies = dependencies;
    this.#log = dependencies.log;
    this.#table = tableName(options?.bridgeName ?? dependencies.engineId);
  }

  observe(observer: SandboxObserver): void {
    this.#observers.push(observer);
  }

  async init(stored: readonly NetworkRecord[], live: readonly LiveSandbox[]): Promise<void> {
    const { execRoot, engineId } = this.#dependencies;
    const log = this.#log;
    const routes = new RouteSocket();
    const pinDirectory = makePinDirectory(join(execRoot, 'netns'));
    const owners = new SandboxOwners(join(execRoot, 'sandboxes'));
    const { pools, enableIpForward, dropForwarding = false } = this.#common();
    const families = this.#families();
    const forward = (family: 4 | 6): void => {
      if (enableIpForward) enableForwarding(family, { drop: dropForwarding && families[family] });
    };
    const registry = new NetworkRegistry(routes, { engineId, pools, forward });
    const ports = new HostPorts(routes, log);
    const pool = new NamespacePool(pinDirectory, log);
    const observers = this.#observers;
    const sandboxes = new Sandboxes({ routes, registry, ports, pool, owners, pinDirectory, observers, log });
    const plugins = this.#dependencies.remote ?? noPlugins();
    const remotes = new Remotes({ ...plugins, log });
    const arranger = new Arranger({ remotes, registry, sandboxes, wayOut: plugins.wayOut, log });
    this.#running = { routes, registry, sandboxes, remotes, arranger, pool, ports, owners, pinDirectory };
    if (this.#options !== null) registry.add(defaultBridge(routes, this.#options, engineId, this.#created));
    for (const record of plainNetworks(engineId, this.#created)) registry.add(record);
    for (const record of stored) {
      try {
        registry.add(record);
      } catch (error) {
        log.warn('cannot bring up a network', { network: record.name, id: record.id, error: messageOf(error) });
        registry.addFailed(record);
      }
    }
    this.#joinLinked();
    if (families[4] || families[6]) {
      const rules = (): BridgeRules[] => registry.bridgeRules(this.#links, [...this.#open.values()].flat());
      this.#firewall = new BridgeFirewall(this.#table, families, rules, log);
      await this.#firewall.start();
    }
    sandboxes.takeBack(live);
    const alive = new Set(live.flatMap(({ endpoints }) => endpoints.map(({ endpointId }) => endpointId)));
    remotes.things.restore((thing) =>
      thing.kind === 'network' ? registry.get(thing.id) !== undefined : alive.has(thing.id),
    );
    void remotes.remind(stored);
    pool.fill();
  }

  sandboxes(): SandboxView[] {
    return this.#running?.sandboxes.views() ?? [];
  }

  isRemote(record: NetworkRecord): boolean {
    return isRemote(record);
  }

  load(record: NetworkRecord): Promise<void> {
    return this.#up.remotes.load(record);
  }

  prepare(record: NetworkRecord): void {
    const { registry, remotes } = this.#up;
    const plugin = remoteDriver(record);
    if (plugin !== '' && !remotes.drivers().includes(plugin)) {
      throw new GantryError('not_found', `plugin "${plugin}" not found`);
    }
    registry.prepare(record);
  }

  async make(record: NetworkRecord): Promise<void> {
    const { registry, remotes } = this.#up;
    registry.expect(record);
    try {
      await remotes.makeNetwork(record);
    } catch (error) {
      registry.callOff(record.id);
      throw error;
    }
  }

  unmake(id: string): Promise<void> {
    const { registry, remotes } = this.#up;
    registry.callOff(id);
    return remotes.things.release(id);
  }

  async add(record: NetworkRecord): Promise<void> {
    const { registry } = this.#up;
    registry.add(record);
    try {
      await this.#firewall?.apply();
    } catch (error) {
      registry.remove(record.id);
      throw error;
    }
    // undefined when another client has removed it meanwhile.
    const bridge = registry.get(record.id)?.state?.interfaceName;
    if (record.driver === 'bridge' && !record.internal && bridge) await this.#firewall?.added(bridge);
  }

  remove(id: string): Promise<void> {
    const { registry, remotes } = this.#up;
    const network = registry.get(id);
    if (network !== undefined && remotes.things.busy(id)) {
      throw new GantryError(
        'forbidden',
        `error while removing network: network ${network.record.name} has active endpoints`,
      );
    }
    registry.remove(id);
    return network === undefined ? Promise.resolve() : this.#removeRules(network);
  }

  records(): NetworkRecord[] {
    return this.#running?.registry.all().map(({ record }) => record) ?? [];
  }

  find(reference: string): NetworkRecord | undefined {
    return this.#running?.registry.find(reference)?.record;
  }

  describe(record: NetworkRecord): Network {
    return {
      Name: record.name,
      Id: record.id,
      Created: record.created,
      Scope: record.scope ?? 'local',
      Driver: record.driver,
      EnableIPv4: record.enableIpv4,
      EnableIPv6: record.enableIpv6,
      IPAM: {
        Driver: record.ipam.driver,
        Options: record.ipam.options,
        Config: record.ipam.config.length === 0 ? null : record.ipam.config,
      },
      Internal: record.internal,
      Attachable: record.attachable,
      Ingress: false,
      ConfigFrom: { Network: record.configFrom ?? '' },
      ConfigOnly: record.configOnly === true,
      Containers: {},
      Options: record.options,
      Labels: record.labels,
    };
  }

  drivers(): string[] {
    const used = this.records().map((record) => record.driver);
    return [...new Set([...OWN_DRIVERS, ...used, ...(this.#running?.remotes.drivers() ?? [])])].sort();
  }

  asksPlugins(request: SandboxRequest): boolean {
    return this.#up.arranger.concerns(request.endpoints);
  }

  createSandbox(request: SandboxRequest): Sandbox {
    const sandbox = this.#up.sandboxes.create(request);
    if (sandbox.endpoints.length > 0) this.#firewall?.hurry();
    return sandbox;
  }

  async openSandbox(request: SandboxRequest): Promise<Sandbox> {
    const sandbox = await this.#up.arranger.open(request);
    this.#firewall?.hurry();
    return sandbox;
  }

  connect(container: Joining, request: EndpointRequest): Promise<EndpointInfo> {
    return this.#up.arranger.connect(container, request);
  }

  disconnect(containerId: string, networkId: string): Promise<void> {
    return this.#up.arranger.disconnect(containerId, networkId);
  }

  wayOut(containerId: string): EndpointInfo | undefined {
    const attachments = this.#running?.sandboxes.attachments(containerId) ?? [];
    return attachments.find(({ endpoint }) => endpoint.wayOut === true)?.endpoint;
  }

  rename(containerId: string, name: string): void {
    this.#running?.sandboxes.rename(containerId, name);
  }

  keepAddresses(containerId: string, addresses: Readonly<Record<string, LastAddresses>>): void {
    this.#running?.registry.keep(containerId, addresses);
  }

  releaseSandbox(containerId: string): Promise<void> | undefined {
    return this.#running?.arranger.release(containerId);
  }

  counters(containerId: string): Record<string, Record<string, number>> {
    return this.#running?.sandboxes.counters(containerId) ?? {};
  }

  resolvConf(request: ResolvRequest): string {
    return makeResolvConf(readHostResolvConf(request.hostNetwork === true), request, this.#dependencies.dns);
  }

  embeddedResolvConf(request: ResolvRequest): EmbeddedResolvConf {
    return makeEmbeddedResolvConf(readHostResolvConf(false), request, this.#dependencies.dns);
  }

  hosts(request: HostsRequest): string {
    const { hostGatewayIps } = this.#dependencies;
    const own = this.find('bridge')?.pools.map((pool) => pool.gateway) ?? [];
    return makeHostsFile(request, hostGatewayIps.length > 0 ? hostGatewayIps : own);
  }

  openPorts(containerId: string, ports: readonly OpenPort[]): void {
    if (ports.length === 0 && !this.#open.has(containerId)) return;
    if (ports.length === 0) this.#open.delete(containerId);
    else this.#open.set(containerId, ports);
    this.#firewall?.apply().catch((error: unknown) => this.#log.warn('cannot open ports', { error: messageOf(error) }));
  }

  async allowLinks(rules: readonly LinkRule[]): Promise<void> {
    const same = JSON.stringify(this.#links) === JSON.stringify(rules);
    this.#links = rules;
    if (same || this.#running === undefined || this.#options?.icc !== false) return;
    this.#joinLinked();
    await this.#firewall?.apply();
  }

  async close(options: { keepLive: boolean }): Promise<void> {
    const running = this.#running;
    if (running === undefined) return;
    const { routes, registry, sandboxes, pool, ports, owners, pinDirectory } = running;
    pool.close();
    running.remotes.things.close();
    await ports.reap();
    const ends = !options.keepLive && sandboxes.empty;
    const bridges = registry.bridgeRules().map(({ bridgeName }) => bridgeName);
    await this.#firewall?.close(ends ? bridges : undefined);
    if (ends) {
      for (const { record } of registry.all()) {
        await this.#attempt(`remove network ${record.name}`, () => registry.remove(record.id));
      }
      await this.#attempt('remove the directory of the pins', () => removePinDirectory(pinDirectory));
      await this.#attempt('remove the directory of the owners', () => owners.close());
    }
    routes.close();
  }

  /** Links lead through rules; for that, what is sent between ports that are kept apart must come to them. */
  #joinLinked(): void {
    if (this.#links.length > 0 && this.#options?.icc === false) routeBetweenPorts(this.#options.bridgeName);
  }

  #families(): Families {
    const { enableIptables, enableIp6tables = enableIptables } = this.#common();
    return { 4: enableIptables, 6: enableIp6tables };
  }

  async #removeRules({ record, state }: ActiveNetwork): Promise<void> {
    await this.#firewall?.apply();
    if (record.driver === 'bridge' && state !== undefined) await this.#firewall?.removed(state.interfaceName);
  }

  #common(): HostOptions {
    return this.#options ?? this.#dependencies.bridgeless ?? { pools: [], enableIptables: true, enableIpForward: true };
  }

  async #attempt(what: string, step: () => void | Promise<void>): Promise<void> {
    try {
      await step();
    } catch (error) {
      if (errnoOf(error) === 'ENODEV' || errnoOf(error) === 'ENOENT') return;
      this.#log.warn(`cannot ${what}`, { error: messageOf(error) });
    }
  }

  get #up(): Running {
    if (this.#running === undefined) throw new GantryError('system', 'networks are used before init()');
    return this.#running;
  }
}

function noPlugins(): NonNullable<NetworksDependencies['remote']> {
  return {
    plugins: new Plugins({ paths: { sockets: '', specs: [] } }),
    journal: { all: () => [], put: () => {}, keep: () => {}, strike: () => {} },
    wayOut: () => Promise.reject(new GantryError('system', 'networks of plugins are unknown here')),
  };
}

/** Whether a network is there without anybody having made it. */
export function isBuiltIn(record: NetworkRecord): boolean {
  return BUILT_IN.includes(record.name);
}
