import assert from 'node:assert/strict';
import fs from 'node:fs';
import { test } from 'node:test';
import { makeDevice, splitDevice } from './device-number.ts';

test('device numbers of all sizes go both ways', () => {
  for (const [major, minor] of [
    [0, 0],
    [1, 3],
    [259, 300],
    [4095, 1048575],
    [0xffffffff, 0xffffffff],
  ] as const) {
    assert.deepEqual(splitDevice(makeDevice(major, minor)), { major, minor });
  }
  const stat = fs.statSync('/dev/null', { bigint: true });
  assert.equal(stat.rdev, makeDevice(1, 3));
});
