import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { createServer } from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { entryFromStat, HardLinks } from './stat.ts';

function scratch(t: { after(fn: () => void): void }): string {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'tar-stat-'));
  t.after(() => fs.rmSync(directory, { recursive: true }));
  return directory;
}

const statOf = (at: string) => fs.lstatSync(at, { bigint: true });

test('every kind of file but a socket has its entry', async (t) => {
  const directory = scratch(t);
  fs.writeFileSync(`${directory}/file`, 'text');
  fs.chmodSync(`${directory}/file`, 0o4711);
  fs.symlinkSync('file', `${directory}/link`);
  execFileSync('mkfifo', [`${directory}/fifo`]);
  const file = entryFromStat('n', statOf(`${directory}/file`))!;
  assert.deepEqual(
    [file.name, file.type, file.mode, file.size, file.uid, file.gid],
    ['n', 'file', 0o4711, 4, process.getuid!(), process.getgid!()],
  );
  for (const [at, type] of [
    ['.', 'directory'],
    ['link', 'symlink'],
    ['fifo', 'fifo'],
  ] as const) {
    const entry = entryFromStat('n', statOf(`${directory}/${at}`))!;
    assert.deepEqual([entry.type, entry.size], [type, 0], at);
  }
  const device = entryFromStat('null', statOf('/dev/null'))!;
  assert.deepEqual([device.type, device.devMajor, device.devMinor], ['char', 1, 3]);
  const server = createServer().listen(`${directory}/socket`);
  await new Promise((resolve) => server.once('listening', resolve));
  assert.equal(entryFromStat('n', statOf(`${directory}/socket`)), null);
  server.close();
});

test('a time before the epoch has its second below and nanoseconds above it', (t) => {
  const stat = statOf(scratch(t));
  for (const [mtimeNs, seconds, nanoseconds] of [
    [1_500_000_001n, 1, 500_000_001],
    [-1n, -1, 999_999_999],
    [-2_000_000_000n, -2, 0],
  ] as const) {
    const entry = entryFromStat('n', Object.assign(Object.create(stat), { mtimeNs }))!;
    assert.deepEqual([entry.mtime, entry.mtimeNs], [seconds, nanoseconds]);
  }
});

test('the second name of a file is a link to the first', (t) => {
  const directory = scratch(t);
  fs.writeFileSync(`${directory}/a`, 'text');
  fs.linkSync(`${directory}/a`, `${directory}/b`);
  fs.writeFileSync(`${directory}/c`, 'text');
  const links = new HardLinks();
  const entries = ['a', 'b', 'c'].map((name) => {
    const stat = statOf(`${directory}/${name}`);
    const entry = entryFromStat(name, stat)!;
    links.apply(entry, stat);
    return [entry.type, entry.linkName, entry.size];
  });
  assert.deepEqual(entries, [
    ['file', '', 4],
    ['hardlink', 'a', 0],
    ['file', '', 4],
  ]);
});
