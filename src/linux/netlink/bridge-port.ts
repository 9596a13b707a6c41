import { MessageBuilder } from './message.ts';
import { NetlinkSocket } from './socket.ts';

// linux/rtnetlink.h, linux/if_link.h
const NETLINK_ROUTE = 0;
const RTM_GETLINK = 18;
const RTM_SETLINK = 19;
const AF_UNSPEC = 0;
const AF_BRIDGE = 7;
const IFLA_IFNAME = 3;
const IFLA_PROTINFO = 12;
const IFLA_BRPORT_MODE = 4;

/**
 * Lets a bridge send a frame out of the port by which it came in (hairpin mode), in the present network namespace. Needed where the
 * host's rules also see bridged frames (br_netfilter): what a container sends to a port of its own that is published stays on the bridge.
 * @throws SystemCallError
 */
export function reflectPort(name: string): void {
  const socket = new NetlinkSocket(NETLINK_ROUTE);
  try {
    const get = new MessageBuilder(RTM_GETLINK, 0).struct(linkHeader(AF_UNSPEC, 0)).string(IFLA_IFNAME, name);
    const index = socket.query(get, `link ${name}`).readInt32LE(4);
    const set = new MessageBuilder(RTM_SETLINK, 0)
      .struct(linkHeader(AF_BRIDGE, index))
      .nest(IFLA_PROTINFO, (port) => port.u8(IFLA_BRPORT_MODE, 1));
    socket.execute(set, `reflect on port ${name}`);
  } finally {
    socket.close();
  }
}

/** struct ifinfomsg: family, padding, type (2 bytes), index, flags, change. */
function linkHeader(family: number, index: number): Buffer {
  const header = Buffer.alloc(16);
  header.writeUInt8(family, 0);
  header.writeInt32LE(index, 4);
  return header;
}
