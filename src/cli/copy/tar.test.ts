import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, beforeEach, test } from 'node:test';
import { pack } from './pack.ts';
import { END_OF_ARCHIVE, encodeEntry, paddingFor, type TarEntry } from './tar.ts';
import { unpack } from './unpack.ts';

const scratch = mkdtempSync(`${tmpdir()}/gantry-tar-`);
after(() => rmSync(scratch, { recursive: true }));
const from = `${scratch}/from`;
const to = `${scratch}/to`;
beforeEach(() => {
  rmSync(from, { recursive: true, force: true });
  rmSync(to, { recursive: true, force: true });
  mkdirSync(from);
  mkdirSync(to);
});

async function* pieces(bytes: Buffer, size: number): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

function entry(name: string, more: Partial<TarEntry> = {}): TarEntry {
  const plain = { mode: 0o644, uid: 0, gid: 0, size: 0, mtime: 0, linkName: '', devMajor: 0, devMinor: 0 };
  return { name, type: 'file', ...plain, ...more };
}

function fill(): void {
  mkdirSync(`${from}/sub`);
  writeFileSync(`${from}/a`, 'content');
  writeFileSync(`${from}/sub/empty`, '');
  linkSync(`${from}/a`, `${from}/b`);
  symlinkSync('a', `${from}/link`);
  const long = `${from}/${'x'.repeat(90)}/${'y'.repeat(90)}`;
  mkdirSync(long, { recursive: true });
  writeFileSync(`${long}/\u00e4`, 'deep');
  chmodSync(`${from}/a`, 0o4751);
  utimesSync(`${from}/a`, 1234567890.5, 1234567890.5);
  chmodSync(`${from}/sub`, 0o555);
}

test('what is packed comes back the same, whatever the size of the pieces', async () => {
  fill();
  const archive = Buffer.concat([...pack(from, 'tree')]);
  for (const size of [1, 511, 512, 513, 1 << 20]) {
    rmSync(to, { recursive: true, force: true });
    mkdirSync(to);
    await unpack(pieces(archive, size), { directory: to, rename: { from: 'tree', to: 'new' } });
    assert.equal(readFileSync(`${to}/new/a`, 'utf8'), 'content');
    assert.equal(statSync(`${to}/new/a`).mode & 0o7777, 0o4751);
    assert.equal(statSync(`${to}/new/a`).mtimeMs, 1234567890500);
    assert.equal(statSync(`${to}/new/a`).ino, statSync(`${to}/new/b`).ino);
    assert.equal(statSync(`${to}/new/sub`).mode & 0o7777, 0o555);
    assert.equal(readlinkSync(`${to}/new/link`), 'a');
    assert.equal(readFileSync(`${to}/new/${'x'.repeat(90)}/${'y'.repeat(90)}/\u00e4`, 'utf8'), 'deep');
  }
});

test('GNU tar reads it, and its archives are read', async () => {
  fill();
  const archive = Buffer.concat([...pack(from, 'tree')]);
  const listed = spawnSync('tar', ['-tv'], { input: archive, encoding: 'utf8' });
  assert.equal(listed.stderr, '');
  assert.match(listed.stdout, /tree\/b link to tree\/a/);
  for (const format of ['gnu', 'pax', 'ustar']) {
    rmSync(to, { recursive: true, force: true });
    mkdirSync(to);
    const theirs = spawnSync('tar', ['-C', from, `--format=${format}`, '-c', '.']).stdout;
    await unpack(pieces(theirs, 1000), { directory: to, rename: undefined });
    assert.equal(readFileSync(`${to}/${'x'.repeat(90)}/${'y'.repeat(90)}/\u00e4`, 'utf8'), 'deep', format);
  }
});

test('an archive cannot leave the directory', async () => {
  const outside = `${scratch}/outside`;
  const file = (name: string) =>
    Buffer.concat([encodeEntry(entry(name, { size: 1 })), Buffer.from('x'), paddingFor(1)]);
  const link = (name: string, target: string) => encodeEntry(entry(name, { type: 'symlink', linkName: target }));
  const attacks: Buffer[][] = [
    [file('../outside')],
    [file('a/../../outside')],
    [link('l', '..'), file('l/outside')],
    [link('l', scratch), encodeEntry(entry('l/outside', { type: 'directory' }))],
    [encodeEntry(entry('h', { type: 'hardlink', linkName: '../secret' }))],
    [link('l', scratch), encodeEntry(entry('h', { type: 'hardlink', linkName: 'l/secret' }))],
  ];
  writeFileSync(`${scratch}/secret`, 'secret');
  for (const [index, attack] of attacks.entries()) {
    rmSync(to, { recursive: true, force: true });
    mkdirSync(to);
    const archive = Buffer.concat([...attack, END_OF_ARCHIVE]);
    await assert.rejects(unpack(pieces(archive, 4096), { directory: to, rename: undefined }), `attack ${index}`);
    assert.equal(existsSync(outside), false, `attack ${index}`);
    assert.equal(existsSync(path.join(to, 'h')), false, `attack ${index}`);
  }
});

test('a link in the place of a file is replaced, not written through', async () => {
  writeFileSync(`${scratch}/secret`, 'secret');
  symlinkSync(`${scratch}/secret`, `${to}/f`);
  const archive = Buffer.concat([
    encodeEntry(entry('f', { size: 3 })),
    Buffer.from('new'),
    paddingFor(3),
    END_OF_ARCHIVE,
  ]);
  await unpack(pieces(archive, 4096), { directory: to, rename: undefined });
  assert.equal(readFileSync(`${scratch}/secret`, 'utf8'), 'secret');
  assert.equal(readFileSync(`${to}/f`, 'utf8'), 'new');
});

test('damage is noticed', async () => {
  writeFileSync(`${from}/a`, 'content');
  const archive = Buffer.concat([...pack(from, 'tree')]);
  const plan = { directory: to, rename: undefined };
  await assert.rejects(unpack(pieces(archive.subarray(0, 1200), 512), plan), /unexpected end of the archive/);
  const broken = Buffer.from(archive);
  broken[3]! ^= 1;
  await assert.rejects(unpack(pieces(broken, 512), plan), /damaged tar header/);
});
