import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MS_BIND, MS_NODEV, MS_PRIVATE, MS_RDONLY, MS_REC } from './mount.ts';
import { parseMountOptions } from './mount-options.ts';

test('flags, propagation and what is left for the file system', () => {
  assert.deepEqual(parseMountOptions(''), { flags: 0, propagation: [], data: '' });
  assert.deepEqual(parseMountOptions('size=1m,ro,nodev,uid=7,rprivate'), {
    flags: MS_RDONLY | MS_NODEV,
    propagation: [MS_PRIVATE | MS_REC],
    data: 'size=1m,uid=7',
  });
  assert.equal(parseMountOptions('rbind').flags, MS_BIND | MS_REC);
});

test('a later word beats an earlier one', () => {
  assert.equal(parseMountOptions('ro,nodev,rw').flags, MS_NODEV);
  assert.equal(parseMountOptions('rw,ro').flags, MS_RDONLY);
});
