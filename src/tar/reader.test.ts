import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newEntry, type TarEntry, TarError } from './entry.ts';
import { BLOCK, encodeHeader } from './header.ts';
import { encodePax } from './pax.ts';
import { MAX_META_SIZE, TarReader } from './reader.ts';
import { END_OF_ARCHIVE, encodeEntry, paddingFor } from './writer.ts';

interface Read {
  entries: TarEntry[];
  /** Content of each file, holes filled. */
  contents: Buffer[];
  /** Everything that came out, in order. */
  all: Buffer;
}

/** Reads an archive that is given in pieces. */
function read(bytes: Buffer, piece = bytes.length): Read {
  const entries: TarEntry[] = [];
  const contents: Buffer[] = [];
  const all: Buffer[] = [];
  let content = Buffer.alloc(0);
  const reader = new TarReader({
    raw: (raw) => all.push(Buffer.from(raw)),
    entry: (entry) => {
      entries.push(entry);
      content = entry.type === 'file' ? Buffer.alloc(entry.size) : Buffer.alloc(0);
    },
    data: (data, offset) => {
      all.push(Buffer.from(data));
      data.copy(content, offset);
    },
    endOfFile: () => contents.push(content),
  });
  for (let at = 0; at < bytes.length; at += Math.max(1, piece)) reader.write(bytes.subarray(at, at + piece));
  reader.end();
  return { entries, contents, all: Buffer.concat(all) };
}

function member(fields: Partial<TarEntry> & { name: string }, content = ''): Buffer {
  const bytes = Buffer.from(content);
  const entry = { ...newEntry(fields.name, fields.type ?? 'file'), ...fields };
  if (entry.type === 'file') entry.size = bytes.length;
  return Buffer.concat([encodeEntry(entry), bytes, paddingFor(bytes.length)]);
}

/** A member made by hand: a header of any type and its data. */
function rawMember(typeflag: string, name: string, data: Buffer): Buffer {
  const fields = {
    name,
    typeflag,
    mode: 0o644,
    uid: 0,
    gid: 0,
    size: data.length,
    mtime: 0,
    linkName: '',
    uname: '',
    gname: '',
  };
  return Buffer.concat([encodeHeader({ ...fields, devMajor: 0, devMinor: 0 }).block, data, paddingFor(data.length)]);
}

const pax = (...records: [string, string][]): Buffer =>
  rawMember('x', 'pax', encodePax(records.map(([key, value]) => ({ key, value }))));

/** Rewrites a field of a header block and its checksum. */
function patch(block: Buffer, at: number, bytes: Buffer): Buffer {
  const copy = Buffer.from(block);
  bytes.copy(copy, at);
  copy.write('        ', 148, 'latin1');
  let sum = 0;
  for (let i = 0; i < BLOCK; i++) sum += copy[i]!;
  copy.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return copy;
}

test('what the writer writes, the reader reads, in pieces of any size and byte for byte', () => {
  const xattrs = new Map([['security.capability', Buffer.from([0, 1, 2, 0xff, 0x0a, 0x3d])]]);
  const archive = Buffer.concat([
    member({ name: 'dir/', type: 'directory', mode: 0o1777, mtime: 12 }),
    member(
      { name: 'dir/file', mode: 0o4755, uid: 5_000_000, gid: 7, mtime: -5, mtimeNs: 250_000_000, xattrs },
      'hello',
    ),
    member({ name: `${'p/'.repeat(70)}${'n'.repeat(120)}` }, 'x'.repeat(1024)),
    member({ name: `${'prefix/'.repeat(20)}fits-ustar` }),
    member({ name: 'm\xc3\xbcller', uname: 'm\xc3\xbcller' }),
    member({ name: 'soft', type: 'symlink', linkName: 't'.repeat(200) }),
    member({ name: 'hard', type: 'hardlink', linkName: 'dir/file' }),
    member({ name: 'char', type: 'char', devMajor: 10, devMinor: 200 }),
    member({ name: 'fifo', type: 'fifo' }),
    END_OF_ARCHIVE,
    Buffer.alloc(4096),
  ]);
  const whole = read(archive);
  assert.ok(whole.all.equals(archive));
  for (const piece of [1, 7, 511, 513, 4096]) {
    const parts = read(archive, piece);
    assert.ok(parts.all.equals(archive));
    assert.deepEqual(parts.entries, whole.entries);
  }
  const file = whole.entries[1]!;
  assert.deepEqual([file.uid, file.mtime, file.mtimeNs, file.mode], [5_000_000, -5, 250_000_000, 0o4755]);
  assert.deepEqual(file.xattrs, xattrs);
  assert.equal(whole.entries[2]!.name, `${'p/'.repeat(70)}${'n'.repeat(120)}`);
  assert.equal(whole.entries[3]!.name, `${'prefix/'.repeat(20)}fits-ustar`);
  assert.equal(whole.entries[4]!.uname, 'm\xc3\xbcller');
  assert.equal(whole.entries[5]!.linkName, 't'.repeat(200));
  assert.deepEqual([whole.entries[7]!.devMajor, whole.entries[7]!.devMinor], [10, 200]);
  assert.deepEqual(
    whole.entries.map((entry) => entry.type),
    ['directory', 'file', 'file', 'file', 'file', 'symlink', 'hardlink', 'char', 'fifo'],
  );
  assert.equal(whole.contents[0]!.toString(), 'hello');
});

test('an entry that fits has no pax header, so that its bytes are those of a plain ustar', () => {
  assert.equal(encodeEntry(newEntry('a', 'file')).length, BLOCK);
  assert.equal(encodeEntry({ ...newEntry('a', 'file'), mtimeNs: 1 }).length, 3 * BLOCK);
});

test('GNU long names and links', () => {
  const name = `${'long/'.repeat(100)}name`;
  const { entries } = read(
    Buffer.concat([
      rawMember('L', '././@LongLink', Buffer.from(`${name}\0`)),
      rawMember('K', '././@LongLink', Buffer.from(`${'t'.repeat(300)}\0`)),
      member({ name: 'short', type: 'symlink', linkName: 'short' }),
      member({ name: 'next' }),
    ]),
  );
  assert.deepEqual(
    entries.map((entry) => [entry.name, entry.linkName]),
    [
      [name, 't'.repeat(300)],
      ['next', ''],
    ],
  );
});

test('numbers in base 256, also negative', () => {
  const size = Buffer.alloc(12);
  size[0] = 0x80;
  size.writeUIntBE(3, 6, 6);
  const mtime = Buffer.alloc(12, 0xff);
  const block = patch(patch(encodeEntry(newEntry('a', 'file')), 124, size), 136, mtime);
  const { entries, contents } = read(Buffer.concat([block, Buffer.from('abc'), paddingFor(3)]));
  assert.equal(contents[0]!.toString(), 'abc');
  assert.equal(entries[0]!.mtime, -1);
});

test('a global pax header counts for all members after it, but names none of them', () => {
  const global = rawMember(
    'g',
    'g',
    encodePax([
      { key: 'uid', value: '77' },
      { key: 'path', value: '/etc/passwd' },
    ]),
  );
  const { entries } = read(Buffer.concat([global, member({ name: 'a' }), pax(['uid', '5']), member({ name: 'b' })]));
  assert.deepEqual(
    entries.map((entry) => [entry.name, entry.uid]),
    [
      ['a', 77],
      ['b', 5],
    ],
  );
});

test('a size in a pax record overrides the header', () => {
  const data = Buffer.from('content');
  const header = encodeEntry({ ...newEntry('big', 'file'), size: 0 });
  const { contents } = read(Buffer.concat([pax(['size', '7']), header, data, paddingFor(7)]));
  assert.equal(contents[0]!.toString(), 'content');
});

test('links and directories have no content, whatever their size field says', () => {
  const block = patch(encodeEntry(newEntry('l', 'hardlink')), 124, Buffer.from('00000001000\0'));
  const { entries } = read(Buffer.concat([block, member({ name: 'after' })]));
  assert.deepEqual(
    entries.map((entry) => entry.name),
    ['l', 'after'],
  );
});

test('an archive may end without its two zero blocks, and be empty', () => {
  assert.equal(read(member({ name: 'a' }, 'x')).entries.length, 1);
  assert.equal(read(Buffer.alloc(0)).entries.length, 0);
  assert.equal(read(END_OF_ARCHIVE).entries.length, 0);
});

test('damaged archives are refused', () => {
  const good = Buffer.concat([pax(['mtime', '1.5']), member({ name: 'a' }, 'x'.repeat(700)), END_OF_ARCHIVE]);
  const sparse = (map: string, size: string, stored: string): Buffer =>
    Buffer.concat([pax(['GNU.sparse.map', map], ['GNU.sparse.size', size]), member({ name: 's' }, stored)]);
  const cases: Record<string, Buffer> = {
    'cut in a header': good.subarray(0, 100),
    'cut in a pax header': good.subarray(0, 515),
    'cut after a pax header': good.subarray(0, 1024),
    'cut in content': good.subarray(0, 1600),
    'cut in padding': good.subarray(0, 2300),
    'zero block within': Buffer.concat([Buffer.alloc(BLOCK), good]),
    'no octal number': patch(encodeEntry(newEntry('a', 'file')), 124, Buffer.from('999')),
    'number out of range': patch(
      encodeEntry(newEntry('a', 'file')),
      124,
      Buffer.concat([Buffer.from([0x80]), Buffer.alloc(11, 0x7f)]),
    ),
    'negative size': patch(encodeEntry(newEntry('a', 'file')), 124, Buffer.alloc(12, 0xff)),
    'negative size in pax': Buffer.concat([pax(['size', '-1']), member({ name: 'a' })]),
    'NUL in a name': Buffer.concat([pax(['path', 'a\0b']), member({ name: 'a' })]),
    'unknown type': rawMember('M', 'a', Buffer.alloc(0)),
    'huge pax header': patch(encodeEntry(newEntry('a', 'file')), 124, Buffer.from('77777777777')).fill('x', 156, 157),
    'pax without an end': rawMember('x', 'p', Buffer.from('10 a=bcdefg')),
    'pax with a wrong length': rawMember('x', 'p', Buffer.from('99 a=b\n')),
    'pax with no key': rawMember('x', 'p', Buffer.from('5 =b\n')),
    'sparse pieces over each other': sparse('0,5,3,5', '20', 'x'.repeat(10)),
    'sparse piece beyond the end': sparse('0,5,18,5', '20', 'x'.repeat(10)),
    'sparse map that is too long for the content': sparse('0,5,10,6', '20', 'x'.repeat(10)),
    'sparse map of odd length': sparse('0,5,10', '20', 'x'.repeat(5)),
  };
  for (const [name, bytes] of Object.entries(cases)) assert.throws(() => read(bytes), TarError, name);
  assert.ok(MAX_META_SIZE < 0o77777777777);
});

test('sparse members of pax format 0.1 have their holes', () => {
  const { entries, contents } = read(
    Buffer.concat([
      pax(['GNU.sparse.map', '2,3,8,2'], ['GNU.sparse.size', '12'], ['GNU.sparse.name', 'real']),
      member({ name: 'GNUSparseFile.0/real' }, 'abcde'),
    ]),
    3,
  );
  assert.equal(entries[0]!.name, 'real');
  assert.equal(contents[0]!.toString('latin1'), '\0\0abc\0\0\0de\0\0');
});

/** A small generator with a seed, so that a failure can be repeated. */
function random(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

test('no damage makes it hang, or fail with anything but TarError', () => {
  const good = Buffer.concat([
    pax(['path', 'x'.repeat(300)], ['SCHILY.xattr.user.a', 'b']),
    member({ name: 'a' }, 'x'.repeat(3000)),
    rawMember('L', '././@LongLink', Buffer.from('name\0')),
    member({ name: 'd/', type: 'directory' }),
    pax(['GNU.sparse.major', '1'], ['GNU.sparse.minor', '0'], ['GNU.sparse.realsize', '4096']),
    rawMember('0', 's', Buffer.concat([Buffer.from('1\n100\n50\n'.padEnd(512, '\0')), Buffer.alloc(50, 'y')])),
    END_OF_ARCHIVE,
  ]);
  assert.equal(read(good).entries.length, 3);
  const next = random(42);
  let refused = 0;
  for (let round = 0; round < 20_000; round++) {
    let bytes = Buffer.from(good);
    // Half of the rounds repair the checksums, so that the damage gets past them.
    for (let i = 0; i < 1 + next() * 4; i++) bytes[Math.floor(next() * bytes.length)] = Math.floor(next() * 256);
    if (next() < 0.5) {
      for (let at = 0; at + BLOCK <= bytes.length; at += BLOCK) {
        if (bytes.toString('latin1', at + 257, at + 262) === 'ustar') {
          patch(bytes.subarray(at, at + BLOCK), 0, Buffer.alloc(0)).copy(bytes, at);
        }
      }
    }
    if (next() < 0.3) bytes = bytes.subarray(0, Math.floor(next() * bytes.length));
    let content = 0;
    const reader = new TarReader({
      entry: (entry) => assert.ok(entry.size >= 0 && !entry.name.includes('\0')),
      data: (data, offset) => {
        assert.ok(Number.isSafeInteger(offset) && offset >= 0 && data.length > 0);
        content += data.length;
      },
    });
    try {
      for (let at = 0; at < bytes.length; at += 600) reader.write(bytes.subarray(at, at + 600));
      reader.end();
    } catch (error) {
      if (!(error instanceof TarError)) throw error;
      refused++;
    }
    assert.ok(content <= bytes.length);
  }
  assert.ok(refused > 5_000);
});
