import { SystemCallError } from '../libc.ts';
import { MessageBuilder, NLM_F_CREATE, NLM_F_EXCL, parseAttributes, stringOf } from './message.ts';
import { NetlinkSocket } from './socket.ts';

// rtnetlink(7), linux/rtnetlink.h, linux/if_link.h, linux/if_bridge.h
const NETLINK_ROUTE = 0;
const RTM_NEWLINK = 16;
const RTM_DELLINK = 17;
const RTM_GETLINK = 18;
const RTM_SETLINK = 19;

const AF_UNSPEC = 0;
const AF_BRIDGE = 7;

const IFLA_ADDRESS = 1;
const IFLA_IFNAME = 3;
const IFLA_MTU = 4;
const IFLA_LINK = 5;
const IFLA_MASTER = 10;
const IFLA_PROTINFO = 12;
const IFLA_LINKINFO = 18;
const IFLA_IFALIAS = 20;
const IFLA_STATS64 = 23;
const IFLA_NET_NS_FD = 28;
const IFLA_INFO_KIND = 1;
const IFLA_INFO_DATA = 2;
const VETH_INFO_PEER = 1;
/** linux/if_link.h: IFLA_MACVLAN_MODE, IFLA_IPVLAN_MODE, IFLA_IPVLAN_FLAGS, IFLA_VLAN_ID. */
const STACKED_MODE = 1;
const STACKED_FLAGS = 2;
const IFLA_BRPORT_STATE = 1;
const IFLA_BRPORT_FLUSH = 24;
const IFLA_BRPORT_ISOLATED = 33;
const BR_STATE_DISABLED = 0;
const IFF_UP = 1;

export interface Link {
  index: number;
  name: string;
  up: boolean;
  mtu: number;
  /** Six bytes in hex with colons, "" for none. */
  macAddress: string;
  /** Index of the bridge it is a port of, 0 for none. */
  master: number;
  /** Index of the interface that it stands on, or of its other end, in whichever namespace that is; 0 for none. */
  parent: number;
  alias: string;
  /** "bridge", "veth", ..., "" for physical ones and lo. */
  kind: string;
}

export interface LinkCounters {
  rxPackets: number;
  txPackets: number;
  rxBytes: number;
  txBytes: number;
  rxErrors: number;
  txErrors: number;
  rxDropped: number;
  txDropped: number;
}

export interface VethOptions {
  name: string;
  mtu: number;
  /** Bridge to which the host's side is attached. */
  master: number;
  /** Open descriptor of the namespace in which the other side is born. */
  peerNamespace: number;
  peerName: string;
  peerMacAddress: string;
}

/** A link that stands on another one of the same host. */
export interface StackedOptions {
  name: string;
  /** What it is, with the value of its one setting: see MACVLAN_MODES and so on. */
  kind: 'macvlan' | 'ipvlan' | 'vlan';
  mode: number;
  /** ipvlan's second setting. */
  flags?: number;
  /** Index of the link below. */
  parent: number;
  /** Open descriptor of the namespace in which it is born; missing for this one. */
  namespace?: number;
  macAddress?: string;
  mtu?: number;
}

export const MACVLAN_MODES: Readonly<Record<string, number>> = { private: 1, vepa: 2, bridge: 4, passthru: 8 };
export const IPVLAN_MODES: Readonly<Record<string, number>> = { l2: 0, l3: 1, l3s: 2 };
export const IPVLAN_FLAGS: Readonly<Record<string, number>> = { bridge: 0, private: 1, vepa: 2 };

export interface LinkChanges {
  up?: boolean;
  mtu?: number;
  /** 0 releases it. */
  master?: number;
  macAddress?: string;
  alias?: string;
}

/** Interfaces of one network namespace: the one in which it was opened. All throw SystemCallError. */
export class LinkSocket {
  protected readonly socket = new NetlinkSocket(NETLINK_ROUTE);

  addBridge(name: string, macAddress: string, mtu: number): void {
    const request = new MessageBuilder(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL)
      .struct(linkHeader(AF_UNSPEC, 0))
      .string(IFLA_IFNAME, name)
      .u32(IFLA_MTU, mtu)
      .bytes(IFLA_ADDRESS, macBytes(macAddress))
      .nest(IFLA_LINKINFO, (info) => info.string(IFLA_INFO_KIND, 'bridge'));
    this.socket.execute(request, `add bridge ${name}`);
  }

  /** Adds a pair whose host side is a bridge port, still down, and whose other side is born in the given namespace, down too. */
  addVeth(options: VethOptions): void {
    const request = new MessageBuilder(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL)
      .struct(linkHeader(AF_UNSPEC, 0))
      .string(IFLA_IFNAME, options.name)
      .u32(IFLA_MTU, options.mtu)
      .u32(IFLA_MASTER, options.master)
      .nest(IFLA_LINKINFO, (info) =>
        info
          .string(IFLA_INFO_KIND, 'veth')
          .nest(IFLA_INFO_DATA, (data) =>
            data.nest(VETH_INFO_PEER, (peer) =>
              peer
                .struct(linkHeader(AF_UNSPEC, 0))
                .string(IFLA_IFNAME, options.peerName)
                .u32(IFLA_MTU, options.mtu)
                .bytes(IFLA_ADDRESS, macBytes(options.peerMacAddress))
                .u32(IFLA_NET_NS_FD, options.peerNamespace),
            ),
          ),
      );
    this.socket.execute(request, `add veth ${options.name}`);
  }

  /** Adds a link on top of another, still down. */
  addStacked(options: StackedOptions): void {
    const { kind } = options;
    const request = new MessageBuilder(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL)
      .struct(linkHeader(AF_UNSPEC, 0))
      .string(IFLA_IFNAME, options.name)
      .u32(IFLA_LINK, options.parent);
    if (options.mtu !== undefined) request.u32(IFLA_MTU, options.mtu);
    if (options.macAddress !== undefined) request.bytes(IFLA_ADDRESS, macBytes(options.macAddress));
    if (options.namespace !== undefined) request.u32(IFLA_NET_NS_FD, options.namespace);
    request.nest(IFLA_LINKINFO, (info) =>
      info.string(IFLA_INFO_KIND, kind).nest(IFLA_INFO_DATA, (data) => {
        if (kind === 'macvlan') data.u32(STACKED_MODE, options.mode);
        else data.u16(STACKED_MODE, options.mode);
        if (options.flags !== undefined) data.u16(STACKED_FLAGS, options.flags);
      }),
    );
    this.socket.execute(request, `add ${kind} ${options.name}`);
  }

  /** Adds a link that leads nowhere, still down. */
  addDummy(name: string): void {
    const request = new MessageBuilder(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL)
      .struct(linkHeader(AF_UNSPEC, 0))
      .string(IFLA_IFNAME, name)
      .nest(IFLA_LINKINFO, (info) => info.string(IFLA_INFO_KIND, 'dummy'));
    this.socket.execute(request, `add dummy ${name}`);
  }

  /** Changes a link, named by its index or its name. */
  setLink(link: number | string, changes: LinkChanges): void {
    const flags = changes.up === undefined ? 0 : IFF_UP;
    const request = new MessageBuilder(RTM_SETLINK, 0).struct(
      linkHeader(AF_UNSPEC, typeof link === 'number' ? link : 0, changes.up === true ? IFF_UP : 0, flags),
    );
    if (typeof link === 'string') request.string(IFLA_IFNAME, link);
    if (changes.mtu !== undefined) request.u32(IFLA_MTU, changes.mtu);
    if (changes.master !== undefined) request.u32(IFLA_MASTER, changes.master);
    if (changes.macAddress !== undefined) request.bytes(IFLA_ADDRESS, macBytes(changes.macAddress));
    if (changes.alias !== undefined) request.string(IFLA_IFALIAS, changes.alias);
    this.socket.execute(request, `set link ${link}`);
  }

  /**
   * Moves a link to another network namespace, where it has another name and is down. Blocks for RCU grace periods, some 30 ms.
   * @param namespace open descriptor
   */
  moveLink(index: number, namespace: number, newName: string): void {
    const request = new MessageBuilder(RTM_SETLINK, 0)
      .struct(linkHeader(AF_UNSPEC, index))
      .u32(IFLA_NET_NS_FD, namespace)
      .string(IFLA_IFNAME, newName);
    this.socket.execute(request, `move link ${index}`);
  }

  /** Keeps a bridge port from exchanging frames with other isolated ports; the bridge's own address stays in reach. */
  isolatePort(index: number): void {
    const request = new MessageBuilder(RTM_SETLINK, 0)
      .struct(linkHeader(AF_BRIDGE, index))
      .nest(IFLA_PROTINFO, (port) => port.u8(IFLA_BRPORT_ISOLATED, 1));
    this.socket.execute(request, `isolate port ${index}`);
  }

  /**
   * Stops a bridge port and forgets the addresses learnt on it. Unlike setting it down or deleting it this waits for no RCU grace
   * period: microseconds instead of tens of milliseconds.
   */
  disablePort(index: number): void {
    const request = new MessageBuilder(RTM_SETLINK, 0)
      .struct(linkHeader(AF_BRIDGE, index))
      .nest(IFLA_PROTINFO, (port) =>
        port.u8(IFLA_BRPORT_STATE, BR_STATE_DISABLED).bytes(IFLA_BRPORT_FLUSH, Buffer.alloc(0)),
      );
    this.socket.execute(request, `disable port ${index}`);
  }

  /** Deletes a link, a pair with both ends. Blocks for an RCU grace period, 30 ms or so. */
  deleteLink(name: string): void {
    const request = new MessageBuilder(RTM_DELLINK, 0).struct(linkHeader(AF_UNSPEC, 0)).string(IFLA_IFNAME, name);
    this.socket.execute(request, `delete link ${name}`);
  }

  /** The link of that name, undefined when there is none. */
  link(name: string): Link | undefined {
    const payload = this.#getLink(name);
    return payload === undefined ? undefined : parseLink(payload);
  }

  links(): Link[] {
    return this.socket
      .dump(() => new MessageBuilder(RTM_GETLINK, 0).struct(linkHeader(AF_UNSPEC, 0)), 'list links')
      .map(parseLink);
  }

  /** What went through a link since it was made; undefined when it is gone. */
  counters(name: string): LinkCounters | undefined {
    const payload = this.#getLink(name);
    const stats = payload === undefined ? undefined : parseAttributes(payload.subarray(16)).get(IFLA_STATS64);
    if (stats === undefined) return undefined;
    // struct rtnl_link_stats64: rx_packets, tx_packets, rx_bytes, tx_bytes, rx_errors, tx_errors, rx_dropped, tx_dropped, ...
    const field = (position: number): number => Number(stats.readBigUInt64LE(position * 8));
    return {
      rxPackets: field(0),
      txPackets: field(1),
      rxBytes: field(2),
      txBytes: field(3),
      rxErrors: field(4),
      txErrors: field(5),
      rxDropped: field(6),
      txDropped: field(7),
    };
  }

  close(): void {
    this.socket.close();
  }

  #getLink(name: string): Buffer | undefined {
    const request = new MessageBuilder(RTM_GETLINK, 0).struct(linkHeader(AF_UNSPEC, 0)).string(IFLA_IFNAME, name);
    try {
      return this.socket.query(request, `get link ${name}`);
    } catch (error) {
      if (error instanceof SystemCallError && error.code === 'ENODEV') return undefined;
      throw error;
    }
  }
}

/** struct ifinfomsg: family, pad, type, index, flags, mask of the flags to change. */
function linkHeader(family: number, index: number, flags = 0, change = 0): Buffer {
  const header = Buffer.alloc(16);
  header.writeUInt8(family, 0);
  header.writeInt32LE(index, 4);
  header.writeUInt32LE(flags, 8);
  header.writeUInt32LE(change, 12);
  return header;
}

function parseLink(payload: Buffer): Link {
  const attributes = parseAttributes(payload.subarray(16));
  const info = attributes.get(IFLA_LINKINFO);
  return {
    index: payload.readInt32LE(4),
    name: stringOf(attributes.get(IFLA_IFNAME)),
    up: (payload.readUInt32LE(8) & IFF_UP) !== 0,
    mtu: attributes.get(IFLA_MTU)?.readUInt32LE() ?? 0,
    macAddress: [...(attributes.get(IFLA_ADDRESS) ?? [])].map((byte) => byte.toString(16).padStart(2, '0')).join(':'),
    master: attributes.get(IFLA_MASTER)?.readUInt32LE() ?? 0,
    parent: attributes.get(IFLA_LINK)?.readUInt32LE() ?? 0,
    alias: stringOf(attributes.get(IFLA_IFALIAS)),
    kind: info === undefined ? '' : stringOf(parseAttributes(info).get(IFLA_INFO_KIND)),
  };
}

function macBytes(address: string): Buffer {
  return Buffer.from(address.replaceAll(':', ''), 'hex');
}
