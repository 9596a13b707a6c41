/**
 * Reads a tar archive that is pushed in chunk by chunk. What it hands out, put together in order of the calls (`raw` and
 * `data`), is the archive again byte for byte: this is how the layer store records an archive beside its unpacked files.
 */
import { type SparsePiece, type TarEntry, type TarEntryType, TarError } from './entry.ts';
import { BLOCK, isZeroBlock, parseHeader, parseSparseExtension, type RawHeader } from './header.ts';
import { type PaxRecord, parsePax, paxInteger, paxTime } from './pax.ts';
import { checkSparse, MAX_SPARSE_PIECES, SparseMapReader, sparseFromPax } from './sparse.ts';

/** Longest pax or GNU long-name member; Go's archive/tar has the same bound. A path is at most 4 KB, an attribute 64 KB. */
export const MAX_META_SIZE = 1 << 20;

/** Bytes after the end-of-archive blocks. Tars pad to a record of 10 KB as a rule; this much is no padding any more. */
const MAX_TRAILER = 64 << 20;

export interface TarHandler {
  /** Bytes that are no file content: headers, padding, the trailer. Valid during the call only. */
  raw?(bytes: Buffer): void;
  entry(entry: TarEntry): void;
  /** Content of the current file, with its offset in the file. Valid during the call only. */
  data?(bytes: Buffer, offset: number): void;
  /** All content of the current file has come. Called for files only. */
  endOfFile?(): void;
}

type State = 'header' | 'meta' | 'sparse-extension' | 'sparse-map' | 'data' | 'skip' | 'trailer';

const TYPES: Record<string, TarEntryType | undefined> = {
  '0': 'file',
  '7': 'file',
  S: 'file',
  '1': 'hardlink',
  '2': 'symlink',
  '3': 'char',
  '4': 'block',
  '5': 'directory',
  D: 'directory',
  '6': 'fifo',
};

/** Metadata members that describe the member after them. */
const META = 'xgLK';

export class TarReader {
  readonly #handler: TarHandler;
  #state: State = 'header';
  /** A block that came only in part. */
  readonly #block = Buffer.alloc(BLOCK);
  #blockFill = 0;
  #zeroBlocks = 0;

  #metaType = '';
  #metaParts: Buffer[] = [];
  #metaLeft = 0;
  #local: PaxRecord[] = [];
  readonly #global = new Map<string, string>();
  #longName: string | null = null;
  #longLink: string | null = null;

  #entry: TarEntry | null = null;
  #header: RawHeader | null = null;
  #map: SparseMapReader | null = null;
  /** Stored bytes of the current member that are still to come, and the padding after them. */
  #left = 0;
  #padding = 0;
  #offset = 0;
  #pieces: SparsePiece[] | null = null;
  #piece = 0;
  #trailer = 0;

  constructor(handler: TarHandler) {
    this.#handler = handler;
  }

  /** Takes the next bytes. Throws TarError; what the handler throws comes through. */
  write(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) {
      switch (this.#state) {
        case 'header':
        case 'sparse-extension':
        case 'sparse-map': {
          let block: Buffer;
          if (this.#blockFill === 0 && chunk.length - at >= BLOCK) {
            block = chunk.subarray(at, at + BLOCK);
            at += BLOCK;
          } else {
            const taken = Math.min(BLOCK - this.#blockFill, chunk.length - at);
            chunk.copy(this.#block, this.#blockFill, at, at + taken);
            at += taken;
            this.#blockFill += taken;
            if (this.#blockFill < BLOCK) return;
            this.#blockFill = 0;
            block = this.#block;
          }
          this.#handler.raw?.(block);
          if (this.#state === 'header') this.#onHeader(block);
          else if (this.#state === 'sparse-extension') this.#onExtension(block);
          else this.#onMap(block);
          break;
        }
        case 'meta': {
          const part = chunk.subarray(at, at + this.#metaLeft);
          at += part.length;
          this.#metaLeft -= part.length;
          this.#handler.raw?.(part);
          this.#metaParts.push(Buffer.from(part));
          if (this.#metaLeft === 0) this.#onMeta();
          break;
        }
        case 'data':
          at += this.#onData(chunk, at);
          break;
        case 'skip': {
          const part = chunk.subarray(at, at + this.#left);
          at += part.length;
          this.#left -= part.length;
          this.#handler.raw?.(part);
          if (this.#left === 0) this.#state = 'header';
          break;
        }
        case 'trailer': {
          const rest = chunk.subarray(at);
          this.#trailer += rest.length;
          if (this.#trailer > MAX_TRAILER) throw new TarError('too many bytes after the end of the archive');
          this.#handler.raw?.(rest);
          return;
        }
      }
    }
  }

  /** No more bytes come. Throws TarError when the archive stops within a member. */
  end(): void {
    const between = this.#state === 'header' && this.#blockFill === 0;
    const pending = this.#local.length > 0 || this.#longName !== null || this.#longLink !== null;
    if (this.#state !== 'trailer' && (!between || pending)) throw new TarError('unexpected end of the archive');
  }

  #onHeader(block: Buffer): void {
    if (isZeroBlock(block)) {
      if (++this.#zeroBlocks === 2) this.#state = 'trailer';
      return;
    }
    if (this.#zeroBlocks > 0) throw new TarError('damaged tar: a zero block before the end');
    const header = parseHeader(block);
    if (header.size < 0) throw new TarError('a negative size in a tar header');
    if (META.includes(header.typeflag)) {
      if (header.size > MAX_META_SIZE) throw new TarError('an extended tar header is too long');
      this.#metaType = header.typeflag;
      this.#metaParts = [];
      this.#metaLeft = header.size;
      this.#state = 'meta';
      this.#padding = (BLOCK - (header.size % BLOCK)) % BLOCK;
      if (header.size === 0) this.#onMeta();
      return;
    }
    if (header.typeflag === 'V') {
      // GNU volume label: a name for the whole archive, no file.
      this.#skip(header.size);
      return;
    }
    const entry = this.#build(header);
    this.#header = header;
    this.#entry = entry;
    if (header.oldSparse?.extended === true) this.#state = 'sparse-extension';
    else if (this.#map !== null) this.#state = 'sparse-map';
    else this.#start();
  }

  #skip(size: number): void {
    this.#left = size + ((BLOCK - (size % BLOCK)) % BLOCK);
    this.#state = this.#left === 0 ? 'header' : 'skip';
  }

  #onMeta(): void {
    const data = Buffer.concat(this.#metaParts);
    this.#metaParts = [];
    const nul = data.indexOf(0);
    const name = data.toString('latin1', 0, nul < 0 ? data.length : nul);
    if (this.#metaType === 'L') this.#longName = name;
    else if (this.#metaType === 'K') this.#longLink = name;
    else if (this.#metaType === 'x') this.#local = parsePax(data);
    else
      for (const { key, value } of parsePax(data)) {
        if (value === '') this.#global.delete(key);
        else this.#global.set(key, value);
        if (this.#global.size > 1000) throw new TarError('too many global pax records');
      }
    this.#left = this.#padding;
    this.#state = this.#left === 0 ? 'header' : 'skip';
  }

  /** Puts the entry together from its header block and the extended headers before it. */
  #build(header: RawHeader): TarEntry {
    const pax = new Map<string, string>();
    const xattrs = new Map<string, Buffer>();
    for (const [key, value] of this.#global) {
      // These name one file each: in a global header they can only do harm.
      if (key !== 'path' && key !== 'linkpath' && key !== 'size' && !key.startsWith('GNU.sparse.')) pax.set(key, value);
    }
    for (const { key, value } of this.#local) pax.set(key, value);
    const local = this.#local;
    this.#local = [];
    const get = (key: string): string | undefined => pax.get(key) || undefined;
    for (const [key, value] of pax) {
      if (key.startsWith('SCHILY.xattr.')) xattrs.set(key.slice(13), Buffer.from(value, 'latin1'));
    }
    const integer = (key: string, fallback: number): number => {
      const value = get(key);
      return value === undefined ? fallback : paxInteger(key, value);
    };

    let name = get('path') ?? this.#longName ?? header.name;
    const linkName = get('linkpath') ?? this.#longLink ?? header.linkName;
    this.#longName = null;
    this.#longLink = null;
    let type = TYPES[header.typeflag];
    if (type === undefined) throw new TarError(`unknown type ${JSON.stringify(header.typeflag)} of tar member ${name}`);
    // Before POSIX, a directory was a file whose name ends in a slash.
    if (header.typeflag === '0' && name.endsWith('/')) type = 'directory';
    let stored = integer('size', header.size);
    let size = stored;
    let sparse: SparsePiece[] | null = null;
    this.#map = null;
    if (type === 'file') {
      if (header.oldSparse !== null) {
        sparse = header.oldSparse.pieces;
        size = header.oldSparse.realSize;
      } else if (get('GNU.sparse.major') === '1' && get('GNU.sparse.minor') === '0') {
        this.#map = new SparseMapReader();
        size = integer('GNU.sparse.realsize', size);
      } else {
        sparse = sparseFromPax(local);
        if (sparse !== null) size = integer('GNU.sparse.size', integer('GNU.sparse.realsize', size));
      }
      if (sparse !== null || this.#map !== null) name = get('GNU.sparse.name') ?? name;
    } else {
      size = 0;
      // Links, devices and directories have no content, whatever their size field says (a GNU dump directory has a list).
      if (header.typeflag !== 'D') stored = 0;
    }
    if (name.includes('\0') || linkName.includes('\0')) throw new TarError('a name in a tar holds a NUL byte');
    if (stored < 0 || size < 0) throw new TarError(`negative size of tar member ${name}`);
    const time = get('mtime') === undefined ? null : paxTime('mtime', get('mtime')!);
    this.#left = stored;
    this.#padding = (BLOCK - (stored % BLOCK)) % BLOCK;
    return {
      name,
      type,
      mode: header.mode & 0o7777,
      uid: integer('uid', header.uid),
      gid: integer('gid', header.gid),
      uname: get('uname') ?? header.uname,
      gname: get('gname') ?? header.gname,
      size,
      mtime: time?.seconds ?? header.mtime,
      mtimeNs: time?.nanoseconds ?? 0,
      linkName,
      devMajor: header.devMajor,
      devMinor: header.devMinor,
      xattrs,
      sparse,
    };
  }

  #onExtension(block: Buffer): void {
    const { pieces, extended } = parseSparseExtension(block);
    const all = this.#entry!.sparse!;
    for (const piece of pieces) all.push(piece);
    if (all.length > MAX_SPARSE_PIECES) throw new TarError('a sparse map is too long');
    if (!extended) this.#start();
  }

  #onMap(block: Buffer): void {
    this.#left -= BLOCK;
    if (this.#left < 0) throw new TarError('a sparse map is longer than its member');
    if (this.#map!.feed(block)) {
      this.#entry!.sparse = this.#map!.pieces;
      this.#start();
    }
  }

  /** Everything about the member is known: hand it out and turn to its content. */
  #start(): void {
    const entry = this.#entry!;
    const stored = this.#left;
    if (entry.sparse !== null) checkSparse(entry.sparse, entry.size, stored);
    this.#map = null;
    this.#handler.entry(entry);
    if (entry.type !== 'file') {
      this.#skip(this.#header!.typeflag === 'D' ? stored : 0);
      return;
    }
    this.#pieces = entry.sparse;
    this.#piece = 0;
    this.#offset = 0;
    if (stored === 0) this.#finish();
    else this.#state = 'data';
  }

  /** Hands out content from `at`, never over the border of a sparse piece; returns how many bytes it took. */
  #onData(chunk: Buffer, at: number): number {
    let length = Math.min(this.#left, chunk.length - at);
    let offset = this.#offset;
    if (this.#pieces !== null) {
      let piece = this.#pieces[this.#piece]!;
      while (this.#offset === piece.length) {
        piece = this.#pieces[++this.#piece]!;
        this.#offset = 0;
      }
      length = Math.min(length, piece.length - this.#offset);
      offset = piece.offset + this.#offset;
    }
    this.#handler.data?.(chunk.subarray(at, at + length), offset);
    this.#offset += length;
    this.#left -= length;
    if (this.#left === 0) this.#finish();
    return length;
  }

  #finish(): void {
    this.#handler.endOfFile?.();
    this.#left = this.#padding;
    this.#state = this.#left === 0 ? 'header' : 'skip';
  }
}
