/**
 * Messages of the DNS as far as a server of names and a forwarder needs them (RFC 1035 section 4, RFC 6891): the question and the
 * EDNS record of a query; replies that repeat the question byte for byte. All else is passed on unread.
 */

export const TYPE = { A: 1, PTR: 12, MX: 15, AAAA: 28, OPT: 41, ANY: 255 } as const;
export const CLASS_IN = 1;
export const RCODE = {
  noError: 0,
  formatError: 1,
  serverFailure: 2,
  notImplemented: 4,
  refused: 5,
  badVersion: 16,
} as const;

const HEADER_LENGTH = 12;
/** Of an answer: name, type, class, time to live and the length of its data. */
const RECORD_LENGTH = 12;
/** What a label seldom has. */
const SPECIAL = /[.\\]/;
const NOTHING = Buffer.alloc(0);
/** What a UDP client takes that says nothing else. */
export const PLAIN_SIZE = 512;
/** The length of a message over TCP is a 16-bit number. */
export const MAX_MESSAGE = 0xffff;
/** The size of datagram we say to take; loopback carries any. */
const OWN_SIZE = 4096;

const FLAG_RESPONSE = 0x8000;
const OPCODE_MASK = 0x7800;
const FLAG_TRUNCATED = 0x0200;
const FLAG_RECURSION_DESIRED = 0x0100;
const FLAG_RECURSION_AVAILABLE = 0x0080;
const FLAG_CHECKING_DISABLED = 0x0010;
/** A name of the message so far, by its offset: the question's, behind the header. */
const QUESTION_NAME = 0xc000 | HEADER_LENGTH;

export interface Query {
  bytes: Buffer;
  id: number;
  /** In lower case, without the final dot; a dot or backslash within a label stands behind a backslash. */
  name: string;
  type: number;
  class: number;
  /** Offset behind the question. */
  questionEnd: number;
  /** The EDNS record, when there is one: the largest datagram the client takes, and the version. */
  edns?: { size: number; version: number };
}

/** The data of a record whose owner is the question's name. */
export interface Answer {
  type: number;
  /** Seconds. */
  ttl: number;
  data: Uint8Array;
}

/** Reads a query. A reply is what to answer to one that is malformed or of another kind; undefined: to be left unanswered. */
export function parseQuery(bytes: Buffer): { query: Query } | { reply: Buffer } | undefined {
  if (bytes.length < HEADER_LENGTH) return undefined;
  const flags = bytes.readUInt16BE(2);
  // Two servers that answer each other's answers would never end.
  if ((flags & FLAG_RESPONSE) !== 0) return undefined;
  if ((flags & OPCODE_MASK) !== 0) return { reply: bareReply(bytes, RCODE.notImplemented) };
  try {
    if (bytes.readUInt16BE(4) !== 1) return { reply: bareReply(bytes, RCODE.formatError) };
    const { name, end } = readQuestionName(bytes);
    const query: Query = {
      bytes,
      id: bytes.readUInt16BE(0),
      name,
      type: bytes.readUInt16BE(end),
      class: bytes.readUInt16BE(end + 2),
      questionEnd: end + 4,
    };
    const edns = findEdns(bytes, query.questionEnd);
    if (edns !== undefined) query.edns = edns;
    return { query };
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return { reply: bareReply(bytes, RCODE.formatError) };
  }
}

/** The largest reply that the client takes in one datagram. */
export function datagramSize(query: Query): number {
  return Math.max(query.edns?.size ?? 0, PLAIN_SIZE);
}

/** A reply with as many of the answers as fit in `limit` bytes; when some do not, it is marked as truncated. */
export function makeReply(query: Query, limit: number, answers: Answer[] = [], rcode: number = RCODE.noError): Buffer {
  const tail = query.edns === undefined ? NOTHING : ednsRecord(rcode);
  const { questionEnd } = query;
  let length = questionEnd + tail.length;
  let count = 0;
  for (const { data } of answers) {
    if (length + RECORD_LENGTH + data.length > limit) break;
    length += RECORD_LENGTH + data.length;
    count++;
  }
  const reply = Buffer.allocUnsafe(length);
  query.bytes.copy(reply, 0, 0, questionEnd);
  writeHeader(reply, query.bytes, rcode & 15, count < answers.length ? FLAG_TRUNCATED : 0);
  reply.writeUInt16BE(1, 4);
  reply.writeUInt16BE(count, 6);
  reply.writeUInt16BE(tail.length === 0 ? 0 : 1, 10);
  let offset = questionEnd;
  for (let index = 0; index < count; index++) offset = writeRecord(reply, offset, answers[index]!);
  tail.copy(reply, offset);
  return reply;
}

/** Whether `reply` is one to `query`, sent under `id`: the same question; some servers leave it out of their errors. */
export function isReplyTo(query: Query, id: number, reply: Buffer): boolean {
  if (reply.length < HEADER_LENGTH || reply.readUInt16BE(0) !== id) return false;
  const flags = reply.readUInt16BE(2);
  if ((flags & FLAG_RESPONSE) === 0) return false;
  if (reply.readUInt16BE(4) === 0) return (flags & 15) !== RCODE.noError;
  // Lengths of labels are below the letters, so lower case does not touch them.
  const question = (message: Buffer): string =>
    message.toString('latin1', HEADER_LENGTH, query.questionEnd).toLowerCase();
  return reply.length >= query.questionEnd && question(reply) === question(query.bytes);
}

export function rcodeOf(reply: Buffer): number {
  return reply.readUInt16BE(2) & 15;
}

/** The same message under another id. */
export function withId(message: Buffer, id: number): Buffer {
  const copy = Buffer.from(message);
  copy.writeUInt16BE(id, 0);
  return copy;
}

/** What a reply from elsewhere becomes for a client that takes at most `limit` bytes: itself, or nothing but the mark to ask over TCP. */
export function fitted(query: Query, reply: Buffer, limit: number): Buffer {
  if (reply.length <= limit) return reply;
  const short = makeReply(query, limit, [], rcodeOf(reply));
  short.writeUInt16BE(reply.readUInt16BE(2) | FLAG_TRUNCATED, 2);
  return short;
}

/** The wire form of a domain name, undefined for one that has none (an empty label, or one of more than 63 bytes). */
export function nameBytes(name: string): Buffer | undefined {
  const labels = name.split('.').map((label) => Buffer.from(label));
  if (labels.some((label) => label.length === 0 || label.length > 63)) return undefined;
  const bytes = Buffer.concat([...labels.flatMap((label) => [Buffer.from([label.length]), label]), Buffer.alloc(1)]);
  return bytes.length > 255 ? undefined : bytes;
}

/** A header with all counts zero, of a reply to the message that `bytes` begins. */
function writeHeader(reply: Buffer, bytes: Buffer, rcode: number, flags: number): void {
  const asked = bytes.readUInt16BE(2) & (OPCODE_MASK | FLAG_RECURSION_DESIRED | FLAG_CHECKING_DISABLED);
  reply.fill(0, 4, HEADER_LENGTH);
  reply.writeUInt16BE(bytes.readUInt16BE(0), 0);
  reply.writeUInt16BE(FLAG_RESPONSE | asked | FLAG_RECURSION_AVAILABLE | flags | rcode, 2);
}

/** An error about a query that could not be read: it has no question to repeat. */
function bareReply(bytes: Buffer, rcode: number): Buffer {
  const reply = Buffer.allocUnsafe(HEADER_LENGTH);
  writeHeader(reply, bytes, rcode, 0);
  return reply;
}

/** Returns the offset behind it. */
function writeRecord(reply: Buffer, offset: number, { type, ttl, data }: Answer): number {
  reply.writeUInt16BE(QUESTION_NAME, offset);
  reply.writeUInt16BE(type, offset + 2);
  reply.writeUInt16BE(CLASS_IN, offset + 4);
  reply.writeUInt32BE(ttl, offset + 6);
  reply.writeUInt16BE(data.length, offset + 10);
  reply.set(data, offset + RECORD_LENGTH);
  return offset + RECORD_LENGTH + data.length;
}

/** Root name, type, size, the upper bits of the code, version 0, no flags, no options (RFC 6891 section 6.1.2). */
function ednsRecord(rcode: number): Buffer {
  const bytes = Buffer.alloc(11);
  bytes.writeUInt16BE(TYPE.OPT, 1);
  bytes.writeUInt16BE(OWN_SIZE, 3);
  bytes.writeUInt8(rcode >> 4, 5);
  return bytes;
}

/** @throws RangeError for a name that goes beyond the message, is too long, or is compressed where nothing stands before it */
function readQuestionName(bytes: Buffer): { name: string; end: number } {
  const labels: string[] = [];
  let offset = HEADER_LENGTH;
  for (let length = bytes.readUInt8(offset); length !== 0; length = bytes.readUInt8(offset)) {
    const end = offset + 1 + length;
    if (length > 63 || end > bytes.length || end - HEADER_LENGTH > 254) throw new RangeError('bad name');
    const label = bytes.toString('utf8', offset + 1, end).toLowerCase();
    labels.push(SPECIAL.test(label) ? label.replaceAll(/[.\\]/g, '\\$&') : label);
    offset = end;
  }
  return { name: labels.join('.'), end: offset + 1 };
}

/** @throws RangeError for a record that goes beyond the message */
function findEdns(bytes: Buffer, start: number): Query['edns'] {
  const others = bytes.readUInt16BE(6) + bytes.readUInt16BE(8);
  const additional = bytes.readUInt16BE(10);
  let found: Query['edns'];
  let offset = start;
  for (let index = 0; index < others + additional; index++) {
    offset = skipName(bytes, offset);
    if (index >= others && bytes.readUInt16BE(offset) === TYPE.OPT) {
      found = { size: bytes.readUInt16BE(offset + 2), version: bytes.readUInt8(offset + 5) };
    }
    offset += 10 + bytes.readUInt16BE(offset + 8);
    if (offset > bytes.length) throw new RangeError('bad record');
  }
  return found;
}

function skipName(bytes: Buffer, start: number): number {
  let offset = start;
  for (;;) {
    const length = bytes.readUInt8(offset);
    if (length === 0) return offset + 1;
    if (length >= 0xc0) return offset + 2;
    if (length > 63) throw new RangeError('bad label');
    offset += 1 + length;
  }
}
