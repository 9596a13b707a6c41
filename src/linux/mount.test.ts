import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isMountPoint, parseMountInfo } from './mount.ts';

test('a mountinfo line is taken apart, octal escapes and optional fields included', () => {
  const line =
    '36 35 98:0 /a\\040b /mnt\\134x\\011y rw,noatime shared:1 master:2 - overlay /dev/root rw,lowerdir=/a,upperdir=/b';
  assert.deepEqual(parseMountInfo(`${line}\n`), [
    {
      id: 36,
      parentId: 35,
      device: '98:0',
      root: '/a b',
      mountPoint: '/mnt\\x\ty',
      options: ['rw', 'noatime'],
      propagation: ['shared:1', 'master:2'],
      fstype: 'overlay',
      source: '/dev/root',
      superOptions: ['rw', 'lowerdir=/a', 'upperdir=/b'],
    },
  ]);
});

test('lines that are no mountinfo are left out', () => {
  assert.deepEqual(parseMountInfo('nonsense\n\n1 2 3\n'), []);
});

test('/proc is a mount point, a file in it is none', () => {
  assert.equal(isMountPoint('/proc'), true);
  assert.equal(isMountPoint('/proc/self'), false);
});
