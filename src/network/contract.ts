import type { IPAMConfig, Network } from '../api/schemas/network.ts';
import type { HostsRequest } from './hosts-file.ts';
import type { Arrangement, RemoteLink } from './remote/contract.ts';
import type { EmbeddedResolvConf } from './resolv-conf.ts';

/**
 * Network namespaces of containers and what connects them.
 *
 * A network is a record that the engine stores; its driver makes what stands for it on the host. A sandbox is one pinned network
 * namespace, a container's; an endpoint is one interface in it, on one network. Sandboxes survive the daemon; what is known of them is
 * derived again at start-up from the container records (EndpointInfo), the pins and the kernel.
 *
 * Life of a network: prepare() completes and checks a record, changing nothing; add() makes bridge, rules and the like (also at each
 * start-up, for every stored network, idempotently); remove() takes them away. Life of an endpoint: createSandbox() or connect() makes
 * it, disconnect() or releaseSandbox() ends it. All on the start path is synchronous system calls, but where plugins have a say
 * (remote/): they are asked before, by load(), make() and openSandbox(), and what they say comes with the record or request.
 */

/** One network as the state store keeps it. What was asked for, completed with what was chosen: nothing in it changes later. */
export interface NetworkRecord {
  /** 64 hex digits. */
  id: string;
  name: string;
  /** RFC 3339. */
  created: string;
  driver: string;
  /** A driver that is a plugin may say so; missing for "local". */
  scope?: 'global';
  enableIpv4: boolean;
  enableIpv6: boolean;
  internal: boolean;
  attachable: boolean;
  labels: Record<string, string>;
  /** Driver options as given. */
  options: Record<string, string>;
  ipam: {
    driver: string;
    options: Record<string, string> | null;
    /** As the API shows it. */
    config: IPAMConfig[];
  };
  /** Nothing but settings that other networks take theirs from: it has no driver and nobody is on it. Missing for false. */
  configOnly?: true;
  /** Name of the network that its settings are from. */
  configFrom?: string;
  /** The subnets that addresses come from, the given ones or those chosen; IPv4 before IPv6. */
  pools: NetworkPool[];
}

export interface NetworkPool {
  /** CIDR. */
  subnet: string;
  /** "" when the network has none (ipvlan in its layer 3 modes, IPv6 of an internal macvlan...). */
  gateway: string;
  /** CIDR within the subnet that addresses are chosen from; "" for all of it. */
  ipRange: string;
  /** Addresses of others in the subnet, never given out: by name. */
  aux: Record<string, string>;
  /** Asked for, not chosen: only in such a subnet a container may ask for an address. */
  given: boolean;
  /** By which an IPAM plugin knows it; missing for our own. */
  poolId?: string;
  addressSpace?: string;
}

/** What the container record keeps of an endpoint while the container runs. */
export interface EndpointInfo {
  networkName: string;
  networkId: string;
  endpointId: string;
  interfaceName: string;
  /** The host's end of the pair; "" where there is none (macvlan, ipvlan). */
  hostInterfaceName: string;
  macAddress: string;
  /** "" for an address that it does not have. */
  ipAddress: string;
  ipPrefixLen: number;
  gateway: string;
  ipv6Address: string;
  ipv6PrefixLen: number;
  ipv6Gateway: string;
  /** --link-local-ip; missing for none. */
  linkLocalIps?: string[];
  /** The default route goes to the endpoint with the highest; missing for 0. */
  gatewayPriority?: number;
  /** Nobody asked for it: by it the container gets out whose plugins' networks lead nowhere. */
  wayOut?: true;
  /** Of a plugin's network. */
  remote?: RemoteLink & { /** In the sandbox; 0 for none. */ index: number };
}

export interface Sandbox {
  /** sha256-like 64 hex digits. */
  sandboxId: string;
  /** Path of the pinned namespace, for the OCI spec; also the API's SandboxKey. */
  path: string;
  endpoints: EndpointInfo[];
}

export interface BridgeOptions {
  /** Interface name; default "gantry0". */
  bridgeName: string;
  /** CIDR of the bridge's own address, or "" to take a free network of the pools. */
  bip: string;
  mtu: number;
  pools: { base: string; size: number }[];
  enableIptables: boolean;
  enableIpForward: boolean;
  enableIpMasq: boolean;
  icc: boolean;
  /** --ip6tables: rules for IPv6; missing for the same as enableIptables. */
  enableIp6tables?: boolean;
  /** Whoever makes the host a router forwards nothing else by it, as dockerd (not with --ip-forward-no-drop). */
  dropForwarding?: boolean;
  /** --ip: where ports of containers on the default bridge are published; missing for every address. */
  hostBinding?: string;
}

/** What of BridgeOptions is for all networks of bridges, also where there is no default one. */
export type HostOptions = Pick<
  BridgeOptions,
  'pools' | 'enableIptables' | 'enableIp6tables' | 'enableIpForward' | 'dropForwarding'
>;

/** Addresses of an endpoint in a container's last run; "" for what it did not have. */
export interface LastAddresses {
  ipAddress: string;
  ipv6Address: string;
}

/** What is asked of one endpoint. "" and [] for what the network is to choose. */
export interface EndpointRequest {
  /** Name or ID of the network. */
  network: string;
  ipAddress: string;
  ipv6Address: string;
  linkLocalIps: string[];
  macAddress: string;
  /** Name the interface is to have. */
  interfaceName: string;
  gatewayPriority: number;
  /** Settings of the interface (sysctl names with IFNAME in the interface's place), set before it comes up. */
  sysctls: Record<string, string>;
  /** Addresses it had in the last run, given again when still free. */
  previous?: LastAddresses;
  /** Names besides the container's own by which others on this network find it. */
  aliases: string[];
  /** For the driver, if it is a plugin. */
  driverOptions: Record<string, string>;
  /** See EndpointInfo. Set here, not by who asks. */
  wayOut?: true;
  /** What plugins have said. Set here, not by who asks. */
  arrangement?: Arrangement;
}

export interface SandboxRequest {
  containerId: string;
  /** The container's name, by which others on its networks find it. */
  name: string;
  hostname: string;
  /** In the order in which their interfaces are numbered; none for loopback only. */
  endpoints: EndpointRequest[];
  /** Its ports, as drivers that are plugins are told of them; called only for these. */
  ports?: () => RemotePorts;
}

/** Who joins a network while it runs. */
export type Joining = Pick<SandboxRequest, 'containerId' | 'name' | 'ports'>;

/** libnetwork's names and forms. */
export interface RemotePorts {
  exposed: { Proto: number; Port: number }[];
  bindings: { Proto: number; IP: string; Port: number; HostIP: string; HostPort: number; HostPortEnd: number }[];
}

/** What a container on the default bridge may reach of another where containers are kept apart (--icc=false). IPv4. */
export interface LinkRule {
  from: string;
  to: string;
  /** "tcp", "udp" or "sctp". */
  protocol: string;
  port: number;
}

/** A port of a container that is open at the container's own address, on a bridge that routes (GatewayMode). */
export interface OpenPort {
  /** IPv4 or IPv6. */
  address: string;
  /** "tcp", "udp" or "sctp". */
  protocol: string;
  port: number;
}

export interface ResolvRequest {
  dns: string[];
  dnsSearch: string[];
  dnsOptions: string[];
  /** The container shares the host's network: servers on loopback are in its reach, so the host's file is kept as it is. */
  hostNetwork?: boolean;
}

/** A container that runs, with all that name service and port publishing need to know of it. */
export interface SandboxView {
  containerId: string;
  /** Present name; changes with a rename. */
  name: string;
  hostname: string;
  /** The pinned namespace: sockets are opened in it with inNetworkNamespace() of linux/namespace.ts. */
  path: string;
  attachments: readonly Attachment[];
}

/** One endpoint of a container that runs. */
export interface Attachment {
  endpoint: EndpointInfo;
  /** The network's driver, "bridge" and so on. */
  driver: string;
  /** User-defined networks have name service, the default bridge has not. */
  userDefined: boolean;
  internal: boolean;
  /** Interface of the bridge; "" for other drivers. */
  bridgeName: string;
  /** com.docker.network.bridge.host_binding_ipv4; "" for every address. */
  hostBinding: string;
  /** Names by which others on this network find it: the container's name, its aliases, its short ID and host name. No duplicates. */
  names: readonly string[];
  /** Those of them that were asked for. */
  aliases: readonly string[];
}

/**
 * Hook by which name service (dns/) and port publishing (ports/) follow the containers that run. Calls are synchronous, on the start path,
 * and come after the interfaces, addresses and routes are in place; after a restart of the daemon every sandbox that lives is given to
 * `opened` again, from within init(). Nothing is thrown but by opened() and attached(), whose caller then undoes the start or the connect.
 */
export interface SandboxObserver {
  /** A sandbox was made, or found again at start-up, with these attachments (attached() is not called for them). */
  opened(sandbox: SandboxView): void;
  /** Its namespace is about to be let go of: sockets in it are to be closed. detached() is not called for what it had. */
  closed(containerId: string): void;
  /** Connected while it runs; `sandbox.attachments` has it already. */
  attached(sandbox: SandboxView, attachment: Attachment): void;
  /** Disconnected while it runs; `sandbox.attachments` has it no more. */
  detached(sandbox: SandboxView, attachment: Attachment): void;
  /** The container has another name. */
  renamed(sandbox: SandboxView): void;
  /** Every sandbox that lived on while no daemon was there has been given to opened(): once, within init(). Never throws. */
  restored(): void;
  /** Its default route now goes by this endpoint, undefined for none: ports are published there. Also after opened(). */
  gatewayChanged(sandbox: SandboxView, gateway: Attachment | undefined): void;
}

/** A network as its driver sees it, while the daemon runs. */
export interface NetworkState {
  readonly record: NetworkRecord;
  /** Host interface that stands for it (bridge, or parent); "" for none. */
  interfaceName: string;
  /** Its index, 0 for none. */
  index: number;
  mtu: number;
  /** Made by Gantry, so removed by it; one that an administrator made is only used. */
  own: boolean;
}

/** What a driver is told to put into a sandbox: addresses have been chosen. */
export interface LinkRequest {
  containerId: string;
  /** Open descriptor of the sandbox's namespace. */
  namespace: number;
  /** Free in the sandbox. */
  interfaceName: string;
  /** Passed over where the kernel chooses (ipvlan has its parent's). */
  macAddress: string;
  /** The interface that is there already, a plugin's. */
  link?: RemoteLink;
}

/**
 * One kind of network. Drivers are stateless but for what add() and remove() say; src/network/drivers.test.ts is the suite that each of
 * them passes. Addresses, routes and names are common to all and not a driver's affair.
 */
export interface NetworkDriver {
  readonly name: string;
  /** Subnets on the host's own links are another network's, not this one's: a bridge. macvlan and ipvlan share their parent's. */
  readonly ownSubnets: boolean;
  /** Checks and completes the record's options; changes nothing. Throws invalid_parameter, forbidden, not_supported. */
  prepare(record: NetworkRecord, others: readonly NetworkRecord[]): void;
  /** Makes what stands for the network on the host, or takes over what is there. Throws SystemCallError or GantryError; nothing is left then. */
  add(record: NetworkRecord): NetworkState;
  /** Takes it away; `shared`: another network stands on the same interface. What is gone is no failure. */
  remove(state: NetworkState, shared: boolean): void;
  /**
   * Makes the interface in the sandbox, still down, and everything on the host side ready. Returns the name of the host's end, "" for
   * none. Throws SystemCallError; nothing is left then.
   */
  connect(state: NetworkState, request: LinkRequest): string;
  /** Whether a default route by this network needs no gateway's address but goes to the interface itself (ipvlan l3). */
  routesByInterface(record: NetworkRecord): boolean;
}

export interface Networks {
  /**
   * Brings up the default bridge and the stored networks, fills the namespace pool, takes back what live containers have. A network
   * that cannot be brought up is logged and refuses endpoints.
   */
  init(stored: readonly NetworkRecord[], live: readonly LiveSandbox[]): Promise<void>;
  /** Follows the containers that run. To be called before init(). */
  observe(observer: SandboxObserver): void;
  /** The containers that run now. */
  sandboxes(): SandboxView[];

  /** Whether plugins have a say in it: load() comes before prepare() then, and make() before add(). */
  isRemote(record: NetworkRecord): boolean;
  /** Finds and activates the plugins of a new network. Throws not_found, system. */
  load(record: NetworkRecord): Promise<void>;
  /** Has it made by its plugins, which complete its record. Nothing is left when it throws. */
  make(record: NetworkRecord): Promise<void>;
  /** Tells plugins that a network is gone; those that are not there are told later. Never throws. */
  unmake(id: string): Promise<void>;

  /** Checks a new network and completes its record: subnets chosen, gateways set. Changes nothing but the record. */
  prepare(record: NetworkRecord): void;
  /** Makes it on the host. Nothing is left when it throws. */
  add(record: NetworkRecord): Promise<void>;
  /**
   * Takes it from the host. Nobody may be on it. When this returns, its name and subnets may be another's: its record is to be deleted
   * before anything else happens. The promise is for the rules. Throws SystemCallError with nothing changed,
   * and forbidden where a plugin is making an endpoint.
   */
  remove(id: string): Promise<void>;
  /** The records of all networks: bridge, host, none and the user-defined ones. */
  records(): NetworkRecord[];
  /** By name, full ID or unambiguous prefix of it; undefined when there is none. */
  find(reference: string): NetworkRecord | undefined;
  /** As the API shows it, without its containers. */
  describe(record: NetworkRecord): Network;

  /** Drivers by name: our own, and the plugins that are in use. */
  drivers(): string[];

  /** Whether plugins have a say in it: openSandbox() is for these, createSandbox() for others. */
  asksPlugins(request: SandboxRequest): boolean;
  /** Synchronous: on the start path. */
  createSandbox(request: SandboxRequest): Sandbox;
  openSandbox(request: SandboxRequest): Promise<Sandbox>;
  /** Puts a running container on another network. Throws forbidden when it is on it. */
  connect(container: Joining, request: EndpointRequest): Promise<EndpointInfo>;
  /** Takes a running container off a network. */
  disconnect(containerId: string, networkId: string): Promise<void>;
  /** See EndpointInfo.wayOut: comes and goes with what else the container is on. */
  wayOut(containerId: string): EndpointInfo | undefined;
  /** A running container has another name. */
  rename(containerId: string, name: string): void;
  /**
   * Addresses that a container had, by name of the network: others get them only when nothing else is left, so that a restart finds them
   * free. Instead of those that were kept for it before; {} to forget.
   */
  keepAddresses(containerId: string, addresses: Readonly<Record<string, LastAddresses>>): void;
  /**
   * Unpins the namespace (the kernel removes the veth) and frees its addresses. Never throws for what is gone. Done when it returns,
   * but for a container on networks of plugins.
   */
  releaseSandbox(containerId: string): Promise<void> | undefined;
  /** Interface counters in a running sandbox, by interface name; key names as in the API's ContainerNetworkStats. */
  counters(containerId: string): Record<string, Record<string, number>>;

  /** Content of a container's resolv.conf (host's, daemon's or its own servers; loopback servers replaced). */
  resolvConf(request: ResolvRequest): string;
  /** The same for one on a network with names: the embedded server is the only one in it. */
  embeddedResolvConf(request: ResolvRequest): EmbeddedResolvConf;
  hosts(request: HostsRequest): string;
  /** All open ports of a container, instead of what was open before. Does not wait for the rules. */
  openPorts(containerId: string, ports: readonly OpenPort[]): void;
  /** All that links let through now, instead of what they did before. Before init(): what init() is to put in place. */
  allowLinks(rules: readonly LinkRule[]): Promise<void>;
  /** Removes what no running container owns (after a crash), then at close() also the pool. `keepLive`: leave bridges and sandboxes. */
  close(options: { keepLive: boolean }): Promise<void>;
}

/** A container whose process lived on while no daemon was there. */
export interface LiveSandbox {
  containerId: string;
  name: string;
  hostname: string;
  endpoints: EndpointInfo[];
  /** Aliases by network name. */
  aliases: Record<string, string[]>;
}
