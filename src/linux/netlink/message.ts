/**
 * Netlink messages: a 16-byte header (struct nlmsghdr), a fixed body that depends on the type, and attributes
 * (length, type, value, padded to 4 bytes), which may nest. See netlink(7), rtnetlink(7) and linux/netlink.h. Numbers are in
 * host order; every platform Node runs on with this code (x86-64, arm64) is little-endian.
 */

const NLM_F_REQUEST = 0x1;
export const NLM_F_ACK = 0x4;
export const NLM_F_DUMP = 0x300;
export const NLM_F_DUMP_INTR = 0x10;
export const NLM_F_REPLACE = 0x100;
export const NLM_F_EXCL = 0x200;
export const NLM_F_CREATE = 0x400;
export const NLM_F_ACK_TLVS = 0x200;

export const NLMSG_ERROR = 2;
export const NLMSG_DONE = 3;

const HEADER_LENGTH = 16;

/** Bits of the attribute type that are flags (NLA_F_NESTED, NLA_F_NET_BYTEORDER). */
const NLA_TYPE_MASK = 0x3fff;
const NLA_F_NESTED = 0x8000;

const align = (length: number): number => (length + 3) & ~3;

/** Builds one request. The header's length, sequence number and port are filled in by the socket that sends it. */
export class MessageBuilder {
  readonly type: number;
  readonly flags: number;
  #buffer = Buffer.alloc(512);
  #length = HEADER_LENGTH;

  constructor(type: number, flags: number) {
    this.type = type;
    this.flags = flags;
  }

  /** Appends a fixed structure as it is (struct ifinfomsg and such). */
  struct(bytes: Uint8Array): this {
    this.#reserve(align(bytes.length));
    this.#buffer.set(bytes, this.#length);
    this.#length += align(bytes.length);
    return this;
  }

  bytes(type: number, value: Uint8Array): this {
    this.#reserve(4 + align(value.length));
    this.#buffer.writeUInt16LE(4 + value.length, this.#length);
    this.#buffer.writeUInt16LE(type, this.#length + 2);
    this.#buffer.set(value, this.#length + 4);
    this.#length += 4 + align(value.length);
    return this;
  }

  u8(type: number, value: number): this {
    return this.bytes(type, Uint8Array.of(value));
  }

  u16(type: number, value: number): this {
    const bytes = Buffer.alloc(2);
    bytes.writeUInt16LE(value);
    return this.bytes(type, bytes);
  }

  u32(type: number, value: number): this {
    const bytes = Buffer.alloc(4);
    bytes.writeUInt32LE(value);
    return this.bytes(type, bytes);
  }

  /** In network order, as netfilter's interfaces want it. */
  be32(type: number, value: number): this {
    const bytes = Buffer.alloc(4);
    bytes.writeInt32BE(value | 0);
    return this.bytes(type, bytes);
  }

  /** A C string, with its terminating zero. */
  string(type: number, value: string): this {
    return this.bytes(type, Buffer.from(`${value}\0`));
  }

  /** An attribute whose value is what `fill` appends. */
  nest(type: number, fill: (builder: this) => void): this {
    this.#reserve(4);
    const start = this.#length;
    this.#length += 4;
    fill(this);
    this.#buffer.writeUInt16LE(this.#length - start, start);
    this.#buffer.writeUInt16LE(type | NLA_F_NESTED, start + 2);
    return this;
  }

  /** The message, ready to send. */
  finish(sequence: number): Buffer {
    const message = this.#buffer.subarray(0, this.#length);
    message.writeUInt32LE(this.#length, 0);
    message.writeUInt16LE(this.type, 4);
    message.writeUInt16LE(this.flags | NLM_F_REQUEST, 6);
    message.writeUInt32LE(sequence, 8);
    message.writeUInt32LE(0, 12);
    return message;
  }

  #reserve(bytes: number): void {
    if (this.#length + bytes <= this.#buffer.length) return;
    const larger = Buffer.alloc(Math.max(this.#buffer.length * 2, this.#length + bytes));
    this.#buffer.copy(larger, 0, 0, this.#length);
    this.#buffer = larger;
  }
}

export interface Message {
  type: number;
  flags: number;
  sequence: number;
  /** Everything after the header; a view, valid until the receive buffer is used again. */
  payload: Buffer;
}

/** Splits one datagram into its messages. A truncated last message is an error: the receive buffer was too small. */
export function parseMessages(datagram: Buffer): Message[] {
  const messages: Message[] = [];
  let offset = 0;
  while (offset + HEADER_LENGTH <= datagram.length) {
    const length = datagram.readUInt32LE(offset);
    if (length < HEADER_LENGTH || offset + length > datagram.length) throw new Error('truncated netlink message');
    messages.push({
      type: datagram.readUInt16LE(offset + 4),
      flags: datagram.readUInt16LE(offset + 6),
      sequence: datagram.readUInt32LE(offset + 8),
      payload: datagram.subarray(offset + HEADER_LENGTH, offset + length),
    });
    offset += align(length);
  }
  return messages;
}

/** Attributes by type; of a repeated type the last. Stops at a malformed one, as the kernel's own parser does. */
export function parseAttributes(bytes: Buffer): Map<number, Buffer> {
  const attributes = new Map<number, Buffer>();
  let offset = 0;
  while (offset + 4 <= bytes.length) {
    const length = bytes.readUInt16LE(offset);
    if (length < 4 || offset + length > bytes.length) break;
    attributes.set(bytes.readUInt16LE(offset + 2) & NLA_TYPE_MASK, bytes.subarray(offset + 4, offset + length));
    offset += align(length);
  }
  return attributes;
}

/** The string of an attribute, without its terminating zero; "" when it is absent. */
export function stringOf(attribute: Buffer | undefined): string {
  if (attribute === undefined) return '';
  const end = attribute.indexOf(0);
  return attribute.toString('utf8', 0, end === -1 ? attribute.length : end);
}
