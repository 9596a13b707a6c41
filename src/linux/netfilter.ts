/**
 * What the FORWARD chain of iptables and of ip6tables does with packets that none of its rules decides, for both of its backends, and a mark that changes
 * with the rules. By one or two system calls: iptables itself is a process, and creates tables (and loads modules) by looking.
 */
import { createHash } from 'node:crypto';
import { closeSync, readFileSync } from 'node:fs';
import { check, declare, SystemCallError } from './libc.ts';
import { MessageBuilder, parseAttributes } from './netlink/message.ts';
import { NetlinkSocket } from './netlink/socket.ts';

const socket = declare('int socket(int domain, int type, int protocol)');
const getsockopt = declare('int getsockopt(int fd, int level, int name, void *value, void *length)');

export type Policy = 'accept' | 'drop';

export interface ForwardChain {
  /** null when there is no such chain. */
  policy: Policy | null;
  /** Another one after every change of rules, by whomever; also after some changes elsewhere. */
  mark: string;
}

// linux/netfilter/nfnetlink.h, linux/netfilter/nf_tables.h
const NETLINK_NETFILTER = 12;
const NFNL_SUBSYS_NFTABLES = 10;
const NFT_MSG_GETCHAIN = 4;
const NFT_MSG_GETGEN = 16;
const NFTA_CHAIN_TABLE = 1;
const NFTA_CHAIN_NAME = 3;
const NFTA_CHAIN_POLICY = 5;
const NFTA_GEN_ID = 1;
export type Family = 4 | 6;

const AF = { 4: 2, 6: 10 } as const;
/** struct nfgenmsg: family, version, resource (2 bytes). */
const NFGENMSG_LENGTH = 4;
const NF_DROP = 0;

// linux/netfilter_ipv4/ip_tables.h, linux/netfilter_ipv6/ip6_tables.h
const SOCK_RAW_CLOEXEC = 3 | 0o2000000;
const LEVEL = { 4: 0, 6: 41 } as const;
const NAMES = { 4: '/proc/net/ip_tables_names', 6: '/proc/net/ip6_tables_names' } as const;
const IPPROTO_RAW = 255;
const IPT_SO_GET_INFO = 64;
const IPT_SO_GET_ENTRIES = 65;
/** struct ipt_getinfo: name[32], valid_hooks, hook_entry[5], underflow[5], num_entries, size; underflows are where policies stand. */
const INFO = { length: 84, forwardUnderflow: 32 + 4 + 20 + 2 * 4, size: 80 };
/** struct ipt_get_entries: name[32], size, padding, then the entries. */
const ENTRIES_HEADER = 40;
/** Within struct ipt_entry and ip6t_entry: where its target is, where the next entry is, packets and bytes; within struct xt_standard_target. */
const ENTRY = {
  4: { target: 88, next: 90, counters: [96, 112] },
  6: { target: 140, next: 142, counters: [152, 168] },
} as const;
const VERDICT = 32;
/** A verdict is -1 - NF_x. */
const VERDICT_DROP = -1;

/** The chains of iptables-nft: tables ip and ip6 filter, chain FORWARD. Belongs to the network namespace in which it was made. */
export class NftForward {
  readonly #netlink = new NetlinkSocket(NETLINK_NETFILTER);

  /** Throws SystemCallError where the kernel has no nftables. */
  read(family: Family): ForwardChain {
    const generation = this.#query(family, NFT_MSG_GETGEN, () => {}).get(NFTA_GEN_ID);
    return { policy: this.#policy(family), mark: generation?.toString('hex') ?? '' };
  }

  close(): void {
    this.#netlink.close();
  }

  #policy(family: Family): Policy | null {
    try {
      const chain = this.#query(family, NFT_MSG_GETCHAIN, (request) => {
        request.string(NFTA_CHAIN_TABLE, 'filter').string(NFTA_CHAIN_NAME, 'FORWARD');
      });
      return chain.get(NFTA_CHAIN_POLICY)?.readUInt32BE(0) === NF_DROP ? 'drop' : 'accept';
    } catch (error) {
      if (error instanceof SystemCallError && error.code === 'ENOENT') return null;
      throw error;
    }
  }

  #query(family: Family, message: number, fill: (request: MessageBuilder) => void): Map<number, Buffer> {
    const request = new MessageBuilder((NFNL_SUBSYS_NFTABLES << 8) | message, 0).struct(
      Uint8Array.of(AF[family], 0, 0, 0),
    );
    fill(request);
    return parseAttributes(this.#netlink.query(request, 'FORWARD chain').subarray(NFGENMSG_LENGTH));
  }
}

/** The chain of iptables-legacy or ip6tables-legacy. Throws SystemCallError. */
export function readLegacyForward(family: Family): ForwardChain {
  // The kernel loads the module of a table that is asked for; this file says which are there.
  if (!legacyTables(family).includes('filter')) return { policy: null, mark: '' };
  const fd = check(socket(AF[family], SOCK_RAW_CLOEXEC, IPPROTO_RAW), 'socket', 'raw');
  try {
    const info = Buffer.alloc(INFO.length);
    info.write('filter');
    get(fd, family, IPT_SO_GET_INFO, info);
    const size = info.readUInt32LE(INFO.size);
    const table = Buffer.alloc(ENTRIES_HEADER + size);
    table.write('filter');
    table.writeUInt32LE(size, 32);
    get(fd, family, IPT_SO_GET_ENTRIES, table);
    const last = ENTRIES_HEADER + info.readUInt32LE(INFO.forwardUnderflow);
    const target = last + table.readUInt16LE(last + ENTRY[family].target);
    const policy = table.readInt32LE(target + VERDICT) === VERDICT_DROP ? 'drop' : 'accept';
    return { policy, mark: markOf(family, table.subarray(ENTRIES_HEADER)) };
  } finally {
    closeSync(fd);
  }
}

/** A digest of the entries without their counters, which every packet changes. Overwrites those. */
function markOf(family: Family, entries: Buffer): string {
  const { counters, next: nextOffset } = ENTRY[family];
  for (let at = 0; at + counters[1] <= entries.length; ) {
    entries.fill(0, at + counters[0], at + counters[1]);
    const next = entries.readUInt16LE(at + nextOffset);
    if (next === 0) break;
    at += next;
  }
  return createHash('sha1').update(entries).digest('hex');
}

function get(fd: number, family: Family, option: number, value: Buffer): void {
  const length = Buffer.alloc(4);
  length.writeUInt32LE(value.length);
  check(getsockopt(fd, LEVEL[family], option, value, length), 'getsockopt', 'filter table');
}

function legacyTables(family: Family): string[] {
  try {
    return readFileSync(NAMES[family], 'utf8').split('\n');
  } catch {
    return [];
  }
}
