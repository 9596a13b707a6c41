/** Flows that the kernel's connection tracking knows, by ctnetlink (linux/netfilter/nfnetlink_conntrack.h). */
import { SystemCallError } from '../libc.ts';
import { MessageBuilder, parseAttributes } from './message.ts';
import { NetlinkSocket } from './socket.ts';

const NETLINK_NETFILTER = 12;
const NFNL_SUBSYS_CTNETLINK = 1;
const IPCTNL_MSG_CT_GET = 1;
const IPCTNL_MSG_CT_DELETE = 2;
const CTA_TUPLE_ORIG = 1;
const CTA_TUPLE_REPLY = 2;
const CTA_ZONE = 18;
const CTA_TUPLE_IP = 1;
const CTA_TUPLE_PROTO = 2;
const CTA_IP_V4_SRC = 1;
const CTA_IP_V4_DST = 2;
const CTA_IP_V6_SRC = 3;
const CTA_IP_V6_DST = 4;
const CTA_PROTO_NUM = 1;
const CTA_PROTO_SRC_PORT = 2;
const CTA_PROTO_DST_PORT = 3;
const CTA_ID = 12;
const NFGENMSG_LENGTH = 4;
const FAMILIES = [2, 10] as const;

export interface Flow {
  protocol: number;
  /** Where its first packet was sent to, before translation: 4 or 16 bytes. */
  destination: Buffer;
  destinationPort: number;
  /** Who answers: the destination after translation. */
  answers: Buffer;
}

/**
 * Makes the kernel forget the flows of which `chosen` says so, in both families: their next packet is looked up in the rules anew.
 * Returns how many. Cost grows with the number of flows that the host tracks.
 * @throws SystemCallError
 */
export function forgetFlows(chosen: (flow: Flow) => boolean): number {
  const socket = new NetlinkSocket(NETLINK_NETFILTER);
  let count = 0;
  try {
    for (const family of FAMILIES) {
      for (const entry of socket.dump(() => request(IPCTNL_MSG_CT_GET, family), 'tracked flows')) {
        const attributes = parseAttributes(entry.subarray(NFGENMSG_LENGTH));
        const flow = parseFlow(attributes);
        if (flow === undefined || !chosen(flow)) continue;
        if (forget(socket, family, attributes)) count += 1;
      }
    }
  } finally {
    socket.close();
  }
  return count;
}

/** A packet as it answers a flow: after translation, from the host's side. */
export interface ReplyTuple {
  protocol: number;
  /** 4 or 16 bytes. */
  source: Uint8Array;
  sourcePort: number;
  destination: Uint8Array;
  destinationPort: number;
}

/**
 * Where the flow was sent to at first that such packets answer; undefined when there is none.
 * @throws SystemCallError
 */
export function originalOf(reply: ReplyTuple): { address: Buffer; port: number } | undefined {
  const ipv6 = reply.source.length === 16;
  const port = (value: number): Uint8Array => Uint8Array.of(value >> 8, value & 0xff);
  const message = request(IPCTNL_MSG_CT_GET, ipv6 ? 10 : 2).nest(CTA_TUPLE_REPLY, (tuple) =>
    tuple
      .nest(CTA_TUPLE_IP, (addresses) =>
        addresses
          .bytes(ipv6 ? CTA_IP_V6_SRC : CTA_IP_V4_SRC, reply.source)
          .bytes(ipv6 ? CTA_IP_V6_DST : CTA_IP_V4_DST, reply.destination),
      )
      .nest(CTA_TUPLE_PROTO, (transport) =>
        transport
          .u8(CTA_PROTO_NUM, reply.protocol)
          .bytes(CTA_PROTO_SRC_PORT, port(reply.sourcePort))
          .bytes(CTA_PROTO_DST_PORT, port(reply.destinationPort)),
      ),
  );
  const socket = new NetlinkSocket(NETLINK_NETFILTER);
  try {
    const answer = socket.query(message, 'a tracked flow');
    const flow = parseFlow(parseAttributes(answer.subarray(NFGENMSG_LENGTH)));
    return flow === undefined ? undefined : { address: flow.destination, port: flow.destinationPort };
  } catch (error) {
    if (error instanceof SystemCallError && error.code === 'ENOENT') return undefined;
    throw error;
  } finally {
    socket.close();
  }
}

function request(type: number, family: number): MessageBuilder {
  return new MessageBuilder((NFNL_SUBSYS_CTNETLINK << 8) | type, 0).struct(Uint8Array.of(family, 0, 0, 0));
}

function parseFlow(attributes: Map<number, Buffer>): Flow | undefined {
  const original = parseTuple(attributes.get(CTA_TUPLE_ORIG));
  const reply = parseTuple(attributes.get(CTA_TUPLE_REPLY));
  if (original === undefined || reply === undefined) return undefined;
  return {
    protocol: original.protocol,
    destination: original.destination,
    destinationPort: original.destinationPort,
    answers: reply.source,
  };
}

function parseTuple(
  tuple: Buffer | undefined,
): { protocol: number; source: Buffer; destination: Buffer; destinationPort: number } | undefined {
  if (tuple === undefined) return undefined;
  const parts = parseAttributes(tuple);
  const addresses = parseAttributes(parts.get(CTA_TUPLE_IP) ?? Buffer.alloc(0));
  const transport = parseAttributes(parts.get(CTA_TUPLE_PROTO) ?? Buffer.alloc(0));
  const source = addresses.get(CTA_IP_V4_SRC) ?? addresses.get(CTA_IP_V6_SRC);
  const destination = addresses.get(CTA_IP_V4_DST) ?? addresses.get(CTA_IP_V6_DST);
  const protocol = transport.get(CTA_PROTO_NUM)?.[0];
  if (source === undefined || destination === undefined || protocol === undefined) return undefined;
  return { protocol, source, destination, destinationPort: transport.get(CTA_PROTO_DST_PORT)?.readUInt16BE() ?? 0 };
}

/** By its tuple and ID, so that a flow that has taken its place meanwhile is left alone. */
function forget(socket: NetlinkSocket, family: number, attributes: Map<number, Buffer>): boolean {
  const message = request(IPCTNL_MSG_CT_DELETE, family);
  for (const type of [CTA_TUPLE_ORIG, CTA_ZONE, CTA_ID]) {
    const value = attributes.get(type);
    if (value === undefined) continue;
    if (type === CTA_TUPLE_ORIG) message.nest(type, (nest) => nest.struct(value));
    else message.bytes(type, value);
  }
  try {
    socket.execute(message, 'forget a flow');
    return true;
  } catch (error) {
    if (error instanceof SystemCallError && error.code === 'ENOENT') return false;
    throw error;
  }
}
