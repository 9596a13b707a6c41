/**
 * One member of a tar archive. Names and link targets are byte strings: each character stands for one byte (latin1), since
 * a file name is bytes and must come back as it went in. `toText` and `fromText` turn them into text and back.
 */

export type TarEntryType = 'file' | 'hardlink' | 'symlink' | 'char' | 'block' | 'directory' | 'fifo';

/** A piece of a sparse file that holds data; what lies between the pieces reads as zeros. */
export interface SparsePiece {
  offset: number;
  length: number;
}

export interface TarEntry {
  /** As in the archive: may be absolute, hold "..", end in "/". */
  name: string;
  type: TarEntryType;
  /** Permission bits with setuid, setgid and sticky (0o7777). */
  mode: number;
  uid: number;
  gid: number;
  uname: string;
  gname: string;
  /** Length of the file in bytes, holes included; 0 for all but files. */
  size: number;
  /** Seconds since the epoch, rounded down, and the nanoseconds above them. */
  mtime: number;
  mtimeNs: number;
  linkName: string;
  devMajor: number;
  devMinor: number;
  xattrs: Map<string, Buffer>;
  /** Where the stored bytes belong, in order; null for a file without holes. */
  sparse: SparsePiece[] | null;
}

/** Archives with errors that no reading can repair: damaged, cut short, or made to do harm. */
export class TarError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'TarError';
  }
}

/** An entry with nothing but a name and a type, for writers to fill in. */
export function newEntry(name: string, type: TarEntryType): TarEntry {
  return {
    name,
    type,
    mode: type === 'directory' ? 0o755 : 0o644,
    uid: 0,
    gid: 0,
    uname: '',
    gname: '',
    size: 0,
    mtime: 0,
    mtimeNs: 0,
    linkName: '',
    devMajor: 0,
    devMinor: 0,
    xattrs: new Map(),
    sparse: null,
  };
}

/** A byte string as bytes. */
export function toBytes(bytes: string): Buffer {
  return Buffer.from(bytes, 'latin1');
}

/** A byte string as text (bytes that are no UTF-8 become U+FFFD). */
export function toText(bytes: string): string {
  return toBytes(bytes).toString('utf8');
}

/** Text as a byte string. */
export function fromText(text: string): string {
  return Buffer.from(text, 'utf8').toString('latin1');
}
