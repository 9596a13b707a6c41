import { closeSync } from 'node:fs';
import os from 'node:os';
import { check, declare, errno, SystemCallError } from '../libc.ts';
import {
  type Message,
  type MessageBuilder,
  NLM_F_ACK,
  NLM_F_ACK_TLVS,
  NLM_F_DUMP,
  NLM_F_DUMP_INTR,
  NLMSG_DONE,
  NLMSG_ERROR,
  parseAttributes,
  parseMessages,
  stringOf,
} from './message.ts';

const socket = declare('int socket(int domain, int type, int protocol)');
const setsockopt = declare('int setsockopt(int fd, int level, int name, const void *value, uint32_t length)');
const bind = declare('int bind(int fd, const void *address, uint32_t length)');
const send = declare('long send(int fd, const void *data, size_t length, int flags)');
const recv = declare('long recv(int fd, void *data, size_t length, int flags)');

const AF_NETLINK = 16;
const SOCK_RAW = 3;
const SOCK_CLOEXEC = 0o2000000;
const SOL_NETLINK = 270;
const SOL_SOCKET = 1;
const SO_SNDBUFFORCE = 32;
const SO_RCVBUFFORCE = 33;
const MSG_DONTWAIT = 0x40;
const NETLINK_CAP_ACK = 10;
const NETLINK_EXT_ACK = 11;
const NLMSGERR_ATTR_MSG = 1;

/** The kernel sends dumps in pieces of at most 32 KB to a reader whose buffer is as large. */
const RECEIVE_SIZE = 32 * 1024;
/** What the kernel takes in one piece unless a larger send buffer is asked for (net.core.wmem_default, less its own part of it). */
const SMALL_BATCH = 64 * 1024;
/** Room for the notifications of a group between two looks at it. */
const EVENT_BUFFER = 1024 * 1024;

/** A dump that the kernel marked as inconsistent (something changed meanwhile) is asked for again this often. */
const DUMP_ATTEMPTS = 8;

/**
 * A synchronous netlink socket. Requests are answered within send(2), so nothing waits here: recv(2) finds the answer queued. The
 * socket belongs to the network namespace in which it was opened, wherever its thread goes afterwards.
 */
export class NetlinkSocket {
  readonly #fd: number;
  readonly #buffer = Buffer.allocUnsafe(RECEIVE_SIZE);
  #sequence = 0;
  #open = true;

  /** Opens it in the current network namespace of the calling thread. Throws SystemCallError. */
  constructor(protocol: number) {
    this.#fd = check(socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol), 'socket', 'netlink');
    // Error texts where the kernel has them; both options are newer than netlink, and only a comfort.
    const on = Buffer.from([1, 0, 0, 0]);
    setsockopt(this.#fd, SOL_NETLINK, NETLINK_EXT_ACK, on, 4);
    setsockopt(this.#fd, SOL_NETLINK, NETLINK_CAP_ACK, on, 4);
  }

  /**
   * Sends a request and waits for its acknowledgement.
   * @param what names the request and its object in the error
   * @throws SystemCallError with the errno that the kernel answered
   */
  execute(request: MessageBuilder, what: string): void {
    const sequence = this.#send(request, NLM_F_ACK, what);
    this.#receive(sequence, what, () => {});
  }

  /** Sends a request that is answered by one message, e.g. RTM_GETLINK by name, and returns that message's payload. */
  query(request: MessageBuilder, what: string): Buffer {
    const sequence = this.#send(request, NLM_F_ACK, what);
    let answer: Buffer | undefined;
    this.#receive(sequence, what, (message) => {
      answer = Buffer.from(message.payload);
    });
    if (answer === undefined) throw new Error(`${what}: no answer from the kernel`);
    return answer;
  }

  /** Sends a dump request (NLM_F_DUMP is added) and returns the payloads of all its messages. */
  dump(makeRequest: () => MessageBuilder, what: string): Buffer[] {
    for (let attempt = 1; ; attempt++) {
      const sequence = this.#send(makeRequest(), NLM_F_DUMP, what);
      const payloads: Buffer[] = [];
      let interrupted = false;
      this.#receive(sequence, what, (message) => {
        interrupted ||= (message.flags & NLM_F_DUMP_INTR) !== 0;
        payloads.push(Buffer.from(message.payload));
      });
      if (!interrupted || attempt === DUMP_ATTEMPTS) return payloads;
    }
  }

  /**
   * Sends several messages in one piece, which nfnetlink carries out as one transaction (the first and the last are its batch markers):
   * all or nothing. The last but one is acknowledged.
   * @throws SystemCallError for the first message that the kernel refused; nothing has changed then
   */
  transact(messages: readonly MessageBuilder[], what: string): void {
    const first = this.#sequence + 1;
    const pieces = messages.map((message, index) => {
      this.#sequence = (this.#sequence + 1) >>> 0;
      const piece = message.finish(this.#sequence);
      if (index === messages.length - 2) piece.writeUInt16LE(piece.readUInt16LE(6) | NLM_F_ACK, 6);
      return piece;
    });
    const batch = Buffer.concat(pieces);
    if (batch.length > SMALL_BATCH) this.#setBuffer(SO_SNDBUFFORCE, batch.length * 2);
    check(send(this.#fd, batch, batch.length, 0), 'send', what);
    this.#receiveBatch(first, this.#sequence - 1, what);
  }

  /** From now on the kernel tells this socket of a group's events: see poll(). */
  join(group: number): void {
    this.#setBuffer(SO_RCVBUFFORCE, EVENT_BUFFER);
    // struct sockaddr_nl: family, padding, port (0: of the kernel's choice), mask of groups. A socket without a port is told nothing.
    const address = Buffer.alloc(12);
    address.writeUInt16LE(AF_NETLINK);
    address.writeUInt32LE(1 << (group - 1), 8);
    check(bind(this.#fd, address, address.length), 'bind', `netlink group ${group}`);
  }

  /** Takes the events that are queued. Returns false when some were lost for want of room. */
  poll(onMessage: (message: Message) => void): boolean {
    let whole = true;
    for (;;) {
      const length = recv(this.#fd, this.#buffer, RECEIVE_SIZE, MSG_DONTWAIT);
      if (Number(length) >= 0) {
        for (const message of parseMessages(this.#buffer.subarray(0, Number(length)))) onMessage(message);
        continue;
      }
      const failure = errno();
      if (failure === os.constants.errno.EAGAIN) return whole;
      if (failure !== os.constants.errno.ENOBUFS) throw new SystemCallError(failure, 'recv', 'events');
      whole = false;
    }
  }

  close(): void {
    if (!this.#open) return;
    this.#open = false;
    closeSync(this.#fd);
  }

  #send(request: MessageBuilder, flags: number, what: string): number {
    this.#sequence = (this.#sequence + 1) >>> 0;
    const message = request.finish(this.#sequence);
    message.writeUInt16LE(message.readUInt16LE(6) | flags, 6);
    check(send(this.#fd, message, message.length, 0), 'send', what);
    return this.#sequence;
  }

  #setBuffer(option: number, size: number): void {
    const value = Buffer.alloc(4);
    value.writeUInt32LE(size);
    check(setsockopt(this.#fd, SOL_SOCKET, option, value, 4), 'setsockopt', 'netlink buffer');
  }

  /**
   * Every refused message of a batch is answered, in its order, and then the acknowledged one unless the whole was refused: an answer is
   * there as soon as send(2) is back. What is left of this batch's answers is skipped by the next reader, by its sequence numbers.
   */
  #receiveBatch(first: number, last: number, what: string): void {
    for (;;) {
      const length = check(recv(this.#fd, this.#buffer, RECEIVE_SIZE, 0), 'recv', what);
      for (const message of parseMessages(this.#buffer.subarray(0, length))) {
        if (message.sequence < first || message.type !== NLMSG_ERROR) continue;
        const failure = -message.payload.readInt32LE(0);
        if (failure > 0) throw new SystemCallError(failure, what, explanation(message));
        if (message.sequence === last) return;
      }
    }
  }

  /** Reads until the acknowledgement or the end of the dump. Answers to an earlier request that failed half-way are skipped. */
  #receive(sequence: number, what: string, onMessage: (message: Message) => void): void {
    for (;;) {
      const length = check(recv(this.#fd, this.#buffer, RECEIVE_SIZE, 0), 'recv', what);
      for (const message of parseMessages(this.#buffer.subarray(0, length))) {
        if (message.sequence !== sequence) continue;
        if (message.type !== NLMSG_ERROR && message.type !== NLMSG_DONE) {
          onMessage(message);
          continue;
        }
        const failure = message.payload.length >= 4 ? -message.payload.readInt32LE(0) : 0;
        if (failure > 0) throw new SystemCallError(failure, what, explanation(message));
        return;
      }
    }
  }
}

/** The kernel's own words on an error (extended acknowledgement), or "". With NETLINK_CAP_ACK they follow the request's header. */
function explanation(message: Message): string {
  if (message.type !== NLMSG_ERROR || (message.flags & NLM_F_ACK_TLVS) === 0) return '';
  const text = stringOf(parseAttributes(message.payload.subarray(20)).get(NLMSGERR_ATTR_MSG));
  return text === '' ? '' : `(${text})`;
}
