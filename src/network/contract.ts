/**
 * Network namespaces of containers and what connects them. A sandbox is one pinned network namespace; an endpoint is one
 * interface in it. Sandboxes survive the daemon; their state is derived again from the container record at start-up.
 */

export interface EndpointInfo {
  networkName: string;
  networkId: string;
  endpointId: string;
  interfaceName: string;
  hostInterfaceName: string;
  macAddress: string;
  ipAddress: string;
  ipPrefixLen: number;
  gateway: string;
  ipv6Address: string;
  ipv6PrefixLen: number;
  ipv6Gateway: string;
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
}

export interface SandboxRequest {
  containerId: string;
  /** "bridge": an interface on the default bridge; "none": loopback only. "host" and "container:" need no sandbox. */
  mode: 'bridge' | 'none';
  /** Addresses this container had before, given again when still free. */
  previous?: { ipAddress?: string; macAddress?: string };
  macAddress?: string;
  ipAddress?: string;
  /** Sysctls of the namespace (net.*), applied before the interface comes up. */
  sysctls?: Record<string, string>;
}

export interface ResolvRequest {
  dns: string[];
  dnsSearch: string[];
  dnsOptions: string[];
  /** The container shares the host's network: servers on loopback are in its reach, so the host's file is kept as it is. */
  hostNetwork?: boolean;
}

export interface Networks {
  /** Makes bridge and NAT rules (idempotent), fills the namespace pool, takes back the addresses in `live`. */
  init(live: { containerId: string; endpoints: EndpointInfo[] }[]): Promise<void>;
  /** Synchronous: on the start path. */
  createSandbox(request: SandboxRequest): Sandbox;
  /** Unpins the namespace (the kernel removes the veth) and frees its addresses. Never throws for what is gone. */
  releaseSandbox(containerId: string): void;
  /** Interface counters in a running sandbox, by interface name; key names as in the API's ContainerNetworkStats. */
  counters(containerId: string): Record<string, Record<string, number>>;
  /** Networks as the API shows them: bridge, host, none. */
  list(): import('../api/schemas/network.ts').Network[];
  /** Content of a container's resolv.conf (host's, daemon's or its own servers; loopback servers replaced). */
  resolvConf(request: ResolvRequest): string;
  hosts(request: { hostname: string; domainname: string; addresses: string[]; extraHosts: string[] }): string;
  /** Removes what no running container owns (after a crash), then at close() also the pool. `keepLive`: leave bridge and sandboxes. */
  close(options: { keepLive: boolean }): Promise<void>;
}
