import { SystemCallError } from '../libc.ts';
import { MessageBuilder, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE, parseAttributes, stringOf } from './message.ts';
import { NetlinkSocket } from './socket.ts';

// rtnetlink(7), linux/rtnetlink.h, linux/if_link.h, linux/if_addr.h, linux/if_bridge.h
const NETLINK_ROUTE = 0;
const RTM_NEWLINK = 16;
const RTM_DELLINK = 17;
const RTM_GETLINK = 18;
const RTM_SETLINK = 19;
const RTM_NEWADDR = 20;
const RTM_DELADDR = 21;
const RTM_GETADDR = 22;
const RTM_NEWROUTE = 24;
const RTM_GETROUTE = 26;

const AF_UNSPEC = 0;
const AF_INET = 2;
const AF_BRIDGE = 7;

const IFLA_ADDRESS = 1;
const IFLA_IFNAME = 3;
const IFLA_MTU = 4;
const IFLA_MASTER = 10;
const IFLA_PROTINFO = 12;
const IFLA_LINKINFO = 18;
const IFLA_IFALIAS = 20;
const IFLA_STATS64 = 23;
const IFLA_NET_NS_FD = 28;
const IFLA_INFO_KIND = 1;
const IFLA_INFO_DATA = 2;
const VETH_INFO_PEER = 1;
const IFLA_BRPORT_STATE = 1;
const IFLA_BRPORT_FLUSH = 24;
const IFLA_BRPORT_ISOLATED = 33;
const BR_STATE_DISABLED = 0;

const IFA_ADDRESS = 1;
const IFA_LOCAL = 2;
const IFA_BROADCAST = 4;

const RTA_DST = 1;
const RTA_OIF = 4;
const RTA_GATEWAY = 5;
const RTA_TABLE = 15;
const RT_TABLE_MAIN = 254;
const RTPROT_BOOT = 3;
const RT_SCOPE_UNIVERSE = 0;
const RTN_UNICAST = 1;

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

/** An IPv4 address in dotted form with the length of its prefix. */
export interface InterfaceAddress {
  index: number;
  address: string;
  prefixLength: number;
}

export interface Route {
  /** IPv4 network; "0.0.0.0" with length 0 for the default route. */
  destination: string;
  prefixLength: number;
  /** "" when the destination is on the link. */
  gateway: string;
  /** Interface index, 0 for none (blackhole and such). */
  index: number;
  table: number;
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

export interface LinkChanges {
  up?: boolean;
  mtu?: number;
  /** 0 releases it. */
  master?: number;
  macAddress?: string;
  alias?: string;
}

/** Interfaces, addresses and routes of one network namespace: the one in which it was opened. IPv4 only. All throw SystemCallError. */
export class RouteSocket {
  readonly #socket = new NetlinkSocket(NETLINK_ROUTE);

  addBridge(name: string, macAddress: string, mtu: number): void {
    const request = new MessageBuilder(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL)
      .struct(linkHeader(AF_UNSPEC, 0))
      .string(IFLA_IFNAME, name)
      .u32(IFLA_MTU, mtu)
      .bytes(IFLA_ADDRESS, macBytes(macAddress))
      .nest(IFLA_LINKINFO, (info) => info.string(IFLA_INFO_KIND, 'bridge'));
    this.#socket.execute(request, `add bridge ${name}`);
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
    this.#socket.execute(request, `add veth ${options.name}`);
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
    this.#socket.execute(request, `set link ${link}`);
  }

  /** Keeps a bridge port from exchanging frames with other isolated ports; the bridge's own address stays in reach. */
  isolatePort(index: number): void {
    const request = new MessageBuilder(RTM_SETLINK, 0)
      .struct(linkHeader(AF_BRIDGE, index))
      .nest(IFLA_PROTINFO, (port) => port.u8(IFLA_BRPORT_ISOLATED, 1));
    this.#socket.execute(request, `isolate port ${index}`);
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
    this.#socket.execute(request, `disable port ${index}`);
  }

  /** Deletes a link, a pair with both ends. Blocks for an RCU grace period, 30 ms or so. */
  deleteLink(name: string): void {
    const request = new MessageBuilder(RTM_DELLINK, 0).struct(linkHeader(AF_UNSPEC, 0)).string(IFLA_IFNAME, name);
    this.#socket.execute(request, `delete link ${name}`);
  }

  /** The link of that name, undefined when there is none. */
  link(name: string): Link | undefined {
    const payload = this.#getLink(name);
    return payload === undefined ? undefined : parseLink(payload);
  }

  links(): Link[] {
    return this.#socket
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

  addAddress(address: InterfaceAddress): void {
    const host = 0xffffffff >>> address.prefixLength;
    const local = ipv4Bytes(address.address);
    const broadcast = Buffer.alloc(4);
    // A shift by 32 is one by 0 in JavaScript, hence the special case.
    broadcast.writeUInt32BE((local.readUInt32BE() | (address.prefixLength === 32 ? 0 : host)) >>> 0);
    const request = new MessageBuilder(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL)
      .struct(addressHeader(address))
      .bytes(IFA_LOCAL, local)
      .bytes(IFA_ADDRESS, local)
      .bytes(IFA_BROADCAST, broadcast);
    this.#socket.execute(request, `add address ${address.address}/${address.prefixLength}`);
  }

  deleteAddress(address: InterfaceAddress): void {
    const request = new MessageBuilder(RTM_DELADDR, 0)
      .struct(addressHeader(address))
      .bytes(IFA_LOCAL, ipv4Bytes(address.address));
    this.#socket.execute(request, `delete address ${address.address}/${address.prefixLength}`);
  }

  addresses(): InterfaceAddress[] {
    const request = (): MessageBuilder =>
      new MessageBuilder(RTM_GETADDR, 0).struct(addressHeader({ index: 0, address: '', prefixLength: 0 }));
    return this.#socket.dump(request, 'list addresses').map((payload) => {
      const attributes = parseAttributes(payload.subarray(8));
      const address = attributes.get(IFA_LOCAL) ?? attributes.get(IFA_ADDRESS);
      return { index: payload.readUInt32LE(4), address: ipv4Text(address), prefixLength: payload.readUInt8(1) };
    });
  }

  /** A route of the main table, over a gateway when it has one. */
  addRoute(route: { destination: string; prefixLength: number; gateway: string; index: number }): void {
    const request = new MessageBuilder(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE).struct(
      routeHeader(route.prefixLength),
    );
    if (route.prefixLength > 0) request.bytes(RTA_DST, ipv4Bytes(route.destination));
    if (route.gateway !== '') request.bytes(RTA_GATEWAY, ipv4Bytes(route.gateway));
    request.u32(RTA_OIF, route.index);
    this.#socket.execute(request, `add route ${route.destination}/${route.prefixLength}`);
  }

  /** IPv4 routes of all tables, those to the host's own addresses (table local) among them. */
  routes(): Route[] {
    return this.#socket
      .dump(() => new MessageBuilder(RTM_GETROUTE, 0).struct(routeHeader(0)), 'list routes')
      .map((payload) => {
        const attributes = parseAttributes(payload.subarray(12));
        return {
          destination: ipv4Text(attributes.get(RTA_DST)),
          prefixLength: payload.readUInt8(1),
          gateway: attributes.has(RTA_GATEWAY) ? ipv4Text(attributes.get(RTA_GATEWAY)) : '',
          index: attributes.get(RTA_OIF)?.readUInt32LE() ?? 0,
          table: attributes.get(RTA_TABLE)?.readUInt32LE() ?? payload.readUInt8(4),
        };
      });
  }

  close(): void {
    this.#socket.close();
  }

  #getLink(name: string): Buffer | undefined {
    const request = new MessageBuilder(RTM_GETLINK, 0).struct(linkHeader(AF_UNSPEC, 0)).string(IFLA_IFNAME, name);
    try {
      return this.#socket.query(request, `get link ${name}`);
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

/** struct ifaddrmsg: family, prefix length, flags, scope, index. */
function addressHeader(address: InterfaceAddress): Buffer {
  const header = Buffer.alloc(8);
  header.writeUInt8(AF_INET, 0);
  header.writeUInt8(address.prefixLength, 1);
  header.writeUInt32LE(address.index, 4);
  return header;
}

/** struct rtmsg: family, destination and source length, tos, table, protocol, scope, type, flags. */
function routeHeader(prefixLength: number): Buffer {
  const header = Buffer.alloc(12);
  header.set([AF_INET, prefixLength, 0, 0, RT_TABLE_MAIN, RTPROT_BOOT, RT_SCOPE_UNIVERSE, RTN_UNICAST]);
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
    alias: stringOf(attributes.get(IFLA_IFALIAS)),
    kind: info === undefined ? '' : stringOf(parseAttributes(info).get(IFLA_INFO_KIND)),
  };
}

function macBytes(address: string): Buffer {
  return Buffer.from(address.replaceAll(':', ''), 'hex');
}

function ipv4Bytes(address: string): Buffer {
  return Buffer.from(address.split('.').map(Number));
}

function ipv4Text(bytes: Buffer | undefined): string {
  return bytes === undefined ? '0.0.0.0' : bytes.subarray(0, 4).join('.');
}
