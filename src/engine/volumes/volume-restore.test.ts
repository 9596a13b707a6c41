import assert from 'node:assert/strict';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { chmod } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, test } from 'node:test';
import { sealedTree } from '../../storage/sealed-tar.ts';
import { Restoration } from './volume-restore.ts';

const NAME = '.gantry-restore-0123';
let base = '';
let volume = '';
let restoration: Restoration;

beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'gantry-restore-'));
  volume = join(base, 'volume');
  mkdirSync(volume);
  restoration = new Restoration(volume, NAME);
});
afterEach(() => rmSync(base, { recursive: true }));

function write(directory: string, files: Record<string, string>): void {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(join(directory, path, '..'), { recursive: true });
    writeFileSync(join(directory, path), text);
  }
}

/** Path -> content of all files. */
function content(directory: string): Record<string, string> {
  const files = readdirSync(directory, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const found = files.map((entry) => join(entry.parentPath, entry.name)).sort();
  return Object.fromEntries(found.map((path) => [path.slice(directory.length + 1), readFileSync(path, 'utf8')]));
}

const OLD = { 'both/old': '1', gone: '2', kept: '3' };
const NEW = { 'both/new': '4', kept: '5', '.gantry-restore-9.filling/new/x': '6' };

/** A backup of a directory with these files, mode 0751. */
async function backup(files: Record<string, string>): Promise<Buffer> {
  const source = join(base, 'source');
  write(source, files);
  await chmod(source, 0o751);
  return Buffer.concat(await Array.fromAsync(sealedTree(source)));
}

test('all of it comes, what was there goes', async () => {
  write(volume, OLD);
  const archive = await backup(NEW);
  await assert.rejects(restoration.run(Readable.from([archive]), { name: 'v', replace: false }), { code: 'conflict' });
  assert.deepEqual(content(volume), OLD);
  await restoration.run(Readable.from([archive]), { name: 'v', replace: true });
  assert.deepEqual(content(volume), NEW);
  assert.equal(statSync(volume).mode & 0o7777, 0o751);
  assert.ok(!restoration.decided);
});

test('a stream that is cut short, or fails, changes nothing', async () => {
  write(volume, OLD);
  const archive = await backup(NEW);
  const broken = async function* () {
    yield archive.subarray(0, 2048);
    throw new Error('the line is dead');
  };
  const short = Readable.from([archive.subarray(0, archive.length - 512)]);
  await assert.rejects(restoration.run(short, { name: 'v', replace: true }));
  await assert.rejects(restoration.run(Readable.from(broken()), { name: 'v', replace: true }), /the line is dead/);
  assert.deepEqual(content(volume), OLD);
  assert.deepEqual(readdirSync(volume).sort(), Object.keys({ both: 0, gone: 0, kept: 0 }));
});

test('what was cut short before the decision is taken back', async () => {
  write(volume, OLD);
  write(join(volume, `${NAME}.unpacking/new`), NEW);
  assert.ok(!restoration.decided);
  await restoration.finish();
  assert.deepEqual(content(volume), OLD);
  assert.ok(!existsSync(join(volume, `${NAME}.unpacking`)));
});

// Each state a kill can leave: so many old entries are away, so many new ones in their place.
for (const away of [0, 1, 2, 3]) {
  test(`decided, and ${away} of 3 old entries away: is completed`, async () => {
    write(volume, OLD);
    const staging = join(volume, `${NAME}.replacing`);
    write(join(staging, 'new'), NEW);
    if (away > 0) mkdirSync(join(staging, 'old'));
    for (const entry of ['both', 'gone', 'kept'].slice(0, away)) rmSync(join(volume, entry), { recursive: true });
    assert.ok(restoration.decided);
    await restoration.finish();
    assert.deepEqual(content(volume), NEW);
  });
}
for (const there of [0, 1, 2, 3]) {
  test(`decided, and ${there} of 3 new entries in place: is completed`, async () => {
    const staging = join(volume, `${NAME}.filling`);
    write(join(staging, 'old'), OLD);
    const entries = Object.entries(NEW);
    mkdirSync(join(staging, 'new'), { recursive: true });
    write(volume, Object.fromEntries(entries.slice(0, there)));
    write(join(staging, 'new'), Object.fromEntries(entries.slice(there)));
    assert.ok(restoration.decided);
    await restoration.finish();
    assert.deepEqual(content(volume), NEW);
    await restoration.finish();
    assert.deepEqual(content(volume), NEW, 'once done nothing happens');
  });
}

test('what a container has left under a like name is content', async () => {
  const outside = join(base, 'outside');
  write(outside, { secret: 's' });
  mkdirSync(join(volume, '.gantry-restore-ffff.filling'));
  symlinkSync(outside, join(volume, '.gantry-restore-ffff.filling/new'));
  await restoration.finish();
  assert.deepEqual(readdirSync(volume), ['.gantry-restore-ffff.filling']);
  assert.deepEqual(content(outside), { secret: 's' });
});
