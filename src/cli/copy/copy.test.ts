import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  existsSync,
  ftruncateSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, beforeEach, test } from 'node:test';
import { newEntry, type TarEntryType } from '../../tar/entry.ts';
import { END_OF_ARCHIVE, encodeEntry, encodeFile } from '../../tar/writer.ts';
import { pack } from './pack.ts';
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

const file = (name: string, content: string) => encodeFile(newEntry(name, 'file'), Buffer.from(content));
const link = (name: string, target: string, type: TarEntryType = 'symlink') =>
  encodeEntry({ ...newEntry(name, type), linkName: target });

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

test('names that are no UTF-8 keep their bytes', async () => {
  const odd = Buffer.from(`${from}/d\xff`, 'latin1');
  mkdirSync(odd);
  symlinkSync(Buffer.from('\xfe', 'latin1'), Buffer.concat([odd, Buffer.from('/l')]));
  writeFileSync(Buffer.concat([odd, Buffer.from([0x2f, 0xc3])]), 'content');
  const archive = Buffer.concat([...pack(from, 'tree')]);
  await unpack(pieces(archive, 1000), { directory: to, rename: { from: 'tree', to: '\u00e4' } });
  assert.deepEqual(readdirSync(`${to}/\u00e4`, 'latin1'), ['d\xff']);
  const copied = Buffer.from(`${Buffer.from(`${to}/\u00e4`).toString('latin1')}/d\xff`, 'latin1');
  assert.deepEqual(readdirSync(copied, 'latin1').sort(), ['l', '\xc3']);
  assert.equal(readlinkSync(Buffer.concat([copied, Buffer.from('/l')]), 'latin1'), '\xfe');
});

test('special files are made with their mode', {
  skip: process.getuid!() !== 0 && 'device nodes need root',
}, async () => {
  spawnSync('mkfifo', ['-m', '0620', `${from}/fifo`]);
  spawnSync('mknod', ['-m', '0600', `${from}/null`, 'c', '1', '3']);
  await unpack(pieces(Buffer.concat([...pack(from, 'tree')]), 1000), { directory: to, rename: undefined });
  const fifo = statSync(`${to}/tree/fifo`);
  assert.deepEqual([fifo.isFIFO(), fifo.mode & 0o777], [true, 0o620]);
  assert.equal(statSync(`${to}/tree/null`).rdev, statSync('/dev/null').rdev);
});

test('a sparse file comes out with its holes, the last one too', async () => {
  const size = 3 << 20;
  const fd = openSync(`${from}/sparse`, 'w');
  writeSync(fd, 'middle', 1 << 20);
  ftruncateSync(fd, size);
  closeSync(fd);
  for (const format of ['--format=gnu', '--sparse-version=0.1', '--sparse-version=1.0']) {
    rmSync(to, { recursive: true, force: true });
    mkdirSync(to);
    const pax = format.startsWith('--sparse') ? ['--format=pax'] : [];
    const theirs = spawnSync('tar', ['-C', from, '--sparse', ...pax, format, '-c', 'sparse']).stdout;
    assert.ok(theirs.length < size);
    await unpack(pieces(theirs, 1000), { directory: to, rename: undefined });
    assert.ok(readFileSync(`${to}/sparse`).equals(readFileSync(`${from}/sparse`)), format);
    assert.ok(statSync(`${to}/sparse`).blocks * 512 < size, format);
  }
});

test('an archive cannot leave the directory', async () => {
  const outside = `${scratch}/outside`;
  const attacks: Buffer[][] = [
    [file('../outside', 'x')],
    [file('a/../../outside', 'x')],
    [link('l', '..'), file('l/outside', 'x')],
    [link('l', scratch), encodeEntry(newEntry('l/outside', 'directory'))],
    [link('h', '../secret', 'hardlink')],
    [link('l', scratch), link('h', 'l/secret', 'hardlink')],
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
  const archive = Buffer.concat([file('f', 'new'), END_OF_ARCHIVE]);
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
  await assert.rejects(unpack(pieces(broken, 512), plan), /wrong checksum in a tar header/);
});
