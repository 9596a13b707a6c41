/**
 * Writes tar members. The output follows from the entry alone: ustar where all fits, else with a pax header in front, as Go's
 * archive/tar and so Docker does. No time, user or host name of the writing process goes in.
 */
import type { SparsePiece, TarEntry, TarEntryType } from './entry.ts';
import { BLOCK, encodeHeader, type HeaderFields } from './header.ts';
import { encodePax, formatPaxTime, type PaxRecord } from './pax.ts';

const TYPEFLAGS: Record<TarEntryType, string> = {
  file: '0',
  hardlink: '1',
  symlink: '2',
  char: '3',
  block: '4',
  directory: '5',
  fifo: '6',
};

/** Two zero blocks end an archive. */
export const END_OF_ARCHIVE = Buffer.alloc(2 * BLOCK);

const ZEROS = Buffer.alloc(BLOCK);

/** The zeros that fill up the last block of `size` bytes of content. */
export function paddingFor(size: number): Buffer {
  return ZEROS.subarray(0, (BLOCK - (size % BLOCK)) % BLOCK);
}

const PAX_KEYS = [
  ['name', 'path'],
  ['linkName', 'linkpath'],
  ['size', 'size'],
  ['uid', 'uid'],
  ['gid', 'gid'],
  ['uname', 'uname'],
  ['gname', 'gname'],
] as const;

/** A whole file: header, content, padding. */
export function encodeFile(entry: TarEntry, content: Buffer): Buffer {
  return Buffer.concat([encodeEntry({ ...entry, size: content.length }), content, paddingFor(content.length)]);
}

/**
 * Header and map of a file with holes, as GNU tar writes it (sparse format 1.0, pax): the bytes of the pieces must follow, one behind the
 * other, and `paddingFor` them all. Programs that do not know the format get the map and the pieces as a file `GNUSparseFile.0/<name>`.
 */
export function encodeSparse(entry: TarEntry, pieces: readonly SparsePiece[]): Buffer {
  const text = [pieces.length, ...pieces.flatMap(({ offset, length }) => [offset, length])].join('\n');
  const map = Buffer.from(`${text}\n`);
  const data = pieces.reduce((sum, { length }) => sum + length, 0);
  const slash = entry.name.lastIndexOf('/') + 1;
  const stored = {
    ...entry,
    name: `${entry.name.slice(0, slash)}GNUSparseFile.0/${entry.name.slice(slash)}`,
    size: map.length + paddingFor(map.length).length + data,
  };
  const records = [
    { key: 'GNU.sparse.major', value: '1' },
    { key: 'GNU.sparse.minor', value: '0' },
    { key: 'GNU.sparse.name', value: entry.name },
    { key: 'GNU.sparse.realsize', value: String(entry.size) },
  ];
  return Buffer.concat([encodeEntry(stored, records), map, paddingFor(map.length)]);
}

/**
 * The header block or blocks of an entry. Content of `entry.size` bytes and `paddingFor(size)` must follow for files. `more`: pax records
 * beside those that the entry needs.
 */
export function encodeEntry(entry: TarEntry, more: readonly PaxRecord[] = []): Buffer {
  const fields: HeaderFields = {
    name: entry.type === 'directory' && !entry.name.endsWith('/') ? `${entry.name}/` : entry.name,
    typeflag: TYPEFLAGS[entry.type],
    mode: entry.mode & 0o7777,
    uid: entry.uid,
    gid: entry.gid,
    size: entry.type === 'file' ? entry.size : 0,
    mtime: entry.mtime,
    linkName: entry.linkName,
    uname: entry.uname,
    gname: entry.gname,
    devMajor: entry.devMajor,
    devMinor: entry.devMinor,
  };
  const { block, misfits } = encodeHeader(fields);
  const records: PaxRecord[] = [...more];
  for (const [field, key] of PAX_KEYS) {
    if (misfits.has(field)) records.push({ key, value: String(fields[field]) });
  }
  if (misfits.has('mtime') || entry.mtimeNs !== 0) {
    records.push({ key: 'mtime', value: formatPaxTime(entry.mtime, entry.mtimeNs) });
  }
  for (const [name, value] of entry.xattrs) {
    records.push({ key: `SCHILY.xattr.${name}`, value: value.toString('latin1') });
  }
  if (records.length === 0) return block;
  records.sort((a, b) => (a.key < b.key ? -1 : 1));
  const slash = entry.name.replace(/\/+$/, '').lastIndexOf('/');
  const base = entry.name
    .slice(slash + 1)
    .replace(/[^\x20-\x7e]/g, '_')
    .replace(/\/+$/, '');
  // The name is for tars that know no pax and would extract the records as a file.
  return Buffer.concat([encodeRecords('x', `PaxHeaders.0/${base}`.slice(0, 100), records), block]);
}

/** A member that is pax records: of the entry behind it ("x"), or of the whole archive ("g"). */
export function encodeRecords(typeflag: 'x' | 'g', name: string, records: readonly PaxRecord[]): Buffer {
  const data = encodePax(records);
  const { block } = encodeHeader({
    name,
    typeflag,
    mode: 0,
    uid: 0,
    gid: 0,
    size: data.length,
    mtime: 0,
    linkName: '',
    uname: '',
    gname: '',
    devMajor: 0,
    devMinor: 0,
  });
  return Buffer.concat([block, data, paddingFor(data.length)]);
}
