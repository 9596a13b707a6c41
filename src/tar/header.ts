/**
 * The 512-byte header block: POSIX ustar (IEEE 1003.1, pax utility, "ustar Interchange Format") and GNU's variant of it
 * (GNU tar manual, "Basic Tar Format").
 */
import { type SparsePiece, TarError } from './entry.ts';

export const BLOCK = 512;

export interface RawHeader extends HeaderFields {
  /** Old GNU sparse members (typeflag S): the first pieces, whether extension blocks follow, and the real length. */
  oldSparse: { pieces: SparsePiece[]; extended: boolean; realSize: number } | null;
}

function text(block: Buffer, start: number, length: number): string {
  const end = block.indexOf(0, start);
  return block.toString('latin1', start, end < 0 || end > start + length ? start + length : end);
}

/** A number field: octal text, or base-256 big-endian two's complement when the first bit is set. Throws TarError. */
function parseNumber(block: Buffer, start: number, length: number): number {
  const first = block[start]!;
  if ((first & 0x80) !== 0) {
    const negative = (first & 0x40) !== 0;
    // Two's complement: start from the sign bits of the first byte, without the marker bit.
    let value = negative ? BigInt((first & 0x7f) - 0x80) : BigInt(first & 0x7f);
    for (let i = start + 1; i < start + length; i++) value = value * 256n + BigInt(block[i]!);
    const number = Number(value);
    if (!Number.isSafeInteger(number)) throw new TarError('a number in a tar header is out of range');
    return number;
  }
  let value = 0;
  let i = start;
  const end = start + length;
  while (i < end && (block[i] === 0x20 || block[i] === 0)) i++;
  for (; i < end; i++) {
    const byte = block[i]!;
    if (byte === 0 || byte === 0x20) break;
    if (byte < 0x30 || byte > 0x37) throw new TarError('a number in a tar header is not octal');
    value = value * 8 + (byte - 0x30);
  }
  return value;
}

export function isZeroBlock(block: Buffer): boolean {
  for (let i = 0; i < BLOCK; i++) if (block[i] !== 0) return false;
  return true;
}

/** The sum over the header with the checksum field read as blanks: unsigned as POSIX has it, signed as old tars computed it. */
function checksums(block: Buffer): { unsigned: number; signed: number } {
  let unsigned = 8 * 0x20;
  let high = 0;
  for (let i = 0; i < BLOCK; i++) {
    if (i === 148) i = 156;
    const byte = block[i]!;
    unsigned += byte;
    if (byte > 127) high++;
  }
  return { unsigned, signed: unsigned - 256 * high };
}

function sparsePieces(block: Buffer, start: number, count: number): SparsePiece[] {
  const pieces: SparsePiece[] = [];
  for (let i = 0; i < count; i++) {
    const at = start + 24 * i;
    if (block[at] === 0) break;
    pieces.push({ offset: parseNumber(block, at, 12), length: parseNumber(block, at + 12, 12) });
  }
  return pieces;
}

/** One extension block of an old GNU sparse member. */
export function parseSparseExtension(block: Buffer): { pieces: SparsePiece[]; extended: boolean } {
  return { pieces: sparsePieces(block, 0, 21), extended: block[504] !== 0 };
}

/** Throws TarError for a wrong checksum or a field that is no number. */
export function parseHeader(block: Buffer): RawHeader {
  const expected = parseNumber(block, 148, 8);
  const sum = checksums(block);
  if (expected !== sum.unsigned && expected !== sum.signed) throw new TarError('wrong checksum in a tar header');
  const magic = block.toString('latin1', 257, 265);
  const posix = magic.startsWith('ustar\0');
  const gnu = magic === 'ustar  \0';
  const typeflag = block[156] === 0 ? '0' : String.fromCharCode(block[156]!);
  let name = text(block, 0, 100);
  if (posix) {
    const prefix = text(block, 345, 155);
    if (prefix !== '') name = `${prefix}/${name}`;
  }
  const device = typeflag === '3' || typeflag === '4';
  return {
    name,
    typeflag,
    mode: parseNumber(block, 100, 8),
    uid: parseNumber(block, 108, 8),
    gid: parseNumber(block, 116, 8),
    size: parseNumber(block, 124, 12),
    mtime: parseNumber(block, 136, 12),
    linkName: text(block, 157, 100),
    uname: posix || gnu ? text(block, 265, 32) : '',
    gname: posix || gnu ? text(block, 297, 32) : '',
    devMajor: device ? parseNumber(block, 329, 8) : 0,
    devMinor: device ? parseNumber(block, 337, 8) : 0,
    oldSparse:
      typeflag === 'S'
        ? {
            pieces: sparsePieces(block, 386, 4),
            extended: block[482] !== 0,
            realSize: parseNumber(block, 483, 12),
          }
        : null,
  };
}

/** Writes octal digits with a trailing NUL; returns false when the number does not fit. */
function putOctal(block: Buffer, start: number, length: number, value: number): boolean {
  const digits = Math.trunc(value).toString(8);
  if (value < 0 || digits.length > length - 1) {
    block.write('0'.repeat(length - 1), start, 'latin1');
    return false;
  }
  block.write(digits.padStart(length - 1, '0'), start, 'latin1');
  return true;
}

/** Splits a name over the prefix and name fields, or returns null when no slash stands in a fit place. */
function splitName(name: string): { prefix: string; name: string } | null {
  if (name.length <= 100) return { prefix: '', name };
  if (name.length > 256) return null;
  // The rest after the slash must not be empty: a directory's own trailing slash is no place to split.
  const slash = name.lastIndexOf('/', Math.min(155, name.length - 2));
  if (slash <= 0 || name.length - slash - 1 > 100) return null;
  return { prefix: name.slice(0, slash), name: name.slice(slash + 1) };
}

export interface HeaderFields {
  name: string;
  typeflag: string;
  mode: number;
  uid: number;
  gid: number;
  size: number;
  mtime: number;
  linkName: string;
  uname: string;
  gname: string;
  devMajor: number;
  devMinor: number;
}

/** Encodes a ustar block; `misfits` names the fields that did not fit and need a pax record. */
export function encodeHeader(fields: HeaderFields): { block: Buffer; misfits: Set<keyof HeaderFields> } {
  const block = Buffer.alloc(BLOCK);
  const misfits = new Set<keyof HeaderFields>();
  // Bytes above 127 would be read in the reader's own character set; a pax record is UTF-8.
  const ascii = (value: string): boolean => !/[^ -~]/.test(value);
  const split = ascii(fields.name) ? splitName(fields.name) : null;
  if (split === null) misfits.add('name');
  block.write(split === null ? fields.name.slice(0, 100) : split.name, 0, 100, 'latin1');
  if (split !== null) block.write(split.prefix, 345, 155, 'latin1');
  const number = (
    key: 'mode' | 'uid' | 'gid' | 'size' | 'mtime' | 'devMajor' | 'devMinor',
    at: number,
    length: number,
  ) => {
    if (!putOctal(block, at, length, fields[key])) misfits.add(key);
  };
  number('mode', 100, 8);
  number('uid', 108, 8);
  number('gid', 116, 8);
  number('size', 124, 12);
  number('mtime', 136, 12);
  block.write(fields.typeflag, 156, 'latin1');
  if (fields.linkName.length > 100 || !ascii(fields.linkName)) misfits.add('linkName');
  block.write(fields.linkName.slice(0, 100), 157, 'latin1');
  block.write('ustar\x0000', 257, 'latin1');
  for (const [key, at] of [
    ['uname', 265],
    ['gname', 297],
  ] as const) {
    if (fields[key].length > 31 || !ascii(fields[key])) misfits.add(key);
    block.write(fields[key].slice(0, 31), at, 'latin1');
  }
  number('devMajor', 329, 8);
  number('devMinor', 337, 8);
  block.write(`${checksums(block).unsigned.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return { block, misfits };
}
