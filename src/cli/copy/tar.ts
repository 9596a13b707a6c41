/**
 * As much of tar as cp needs: POSIX ustar with pax headers (IEEE 1003.1, pax utility) in both directions, GNU long names when reading.
 * Sparse members are refused: no engine sends them.
 */

const BLOCK = 512;
/** Longest metadata member; a path is at most 4 KB, an extended attribute 64 KB. */
const MAX_META = 1 << 20;

export type TarType = 'file' | 'hardlink' | 'symlink' | 'char' | 'block' | 'directory' | 'fifo';
const FLAGS: Readonly<Record<TarType, string>> = {
  file: '0',
  hardlink: '1',
  symlink: '2',
  char: '3',
  block: '4',
  directory: '5',
  fifo: '6',
};

export interface TarEntry {
  /** A directory's name has no slash at its end. */
  name: string;
  type: TarType;
  mode: number;
  uid: number;
  gid: number;
  size: number;
  /** Seconds, with a fraction. */
  mtime: number;
  linkName: string;
  devMajor: number;
  devMinor: number;
}

export const END_OF_ARCHIVE = Buffer.alloc(2 * BLOCK);

/** The zeros that fill up a file of this size to whole blocks. */
export function paddingFor(size: number): Buffer {
  return Buffer.alloc((BLOCK - (size % BLOCK)) % BLOCK);
}

/** The header blocks of an entry: a pax header too for what ustar cannot say. */
export function encodeEntry(entry: TarEntry): Buffer {
  const name = entry.type === 'directory' ? `${entry.name}/` : entry.name;
  const records: Record<string, string> = {};
  if (!fits(name, 100)) records.path = name;
  if (!fits(entry.linkName, 100)) records.linkpath = entry.linkName;
  if (entry.size > 0o77777777777) records.size = String(entry.size);
  if (entry.uid > 0o7777777) records.uid = String(entry.uid);
  if (entry.gid > 0o7777777) records.gid = String(entry.gid);
  if (!Number.isInteger(entry.mtime) || entry.mtime < 0) records.mtime = String(entry.mtime);
  const header = block(name, FLAGS[entry.type], entry);
  if (Object.keys(records).length === 0) return header;
  const body = Buffer.concat(Object.entries(records).map(([key, value]) => paxRecord(key, value)));
  const meta = block('PaxHeaders/entry', 'x', { mode: 0o644, uid: 0, gid: 0, size: body.length, mtime: 0 });
  return Buffer.concat([meta, body, paddingFor(body.length), header]);
}

function fits(text: string, bytes: number): boolean {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: ustar names are ASCII, all of it
  return text.length <= bytes && /^[\x00-\x7f]*$/.test(text);
}

function paxRecord(key: string, value: string): Buffer {
  // The length counts itself.
  const rest = Buffer.byteLength(` ${key}=${value}\n`);
  let length = rest + String(rest).length;
  if (String(length).length !== String(rest).length) length = rest + String(length).length;
  return Buffer.from(`${length} ${key}=${value}\n`);
}

type Fields = Pick<TarEntry, 'mode' | 'uid' | 'gid' | 'size' | 'mtime'> & Partial<TarEntry>;

function block(name: string, flag: string, fields: Fields): Buffer {
  const header = Buffer.alloc(BLOCK);
  const octal = (value: number, offset: number, digits: number) => {
    const bounded = Math.min(Math.max(0, Math.floor(value)), 8 ** digits - 1);
    header.write(bounded.toString(8).padStart(digits, '0'), offset, 'latin1');
  };
  Buffer.from(name).copy(header, 0, 0, 100);
  octal(fields.mode, 100, 7);
  octal(fields.uid, 108, 7);
  octal(fields.gid, 116, 7);
  octal(fields.size, 124, 11);
  octal(fields.mtime, 136, 11);
  header.write('        ', 148, 'latin1');
  header.write(flag, 156, 'latin1');
  Buffer.from(fields.linkName ?? '').copy(header, 157, 0, 100);
  header.write('ustar\x0000', 257, 'latin1');
  octal(fields.devMajor ?? 0, 329, 7);
  octal(fields.devMinor ?? 0, 337, 7);
  let sum = 0;
  for (const byte of header) sum += byte;
  header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return header;
}

export interface TarHandler {
  entry(entry: TarEntry): void;
  data(bytes: Buffer): void;
  endOfFile(): void;
}

/** Reads an archive as it comes. Throws on one that is damaged or cut short. */
export class TarReader {
  readonly #handler: TarHandler;
  #rest: Buffer = Buffer.alloc(0);
  /** Content and padding of the current member that are still to come. */
  #left = 0;
  #padding = 0;
  #kind: 'header' | 'meta' | 'file' | 'skip' | 'end' = 'header';
  #meta: Buffer[] = [];
  #metaFlag = '';
  #pax: Record<string, string> = {};
  #global: Record<string, string> = {};

  constructor(handler: TarHandler) {
    this.#handler = handler;
  }

  write(chunk: Buffer): void {
    this.#rest = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    while (this.#rest.length > 0) {
      if (this.#kind === 'end') {
        this.#rest = Buffer.alloc(0);
      } else if (this.#kind === 'header') {
        if (this.#rest.length < BLOCK) return;
        this.#header(this.#take(BLOCK));
      } else if (this.#left > 0) {
        const part = this.#take(Math.min(this.#left, this.#rest.length));
        this.#left -= part.length;
        if (this.#kind === 'file') this.#handler.data(part);
        else if (this.#kind === 'meta') this.#meta.push(Buffer.from(part));
        if (this.#left === 0) this.#contentDone();
      } else {
        const part = this.#take(Math.min(this.#padding, this.#rest.length));
        this.#padding -= part.length;
        if (this.#padding === 0) this.#kind = 'header';
      }
    }
  }

  end(): void {
    if (this.#kind !== 'end' && (this.#kind !== 'header' || this.#rest.length > 0)) {
      throw new Error('unexpected end of the archive');
    }
  }

  #take(length: number): Buffer {
    const part = this.#rest.subarray(0, length);
    this.#rest = this.#rest.subarray(length);
    return part;
  }

  #contentDone(): void {
    if (this.#kind === 'file') this.#handler.endOfFile();
    if (this.#kind === 'meta') this.#metaDone();
    this.#kind = this.#padding === 0 ? 'header' : 'skip';
  }

  #metaDone(): void {
    const body = Buffer.concat(this.#meta);
    this.#meta = [];
    const text = body.toString().replace(/\0.*$/s, '');
    if (this.#metaFlag === 'L') this.#pax.path ??= text;
    else if (this.#metaFlag === 'K') this.#pax.linkpath ??= text;
    else if (this.#metaFlag === 'g') this.#global = { ...this.#global, ...parsePax(body) };
    else this.#pax = { ...this.#pax, ...parsePax(body) };
  }

  #header(header: Buffer): void {
    if (header.every((byte) => byte === 0)) {
      this.#kind = 'end';
      return;
    }
    checkSum(header);
    const flag = String.fromCharCode(header[156]!);
    const size = numberAt(header, 124, 12);
    if (flag === 'x' || flag === 'g' || flag === 'L' || flag === 'K') {
      if (size > MAX_META) throw new Error('an extended tar header is too long');
      this.#metaFlag = flag;
      this.#begin('meta', size);
      return;
    }
    const pax = { ...this.#global, ...this.#pax };
    this.#pax = {};
    const number = (key: string, fallback: number) => (pax[key] === undefined ? fallback : Number(pax[key]));
    const prefix = header.toString('latin1', 257, 263) === 'ustar\0' ? textAt(header, 345, 155) : '';
    const own = textAt(header, 0, 100);
    const raw = pax.path ?? (prefix === '' ? own : `${prefix}/${own}`);
    if (Object.keys(pax).some((key) => key.startsWith('GNU.sparse.'))) throw new Error(`sparse tar member: ${raw}`);
    const known = Object.entries(FLAGS).find(([, value]) => value === (flag === '\0' || flag === '7' ? '0' : flag));
    if (!known) throw new Error(`unknown type ${JSON.stringify(flag)} of tar member ${raw}`);
    const type: TarType = known[0] === 'file' && raw.endsWith('/') ? 'directory' : (known[0] as TarType);
    const stored = type === 'file' ? number('size', size) : 0;
    if (!Number.isSafeInteger(stored) || stored < 0) throw new Error(`invalid size of tar member ${raw}`);
    this.#handler.entry({
      name: raw.replace(/(.)\/+$/, '$1'),
      type,
      mode: numberAt(header, 100, 8) & 0o7777,
      uid: number('uid', numberAt(header, 108, 8)),
      gid: number('gid', numberAt(header, 116, 8)),
      size: stored,
      mtime: number('mtime', numberAt(header, 136, 12)),
      linkName: pax.linkpath ?? textAt(header, 157, 100),
      devMajor: numberAt(header, 329, 8),
      devMinor: numberAt(header, 337, 8),
    });
    if (type === 'file') this.#begin('file', stored);
  }

  #begin(kind: 'meta' | 'file', size: number): void {
    this.#kind = kind;
    this.#left = size;
    this.#padding = (BLOCK - (size % BLOCK)) % BLOCK;
    if (size === 0) this.#contentDone();
  }
}

function textAt(header: Buffer, start: number, length: number): string {
  const end = header.indexOf(0, start);
  return header.toString('utf8', start, end < 0 || end > start + length ? start + length : end);
}

/** Octal text, or base 256 when the first bit is set (GNU tar, for what octal cannot hold). */
function numberAt(header: Buffer, start: number, length: number): number {
  if ((header[start]! & 0x80) !== 0) {
    let value = header[start]! & 0x3f;
    for (let index = start + 1; index < start + length; index++) value = value * 256 + header[index]!;
    return value;
  }
  const text = header
    .toString('latin1', start, start + length)
    .replace(/[\0 ]+$/, '')
    .trim();
  if (!/^[0-7]*$/.test(text)) throw new Error('a number in a tar header is not octal');
  return text === '' ? 0 : Number.parseInt(text, 8);
}

function checkSum(header: Buffer): void {
  let sum = 0;
  for (let index = 0; index < BLOCK; index++) sum += index >= 148 && index < 156 ? 32 : header[index]!;
  if (sum !== numberAt(header, 148, 8)) throw new Error('damaged tar header');
}

function parsePax(body: Buffer): Record<string, string> {
  const records: Record<string, string> = {};
  let at = 0;
  while (at < body.length && body[at] !== 0) {
    const space = body.indexOf(32, at);
    const length = Number(body.toString('latin1', at, space));
    if (space < 0 || !Number.isInteger(length) || length <= 0 || at + length > body.length) {
      throw new Error('damaged pax header');
    }
    const record = body.toString('utf8', space + 1, at + length - 1);
    const equals = record.indexOf('=');
    if (equals < 0) throw new Error('damaged pax header');
    records[record.slice(0, equals)] = record.slice(equals + 1);
    at += length;
  }
  return records;
}
