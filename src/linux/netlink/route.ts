import { addressBytes, addressText } from './address.ts';
import { LinkSocket } from './link.ts';
import { MessageBuilder, NLM_F_CREATE, NLM_F_EXCL, NLM_F_REPLACE, parseAttributes } from './message.ts';

// rtnetlink(7), linux/rtnetlink.h, linux/if_addr.h
const RTM_NEWADDR = 20;
const RTM_DELADDR = 21;
const RTM_GETADDR = 22;
const RTM_NEWROUTE = 24;
const RTM_DELROUTE = 25;
const RTM_GETROUTE = 26;

const AF_INET = 2;
const AF_INET6 = 10;

const IFA_ADDRESS = 1;
const IFA_LOCAL = 2;
const IFA_BROADCAST = 4;
/** Of an IPv6 address: used at once, without asking the link whether somebody has it. */
const IFA_F_NODAD = 0x02;

const RTA_DST = 1;
const RTA_OIF = 4;
const RTA_GATEWAY = 5;
const RTA_TABLE = 15;
const RT_TABLE_MAIN = 254;
const RTPROT_BOOT = 3;
const RT_SCOPE_UNIVERSE = 0;
const RT_SCOPE_LINK = 253;
const RTN_UNICAST = 1;

export type AddressFamily = 4 | 6;

/** An IPv4 or IPv6 address with the length of its prefix. */
export interface InterfaceAddress {
  index: number;
  address: string;
  prefixLength: number;
}

export interface Route {
  /** "0.0.0.0" or "::" with length 0 for the default route. */
  destination: string;
  prefixLength: number;
  /** "" when the destination is on the link. */
  gateway: string;
  /** Interface index, 0 for none (blackhole and such). */
  index: number;
  table: number;
}

/** Interfaces, addresses and routes of one network namespace: the one in which it was opened. All throw SystemCallError. */
export class RouteSocket extends LinkSocket {
  /** An IPv6 address serves at once (no duplicate address detection): who adds it knows that it is free. */
  addAddress(address: InterfaceAddress): void {
    const local = bytesOf(address.address);
    const request = new MessageBuilder(RTM_NEWADDR, NLM_F_CREATE | NLM_F_EXCL)
      .struct(addressHeader(familyOf(local), address))
      .bytes(IFA_LOCAL, local)
      .bytes(IFA_ADDRESS, local);
    if (local.length === 4) request.bytes(IFA_BROADCAST, broadcastOf(local, address.prefixLength));
    this.socket.execute(request, `add address ${address.address}/${address.prefixLength}`);
  }

  deleteAddress(address: InterfaceAddress): void {
    const local = bytesOf(address.address);
    const request = new MessageBuilder(RTM_DELADDR, 0)
      .struct(addressHeader(familyOf(local), address))
      .bytes(IFA_LOCAL, local);
    this.socket.execute(request, `delete address ${address.address}/${address.prefixLength}`);
  }

  addresses(family: AddressFamily): InterfaceAddress[] {
    const request = (): MessageBuilder =>
      new MessageBuilder(RTM_GETADDR, 0).struct(
        addressHeader(family === 4 ? AF_INET : AF_INET6, { index: 0, prefixLength: 0 }),
      );
    return this.socket.dump(request, 'list addresses').map((payload) => {
      const attributes = parseAttributes(payload.subarray(8));
      const address = attributes.get(IFA_LOCAL) ?? attributes.get(IFA_ADDRESS);
      return {
        index: payload.readUInt32LE(4),
        address: textOf(address, family),
        prefixLength: payload.readUInt8(1),
      };
    });
  }

  /** A route of the main table in the place of the one to the same destination; over a gateway, or "" for on the link. */
  addRoute(route: { destination: string; prefixLength: number; gateway: string; index: number }): void {
    const request = this.#routeRequest(RTM_NEWROUTE, NLM_F_CREATE | NLM_F_REPLACE, route);
    if (route.gateway !== '') request.bytes(RTA_GATEWAY, bytesOf(route.gateway));
    request.u32(RTA_OIF, route.index);
    this.socket.execute(request, `add route ${route.destination}/${route.prefixLength}`);
  }

  deleteRoute(route: { destination: string; prefixLength: number; gateway: string; index: number }): void {
    const request = this.#routeRequest(RTM_DELROUTE, 0, route).u32(RTA_OIF, route.index);
    this.socket.execute(request, `delete route ${route.destination}/${route.prefixLength}`);
  }

  /** Routes of all tables, those to the host's own addresses (table local) among them. */
  routes(family: AddressFamily): Route[] {
    const kind = family === 4 ? AF_INET : AF_INET6;
    return this.socket
      .dump(() => new MessageBuilder(RTM_GETROUTE, 0).struct(routeHeader(kind, 0)), 'list routes')
      .map((payload) => {
        const attributes = parseAttributes(payload.subarray(12));
        return {
          destination: textOf(attributes.get(RTA_DST), family),
          prefixLength: payload.readUInt8(1),
          gateway: attributes.has(RTA_GATEWAY) ? textOf(attributes.get(RTA_GATEWAY), family) : '',
          index: attributes.get(RTA_OIF)?.readUInt32LE() ?? 0,
          table: attributes.get(RTA_TABLE)?.readUInt32LE() ?? payload.readUInt8(4),
        };
      });
  }

  #routeRequest(
    type: number,
    flags: number,
    route: { destination: string; prefixLength: number; gateway: string },
  ): MessageBuilder {
    const destination = bytesOf(route.destination);
    const scope = route.gateway === '' && destination.length === 4 ? RT_SCOPE_LINK : RT_SCOPE_UNIVERSE;
    const request = new MessageBuilder(type, flags).struct(
      routeHeader(familyOf(destination), route.prefixLength, scope),
    );
    if (route.prefixLength > 0) request.bytes(RTA_DST, destination);
    return request;
  }
}

/** struct ifaddrmsg: family, prefix length, flags, scope, index. */
function addressHeader(family: number, address: { index: number; prefixLength: number }): Buffer {
  const header = Buffer.alloc(8);
  header.writeUInt8(family, 0);
  header.writeUInt8(address.prefixLength, 1);
  header.writeUInt8(family === AF_INET6 ? IFA_F_NODAD : 0, 2);
  header.writeUInt32LE(address.index, 4);
  return header;
}

/** struct rtmsg: family, destination and source length, tos, table, protocol, scope, type, flags. */
function routeHeader(family: number, prefixLength: number, scope = RT_SCOPE_UNIVERSE): Buffer {
  const header = Buffer.alloc(12);
  header.set([family, prefixLength, 0, 0, RT_TABLE_MAIN, RTPROT_BOOT, scope, RTN_UNICAST]);
  return header;
}

function bytesOf(address: string): Buffer {
  const bytes = addressBytes(address);
  if (bytes === undefined) throw new Error(`not an address: ${address}`);
  return bytes;
}

function familyOf(address: Buffer): number {
  return address.length === 4 ? AF_INET : AF_INET6;
}

function textOf(bytes: Buffer | undefined, family: AddressFamily): string {
  return addressText(bytes ?? Buffer.alloc(family === 4 ? 4 : 16));
}

function broadcastOf(address: Buffer, prefixLength: number): Buffer {
  // A shift by 32 is one by 0 in JavaScript, hence the special case.
  const host = prefixLength === 32 ? 0 : 0xffffffff >>> prefixLength;
  const broadcast = Buffer.alloc(4);
  broadcast.writeUInt32BE((address.readUInt32BE() | host) >>> 0);
  return broadcast;
}
