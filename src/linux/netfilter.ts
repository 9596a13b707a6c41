/**
 * What iptables' FORWARD chain does with packets that none of its rules decides, for both of its backends, and a mark that changes
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
const AF_INET = 2;
/** struct nfgenmsg: family, version, resource (2 bytes). */
const NFGENMSG_LENGTH = 4;
const NF_DROP = 0;

// linux/netfilter_ipv4/ip_tables.h
const SOCK_RAW_CLOEXEC = 3 | 0o2000000;
const IPPROTO_IP = 0;
const IPPROTO_RAW = 255;
const IPT_SO_GET_INFO = 64;
const IPT_SO_GET_ENTRIES = 65;
/** struct ipt_getinfo: name[32], valid_hooks, hook_entry[5], underflow[5], num_entries, size; underflows are where policies stand. */
const INFO = { length: 84, forwardUnderflow: 32 + 4 + 20 + 2 * 4, size: 80 };
/** struct ipt_get_entries: name[32], size, padding, then the entries. */
const ENTRIES_HEADER = 40;
/** Within struct ipt_entry: where its target is, where the next entry is, packets and bytes; within struct xt_standard_target. */
const TARGET_OFFSET = 88;
const NEXT_OFFSET = 90;
const COUNTERS = [96, 112] as const;
const VERDICT = 32;
/** A verdict is -1 - NF_x. */
const VERDICT_DROP = -1;

/** The chains of iptables-nft: table ip filter, chain FORWARD. Belongs to the network namespace in which it was made. */
export class NftForward {
  readonly #netlink = new NetlinkSocket(NETLINK_NETFILTER);

  /** Throws SystemCallError where the kernel has no nftables. */
  read(): ForwardChain {
    const generation = this.#query(NFT_MSG_GETGEN, () => {}).get(NFTA_GEN_ID);
    return { policy: this.#policy(), mark: generation?.toString('hex') ?? '' };
  }

  close(): void {
    this.#netlink.close();
  }

  #policy(): Policy | null {
    try {
      const chain = this.#query(NFT_MSG_GETCHAIN, (request) => {
        request.string(NFTA_CHAIN_TABLE, 'filter').string(NFTA_CHAIN_NAME, 'FORWARD');
      });
      return chain.get(NFTA_CHAIN_POLICY)?.readUInt32BE(0) === NF_DROP ? 'drop' : 'accept';
    } catch (error) {
      if (error instanceof SystemCallError && error.code === 'ENOENT') return null;
      throw error;
    }
  }

  #query(message: number, fill: (request: MessageBuilder) => void): Map<number, Buffer> {
    const request = new MessageBuilder((NFNL_SUBSYS_NFTABLES << 8) | message, 0).struct(
      Uint8Array.of(AF_INET, 0, 0, 0),
    );
    fill(request);
    return parseAttributes(this.#netlink.query(request, 'FORWARD chain').subarray(NFGENMSG_LENGTH));
  }
}

/** The chain of iptables-legacy. Throws SystemCallError. */
export function readLegacyForward(): ForwardChain {
  // The kernel loads the module of a table that is asked for; this file says which are there.
  if (!legacyTables().includes('filter')) return { policy: null, mark: '' };
  const fd = check(socket(AF_INET, SOCK_RAW_CLOEXEC, IPPROTO_RAW), 'socket', 'raw');
  try {
    const info = Buffer.alloc(INFO.length);
    info.write('filter');
    get(fd, IPT_SO_GET_INFO, info);
    const size = info.readUInt32LE(INFO.size);
    const table = Buffer.alloc(ENTRIES_HEADER + size);
    table.write('filter');
    table.writeUInt32LE(size, 32);
    get(fd, IPT_SO_GET_ENTRIES, table);
    const last = ENTRIES_HEADER + info.readUInt32LE(INFO.forwardUnderflow);
    const target = last + table.readUInt16LE(last + TARGET_OFFSET);
    const policy = table.readInt32LE(target + VERDICT) === VERDICT_DROP ? 'drop' : 'accept';
    return { policy, mark: markOf(table.subarray(ENTRIES_HEADER)) };
  } finally {
    closeSync(fd);
  }
}

/** A digest of the entries without their counters, which every packet changes. Overwrites those. */
function markOf(entries: Buffer): string {
  for (let at = 0; at + COUNTERS[1] <= entries.length; ) {
    entries.fill(0, at + COUNTERS[0], at + COUNTERS[1]);
    const next = entries.readUInt16LE(at + NEXT_OFFSET);
    if (next === 0) break;
    at += next;
  }
  return createHash('sha1').update(entries).digest('hex');
}

function get(fd: number, option: number, value: Buffer): void {
  const length = Buffer.alloc(4);
  length.writeUInt32LE(value.length);
  check(getsockopt(fd, IPPROTO_IP, option, value, length), 'getsockopt', 'filter table');
}

function legacyTables(): string[] {
  try {
    return readFileSync('/proc/net/ip_tables_names', 'utf8').split('\n');
  } catch {
    return [];
  }
}
