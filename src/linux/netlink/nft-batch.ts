/** One transaction on one table of the inet family, built step by step. What each step means is in nft(8). */
import { MessageBuilder, NLM_F_CREATE } from './message.ts';
import type { Expression } from './nft-expressions.ts';

const NFNL_SUBSYS_NFTABLES = 10;
const NFNL_MSG_BATCH_BEGIN = 0x10;
const NFNL_MSG_BATCH_END = 0x11;
const NLM_F_APPEND = 0x800;
const NFPROTO_INET = 1;
const AF_UNSPEC = 0;

const NFT_MSG_NEWTABLE = 0;
const NFT_MSG_DELTABLE = 2;
const NFT_MSG_NEWCHAIN = 3;
const NFT_MSG_DELCHAIN = 5;
const NFT_MSG_NEWRULE = 6;
const NFT_MSG_DELRULE = 8;
const NFT_MSG_NEWSET = 9;
const NFT_MSG_DELSET = 11;
const NFT_MSG_NEWSETELEM = 12;
const NFT_MSG_DELSETELEM = 14;

const NF_ACCEPT = 1;
const HOOKS = { prerouting: 0, input: 1, forward: 2, output: 3, postrouting: 4 } as const;
const NFT_SET_INTERVAL = 0x4;
const NFT_SET_MAP = 0x8;
const NFT_SET_CONCAT = 0x80;

/** Type numbers by which nft(8) shows values; lengths in bytes. In keys and data each is padded to registers. */
const TYPES = {
  ipv4_addr: { id: 7, length: 4 },
  ipv6_addr: { id: 8, length: 16 },
  inet_proto: { id: 12, length: 1 },
  inet_service: { id: 13, length: 2 },
  ifname: { id: 41, length: 16 },
} as const;
const TYPE_BITS = 6;

/** A message's attribute list has a 16-bit length. An element is some 100 bytes at most. */
const ELEMENTS_PER_MESSAGE = 400;

export type FieldType = keyof typeof TYPES;

export interface NftSet {
  name: string;
  key: FieldType[];
  /** What keys stand for; missing for a set that is no map. */
  data?: FieldType[];
  /** Elements are ranges, in every field. */
  interval?: boolean;
}

export interface NftElement {
  /** Of the set's key length. */
  key: Buffer;
  /** The last key of an interval set's element. */
  keyEnd?: Buffer;
  data?: Buffer;
}

export interface BaseChain {
  type: 'filter' | 'nat';
  hook: keyof typeof HOOKS;
  priority: number;
}

export class NftBatch {
  readonly table: string;
  readonly #messages: MessageBuilder[] = [];
  #setId = 0;

  constructor(table: string) {
    this.table = table;
  }

  get empty(): boolean {
    return this.#messages.length === 0;
  }

  addTable(): this {
    return this.#add(NFT_MSG_NEWTABLE, NLM_F_CREATE);
  }

  deleteTable(): this {
    return this.#add(NFT_MSG_DELTABLE, 0);
  }

  /** Leaves a chain of the same kind that is there as it is, with its rules. */
  addChain(name: string, base?: BaseChain): this {
    return this.#add(NFT_MSG_NEWCHAIN, NLM_F_CREATE, (message) => {
      message.string(3, name);
      if (base === undefined) return;
      message
        .nest(4, (hook) => hook.be32(1, HOOKS[base.hook]).be32(2, base.priority))
        .be32(5, NF_ACCEPT)
        .string(7, base.type);
    });
  }

  /** It must be empty by then, and nothing jump to it. */
  deleteChain(name: string): this {
    return this.#add(NFT_MSG_DELCHAIN, 0, (message) => message.string(3, name));
  }

  flushChain(name: string): this {
    return this.#add(NFT_MSG_DELRULE, 0, (message) => message.string(2, name));
  }

  addRule(chain: string, ...expressions: Expression[]): this {
    return this.#add(NFT_MSG_NEWRULE, NLM_F_CREATE | NLM_F_APPEND, (message) => {
      message.string(2, chain).nest(4, (list) => {
        for (const expression of expressions) expression(list);
      });
    });
  }

  addSet(set: NftSet): this {
    const ranges = set.interval === true;
    const flags = (ranges ? NFT_SET_INTERVAL | NFT_SET_CONCAT : 0) | (set.data === undefined ? 0 : NFT_SET_MAP);
    return this.#add(NFT_MSG_NEWSET, NLM_F_CREATE, (message) => {
      message.string(2, set.name).be32(3, flags).be32(4, typeId(set.key)).be32(5, lengthOf(set.key));
      if (set.data !== undefined) message.be32(6, typeId(set.data)).be32(7, lengthOf(set.data));
      if (ranges) {
        message.nest(9, (description) =>
          description.nest(2, (fields) => {
            for (const field of set.key) fields.nest(1, (entry) => entry.be32(1, TYPES[field].length));
          }),
        );
      }
      this.#setId += 1;
      message.be32(10, this.#setId);
    });
  }

  deleteSet(name: string): this {
    return this.#add(NFT_MSG_DELSET, 0, (message) => message.string(2, name));
  }

  addElements(set: string, elements: readonly NftElement[]): this {
    return this.#elements(NFT_MSG_NEWSETELEM, NLM_F_CREATE, set, elements);
  }

  deleteElements(set: string, elements: readonly NftElement[]): this {
    return this.#elements(NFT_MSG_DELSETELEM, 0, set, elements);
  }

  /** The messages between the kernel's markers of a transaction. */
  messages(): MessageBuilder[] {
    return [marker(NFNL_MSG_BATCH_BEGIN), ...this.#messages, marker(NFNL_MSG_BATCH_END)];
  }

  #elements(type: number, flags: number, set: string, elements: readonly NftElement[]): this {
    for (let start = 0; start < elements.length; start += ELEMENTS_PER_MESSAGE) {
      this.#add(type, flags, (message) => {
        message.string(2, set).nest(3, (list) => {
          for (const { key, keyEnd, data } of elements.slice(start, start + ELEMENTS_PER_MESSAGE)) {
            list.nest(1, (element) => {
              element.nest(1, (value) => value.bytes(1, key));
              if (keyEnd !== undefined) element.nest(10, (value) => value.bytes(1, keyEnd));
              // The key alone says which to delete.
              if (data !== undefined && type === NFT_MSG_NEWSETELEM) element.nest(2, (value) => value.bytes(1, data));
            });
          }
        });
      });
    }
    return this;
  }

  /** Every message names its table first. */
  #add(type: number, flags: number, fill: (message: MessageBuilder) => void = () => {}): this {
    const message = new MessageBuilder((NFNL_SUBSYS_NFTABLES << 8) | type, flags)
      .struct(Uint8Array.of(NFPROTO_INET, 0, 0, 0))
      .string(1, this.table);
    fill(message);
    this.#messages.push(message);
    return this;
  }
}

function marker(type: number): MessageBuilder {
  return new MessageBuilder(type, 0).struct(Uint8Array.of(AF_UNSPEC, 0, 0, NFNL_SUBSYS_NFTABLES));
}

function typeId(fields: readonly FieldType[]): number {
  return fields.reduce((id, field) => (id << TYPE_BITS) | TYPES[field].id, 0);
}

function lengthOf(fields: readonly FieldType[]): number {
  return fields.reduce((length, field) => length + Math.ceil(TYPES[field].length / 4) * 4, 0);
}
