/**
 * GNU's sparse members (GNU tar manual, "Storing Sparse Files"): the old format with its map in the header, and the pax
 * formats 0.0 (repeated records), 0.1 (one record) and 1.0 (map in front of the content).
 */
import { type SparsePiece, TarError } from './entry.ts';
import { type PaxRecord, paxInteger } from './pax.ts';

/** More pieces than this in one file are taken for an attack: at 24 bytes of map a piece this is a map of 24 MB. */
export const MAX_SPARSE_PIECES = 1_000_000;

/** Throws TarError unless the pieces are in order, lie within the file and add up to the bytes stored. */
export function checkSparse(pieces: readonly SparsePiece[], realSize: number, storedSize: number): void {
  let end = 0;
  let total = 0;
  for (const { offset, length } of pieces) {
    if (offset < end || length < 0 || !Number.isSafeInteger(offset + length) || offset + length > realSize) {
      throw new TarError('damaged sparse map');
    }
    end = offset + length;
    total += length;
  }
  if (total !== storedSize) throw new TarError('a sparse map does not fit its content');
}

/** The map of the pax formats 0.0 and 0.1, or null when the records hold none. Throws TarError. */
export function sparseFromPax(records: readonly PaxRecord[]): SparsePiece[] | null {
  const numbers: string[] = [];
  let found = false;
  for (const { key, value } of records) {
    if (key === 'GNU.sparse.map') {
      found = true;
      numbers.length = 0;
      if (value !== '') for (const number of value.split(',')) numbers.push(number);
    } else if (key === 'GNU.sparse.offset' || key === 'GNU.sparse.numbytes') {
      found = true;
      if ((numbers.length % 2 === 0) !== (key === 'GNU.sparse.offset')) throw new TarError('damaged sparse map');
      numbers.push(value);
    }
  }
  if (!found) return null;
  if (numbers.length % 2 !== 0 || numbers.length > 2 * MAX_SPARSE_PIECES) throw new TarError('damaged sparse map');
  const pieces: SparsePiece[] = [];
  for (let i = 0; i < numbers.length; i += 2) {
    pieces.push({ offset: paxInteger('GNU.sparse', numbers[i]!), length: paxInteger('GNU.sparse', numbers[i + 1]!) });
  }
  return pieces;
}

/**
 * Reads the map of format 1.0, which comes as decimal lines (count, then offset and length of each piece) in whole blocks.
 * Feed blocks until it says that it is done.
 */
export class SparseMapReader {
  #rest = '';
  #count = -1;
  #numbers: number[] = [];

  /** Takes one block; true when the map is complete. Throws TarError. */
  feed(block: Buffer): boolean {
    const lines = (this.#rest + block.toString('latin1')).split('\n');
    this.#rest = lines.pop() as string;
    for (const line of lines) {
      if (!/^[0-9]{1,16}$/.test(line)) throw new TarError('damaged sparse map');
      if (this.#count < 0) {
        this.#count = Number(line);
        if (this.#count > MAX_SPARSE_PIECES) throw new TarError('a sparse map is too long');
      } else {
        this.#numbers.push(Number(line));
      }
      if (this.#numbers.length === 2 * this.#count) return true;
    }
    if (this.#rest.length > 16 && this.#rest.charCodeAt(0) !== 0) throw new TarError('damaged sparse map');
    return false;
  }

  get pieces(): SparsePiece[] {
    const pieces: SparsePiece[] = [];
    for (let i = 0; i < this.#numbers.length; i += 2) {
      pieces.push({ offset: this.#numbers[i]!, length: this.#numbers[i + 1]! });
    }
    return pieces;
  }
}
