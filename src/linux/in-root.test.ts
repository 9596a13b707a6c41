import assert from 'node:assert/strict';
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { openInRoot, readFileInRoot } from './in-root.ts';

let base = '';
let root = '';

before(() => {
  base = mkdtempSync(join(tmpdir(), 'gantry-in-root-'));
  root = join(base, 'root');
  mkdirSync(join(root, 'etc'), { recursive: true });
  writeFileSync(join(base, 'secret'), 'outside');
  writeFileSync(join(root, 'secret'), 'inside');
  symlinkSync('/secret', join(root, 'etc/absolute'));
  symlinkSync('../../../secret', join(root, 'etc/relative'));
  symlinkSync(base, join(root, 'etc/out'));
  symlinkSync('loop', join(root, 'etc/loop'));
});
after(() => rmSync(base, { recursive: true }));

test('links and dots end at the root', () => {
  for (const path of ['/etc/absolute', 'etc/relative', '/../../secret', '/etc/../secret']) {
    assert.equal(readFileInRoot(root, path), 'inside', path);
  }
});

test('what is not there, not a file, or endless', () => {
  for (const [path, code] of [
    ['/etc/out/secret', 'ENOENT'],
    ['/etc', 'EINVAL'],
    ['/secret/x', 'ENOTDIR'],
    ['/etc/loop', 'ELOOP'],
  ] as const) {
    assert.throws(() => readFileInRoot(root, path), { code }, path);
  }
});

test('directories are made inside, through a link that points outside', () => {
  const own = { uid: process.getuid!(), gid: process.getgid!(), mode: 0o755 };
  const fd = openInRoot(root, '/etc/out/made/deep', own);
  const path = readlinkSync(`/proc/self/fd/${fd}`);
  closeSync(fd);
  assert.equal(path, join(root, base, 'made/deep'));
  assert.ok(!existsSync(join(base, 'made')));
});
