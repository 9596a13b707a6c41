/** Transactions on nftables, and what others do to a table, by netlink. Belongs to the network namespace in which it was opened. */
import { SystemCallError } from '../libc.ts';
import { type Message, MessageBuilder, parseAttributes, stringOf } from './message.ts';
import type { NftBatch } from './nft-batch.ts';
import { NetlinkSocket } from './socket.ts';

const NETLINK_NETFILTER = 12;
const NFNL_SUBSYS_NFTABLES = 10;
const NFNLGRP_NFTABLES = 7;
const NFPROTO_INET = 1;
/** struct nfgenmsg: family, version, resource (2 bytes). */
const NFGENMSG_LENGTH = 4;
const NFT_MSG_GETTABLE = 1;
const NFT_MSG_GETCHAIN = 4;
const NFT_MSG_NEWRULE = 6;
const NFT_MSG_DELRULE = 8;
const NFT_MSG_GETSET = 10;

export class NftSocket {
  readonly #requests = new NetlinkSocket(NETLINK_NETFILTER);
  readonly #events: NetlinkSocket;

  /** @throws SystemCallError where the kernel has no nftables */
  constructor() {
    this.#events = new NetlinkSocket(NETLINK_NETFILTER);
    try {
      this.#events.join(NFNLGRP_NFTABLES);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Carries the batch out, wholly or (when it throws SystemCallError) not at all. */
  commit(batch: NftBatch): void {
    this.#requests.transact(batch.messages(), `nftables table ${batch.table}`);
  }

  /** The kernel's number of the table, another one when it was deleted and made again; undefined when it is not there. */
  tableHandle(table: string): string | undefined {
    try {
      const answer = this.#requests.query(request(NFT_MSG_GETTABLE, table), `nftables table ${table}`);
      return parseAttributes(answer.subarray(NFGENMSG_LENGTH)).get(4)?.toString('hex');
    } catch (error) {
      if (error instanceof SystemCallError && error.code === 'ENOENT') return undefined;
      throw error;
    }
  }

  chains(table: string): string[] {
    return this.#names(NFT_MSG_GETCHAIN, 3, table);
  }

  sets(table: string): string[] {
    return this.#names(NFT_MSG_GETSET, 2, table);
  }

  /**
   * Whether anything has happened to the table since the last call; also true when the kernel had no room to tell all. Rules of the
   * `except` chain do not count.
   */
  changed(table: string, except: string): boolean {
    let seen = false;
    const whole = this.#events.poll((message) => {
      seen ||= concerns(message, table, except);
    });
    return seen || !whole;
  }

  close(): void {
    this.#requests.close();
    this.#events?.close();
  }

  #names(type: number, attribute: number, table: string): string[] {
    const found: string[] = [];
    for (const answer of this.#requests.dump(() => request(type, table), `nftables table ${table}`)) {
      const attributes = parseAttributes(answer.subarray(NFGENMSG_LENGTH));
      if (stringOf(attributes.get(1)) === table) found.push(stringOf(attributes.get(attribute)));
    }
    return found;
  }
}

function request(type: number, table: string): MessageBuilder {
  return new MessageBuilder((NFNL_SUBSYS_NFTABLES << 8) | type, 0)
    .struct(Uint8Array.of(NFPROTO_INET, 0, 0, 0))
    .string(1, table);
}

/** Attribute 1 is the table's name in all messages but those of generations. */
function concerns(message: Message, table: string, except: string): boolean {
  if (message.type >> 8 !== NFNL_SUBSYS_NFTABLES || message.payload[0] !== NFPROTO_INET) return false;
  const attributes = parseAttributes(message.payload.subarray(NFGENMSG_LENGTH));
  if (stringOf(attributes.get(1)) !== table) return false;
  const type = message.type & 0xff;
  return !((type === NFT_MSG_NEWRULE || type === NFT_MSG_DELRULE) && stringOf(attributes.get(2)) === except);
}
