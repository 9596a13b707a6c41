import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseDuration } from './duration.ts';

test('durations as Go reads them', () => {
  for (const [text, nanoseconds] of [
    ['1h2m3.5s', 3_723_500_000_000n],
    ['500ms', 500_000_000n],
    ['-1s', -1_000_000_000n],
    ['+1.s', 1_000_000_000n],
    ['.5\u00b5s', 500n],
    ['0', 0n],
    ['-0', 0n],
    ['1.0000000019s', 1_000_000_001n],
    ['2562047h47m16.854775807s', (1n << 63n) - 1n],
  ] as const) {
    assert.equal(parseDuration(text), nanoseconds, text);
  }
});

test("refusals are in Go's words", () => {
  for (const [text, message] of [
    ['5', 'time: missing unit in duration "5"'],
    ['5x', 'time: unknown unit "x" in duration "5x"'],
    ['', 'time: invalid duration ""'],
    ['-', 'time: invalid duration "-"'],
    ['.s', 'time: invalid duration ".s"'],
    ['1s.', 'time: invalid duration "1s."'],
    ['2562048h', 'time: invalid duration "2562048h"'],
  ] as const) {
    assert.throws(() => parseDuration(text), { message });
  }
});
