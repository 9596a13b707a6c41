import type { Family } from '../ip.ts';

/**
 * What plugins have been asked to make for us. Each thing is noted before the plugin hears of it and struck out when the plugin has let
 * it go, so that after any crash, of the daemon, the plugin or the host, everything that nobody uses any more can be taken back.
 */
export interface RemoteJournal {
  all(): RemoteThing[];
  /** Durable; replaces an earlier note of the same ID. Throws no_space or system. */
  put(thing: RemoteThing): void;
  /** The same for what is over already: keeps trying where the disk is full. */
  keep(thing: RemoteThing): void;
  strike(id: string): void;
}

export type RemoteThing = RemoteNetwork | RemoteEndpoint;

/** An address of an IPAM plugin's. */
export interface Lease {
  poolId: string;
  address: string;
  /** With which it was asked for. */
  options: Record<string, string> | null;
}

/** A subnet of an IPAM plugin's. */
export interface Lent {
  poolId: string;
  /** What to ask so as to have the same again. */
  request: { AddressSpace: string; Pool: string; SubPool: string; Options: Record<string, string>; V6: boolean };
}

interface Common {
  /** Of the network or endpoint. */
  id: string;
  /** Plugin that drives it; "" for a driver of our own. */
  driver: string;
  /** The driver has been asked to make it. */
  made: boolean;
  /** Plugin that its addresses are from; "" for our own. */
  ipamDriver: string;
  leases: Lease[];
}

export interface RemoteNetwork extends Common {
  kind: 'network';
  pools: Lent[];
}

export interface RemoteEndpoint extends Common {
  kind: 'endpoint';
  networkId: string;
  containerId: string;
  /** It has been put into the container's sandbox. */
  joined: boolean;
  /** The container reaches what is outside by it. */
  external: boolean;
  /** What the driver is told with each call. */
  options: Record<string, unknown>;
}

/** What a plugin has to say of an endpoint, settled before its sandbox is set up. "" for what there is none of. */
export interface Arrangement {
  endpointId: string;
  ipAddress: string;
  ipPrefixLen: number;
  ipv6Address: string;
  ipv6PrefixLen: number;
  macAddress: string;
  /** undefined where only the addresses are a plugin's. */
  link?: RemoteLink;
}

/** An interface that a plugin has made on the host. */
export interface RemoteLink {
  /** "" where the plugin puts none into the sandbox. */
  sourceName: string;
  /** What its name in the sandbox begins with. */
  prefix: string;
  gateway: string;
  ipv6Gateway: string;
  /** Families whose default route goes to the interface itself. */
  defaultOnLink: Family[];
  /** `gateway` "" for on the link. */
  routes: { destination: string; gateway: string }[];
  /** No other way out is to be made for its container. */
  standAlone: boolean;
}
