import assert from 'node:assert/strict';
import { test } from 'node:test';
import { wallClock } from './clock.ts';

test('the wall clock agrees with Date.now() and goes on within a millisecond', () => {
  const before = BigInt(Date.now()) * 1_000_000n;
  const times = Array.from({ length: 100 }, () => wallClock());
  const after = BigInt(Date.now() + 1) * 1_000_000n;
  for (const time of times) assert.ok(time >= before && time <= after, `${time} in ${before}..${after}`);
  assert.ok(times.some((time) => time % 1_000_000n !== 0n));
});
