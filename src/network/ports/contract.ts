/**
 * Published ports: what is sent to a port of the host reaches a container. One instance a daemon, opened in the host's network
 * namespace.
 *
 * Life: restore() once at start-up, with every bridge and every endpoint that lives on, puts all in place in one transaction, whatever was
 * there before;
 * then addBridge()/removeBridge() with the networks and publish()/unpublish() with the containers. All of these are synchronous, a few
 * system calls and one nftables transaction each: they are on the start path. check() and the timer that start() sets put the rules back
 * when somebody else has taken them away. close() ends it; the rules stay for the containers that live on, unless told otherwise.
 */
import type { PortProtocol } from '../../linux/port-socket.ts';

export interface PortBridge {
  /** Interface of the bridge. */
  name: string;
  /** Its IPv4 and IPv6 networks in CIDR form. */
  subnets: string[];
}

/** A container where its ports are published: on the network by which its default route goes. */
export interface PortEndpoint {
  /** The container's ID, or any other name by which it is unpublished. */
  id: string;
  /** "" when it has none. */
  ipAddress: string;
  ipv6Address: string;
  /** The host's end of its pair, a port of the bridge; "" where there is none. */
  hostInterface: string;
  /** com.docker.network.bridge.host_binding_ipv4, or the daemon's --ip; "" for every address. */
  hostBinding: string;
}

/** What was asked for, of one port of a container. */
export interface PortRequest {
  containerPort: number;
  protocol: PortProtocol;
  /** "" for the network's default. */
  hostIp: string;
  /** Any free port of hostPort to hostPortEnd; both 0 for one of the kernel's ephemeral range. */
  hostPort: number;
  hostPortEnd: number;
}

/** A port of the host that is taken. */
export interface PublishedPort {
  containerPort: number;
  protocol: PortProtocol;
  /** As inspect shows it: "0.0.0.0", "::" or one address. */
  hostIp: string;
  hostPort: number;
}

export interface PortsOptions {
  /** Name of the nftables table (family inet), which is this daemon's alone. */
  table: string;
  /** --iptables: false leaves IPv4 to the daemon's own relay, if that may be used, with no rules. */
  iptables: boolean;
  /** --ip6tables: the same of IPv6. */
  ip6tables: boolean;
  /**
   * --userland-proxy: relay TCP and UDP where rules cannot translate (IPv6 to a container without it, and [::1]) or must not be made. Without
   * it such ports are not published, or only reserved, as with dockerd.
   */
  userlandProxy: boolean;
}

export interface Ports {
  restore(bridges: readonly PortBridge[], endpoints: readonly LiveEndpoint[]): void;
  addBridge(bridge: PortBridge): void;
  removeBridge(name: string): void;
  /**
   * Publishes more ports of a container; it may have some already (publishing on a running container is the same call).
   * @throws GantryError not_supported for what neither rules nor the relay can do, see publish-plan.ts
   * @throws GantryError system, worded as dockerd's, when a port is taken: by us or by another program. Nothing of this call stays then
   */
  publish(endpoint: PortEndpoint, requests: readonly PortRequest[]): PublishedPort[];
  /** Takes back all of a container's ports, or those that `which` chooses. Never throws for what is gone. */
  unpublish(id: string, which?: (port: PublishedPort) => boolean): void;
  /** Puts the rules back when another program has changed them. Returns whether it had. */
  check(): boolean;
  /** `keepRules`: for containers that live on. */
  close(options: { keepRules: boolean }): Promise<void>;
}

export interface LiveEndpoint {
  endpoint: PortEndpoint;
  ports: readonly PublishedPort[];
}
