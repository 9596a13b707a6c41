/** Many datagrams by one system call: recvmmsg(2), sendmmsg(2). */
import { addressOf, declare } from './libc.ts';

const recvmmsg = declare('int recvmmsg(int fd, void *messages, unsigned int count, int flags, void *timeout)');
const sendmmsg = declare('int sendmmsg(int fd, void *messages, unsigned int count, int flags)');

const MSG_DONTWAIT = 0x40;
const MSG_NOSIGNAL = 0x4000;

/** Datagrams in one batch. */
const COUNT = 16;
/** No datagram is larger. Of a place's pages only those that were ever written are in memory. */
const PLACE = 64 * 1024;
/** struct sockaddr_in */
export const SOCKET_ADDRESS_LENGTH = 16;
/** struct mmsghdr: a msghdr of 56 bytes (name, its length, iovec, their number, control, its length, flags), the datagram's length. */
const HEADER = 64;
const HEADER_NAME_LENGTH = 8;
const HEADER_VECTORS = 16;
const HEADER_VECTOR_COUNT = 24;
const HEADER_LENGTH = 56;
/** struct iovec: pointer, length. */
const VECTOR = 16;

export interface Datagram {
  data: Buffer;
  /** struct sockaddr_in of the other side. */
  address: Buffer;
}

/**
 * Room for batches of datagrams of IPv4 sockets, any number of which may share it: nothing stays in it from one call to the next but what
 * was added and not yet sent.
 */
export class DatagramBatch {
  readonly #incoming = new Places();
  readonly #outgoing = new Places();
  #added = 0;

  /** Takes what waits at a socket, at most 16. None when there are none, or no socket. */
  receive(fd: number): Datagram[] {
    const count = recvmmsg(fd, this.#incoming.headers, COUNT, MSG_DONTWAIT, null);
    const datagrams: Datagram[] = [];
    for (let index = 0; index < count; index++) datagrams.push(this.#incoming.read(index));
    return datagrams;
  }

  /** To be sent by the next send(). False when there is no room left for it. */
  add({ data, address }: Datagram): boolean {
    if (this.#added === COUNT || data.length > PLACE) return false;
    this.#outgoing.write(this.#added++, data, address);
    return true;
  }

  /** Sends what was added. What the kernel does not take is lost, as datagrams may be. */
  send(fd: number): void {
    const count = this.#added;
    this.#added = 0;
    for (let sent = 0; sent < count; ) {
      const messages = this.#outgoing.headers.subarray(sent * HEADER);
      const taken = sendmmsg(fd, messages, count - sent, MSG_DONTWAIT | MSG_NOSIGNAL);
      // -1 is about the first of them; the others may have better luck.
      sent += Math.max(taken, 1);
    }
  }
}

class Places {
  readonly headers = Buffer.alloc(COUNT * HEADER);
  readonly #addresses = Buffer.alloc(COUNT * SOCKET_ADDRESS_LENGTH);
  /** Memory of their own for these: the kernel is told where they lie once and for all. */
  readonly #vectors = Buffer.alloc(COUNT * VECTOR);
  readonly #data = Buffer.allocUnsafeSlow(COUNT * PLACE);

  constructor() {
    for (let index = 0; index < COUNT; index++) {
      const header = index * HEADER;
      const vector = index * VECTOR;
      const pointer = (buffer: Buffer, offset: number): bigint => addressOf(buffer) + BigInt(offset);
      this.headers.writeBigUInt64LE(pointer(this.#addresses, index * SOCKET_ADDRESS_LENGTH), header);
      this.headers.writeUInt32LE(SOCKET_ADDRESS_LENGTH, header + HEADER_NAME_LENGTH);
      this.headers.writeBigUInt64LE(pointer(this.#vectors, vector), header + HEADER_VECTORS);
      this.headers.writeBigUInt64LE(1n, header + HEADER_VECTOR_COUNT);
      this.#vectors.writeBigUInt64LE(pointer(this.#data, index * PLACE), vector);
      this.#vectors.writeBigUInt64LE(BigInt(PLACE), vector + 8);
    }
  }

  /** Copies: the place is used again. */
  read(index: number): Datagram {
    const length = this.headers.readUInt32LE(index * HEADER + HEADER_LENGTH);
    const from = index * SOCKET_ADDRESS_LENGTH;
    return {
      data: Buffer.from(this.#data.subarray(index * PLACE, index * PLACE + length)),
      address: Buffer.from(this.#addresses.subarray(from, from + SOCKET_ADDRESS_LENGTH)),
    };
  }

  write(index: number, data: Uint8Array, address: Uint8Array): void {
    this.#data.set(data, index * PLACE);
    this.#vectors.writeUInt32LE(data.length, index * VECTOR + 8);
    this.#addresses.set(address, index * SOCKET_ADDRESS_LENGTH);
  }
}
