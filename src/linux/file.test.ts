import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { cPath, O_PATH, openat2, RESOLVE_IN_ROOT, setFileTimes, setTimes } from './file.ts';

function scratch(t: { after(fn: () => void): void }): string {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'linux-file-'));
  t.after(() => fs.rmSync(directory, { recursive: true }));
  return directory;
}

test('times are set to the nanosecond, before the epoch too, and on a symlink itself', (t) => {
  const directory = scratch(t);
  const file = `${directory}/f`;
  fs.writeFileSync(file, '');
  fs.symlinkSync('f', `${directory}/l`);
  setTimes(Buffer.from(file), -5, 123_456_789);
  setTimes(`${directory}/l`, 7, 1);
  assert.equal(fs.lstatSync(file, { bigint: true }).mtimeNs, -4_876_543_211n);
  assert.equal(fs.lstatSync(`${directory}/l`, { bigint: true }).mtimeNs, 7_000_000_001n);
  const fd = fs.openSync(file, 'r');
  setFileTimes(fd, 1_700_000_000, 999_999_999);
  fs.closeSync(fd);
  assert.equal(fs.statSync(file, { bigint: true }).mtimeNs, 1_700_000_000_999_999_999n);
  assert.throws(() => setTimes(`${directory}/none`, 0, 0), { code: 'ENOENT', syscall: 'utimensat' });
});

test('openat2 keeps symlinks and ".." under the root', (t) => {
  const directory = scratch(t);
  fs.mkdirSync(`${directory}/root/etc`, { recursive: true });
  fs.writeFileSync(`${directory}/root/etc/passwd`, 'inside');
  fs.symlinkSync('/../../etc', `${directory}/root/link`);
  const root = fs.openSync(`${directory}/root`, O_PATH | fs.constants.O_DIRECTORY);
  const fd = openat2(root, 'link/../../link/passwd', fs.constants.O_RDONLY, 0, RESOLVE_IN_ROOT);
  assert.equal(fs.readFileSync(fd, 'utf8'), 'inside');
  assert.throws(() => openat2(root, '/none', fs.constants.O_RDONLY, 0, RESOLVE_IN_ROOT), { code: 'ENOENT' });
  fs.closeSync(fd);
  fs.closeSync(root);
});

test('a path with a NUL is refused, for C would cut it', () => {
  assert.throws(() => cPath('a\0b'), TypeError);
  assert.deepEqual([...cPath('é')], [0xc3, 0xa9, 0]);
});
