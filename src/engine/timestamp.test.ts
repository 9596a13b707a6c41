import assert from 'node:assert/strict';
import { test } from 'node:test';
import { filterTime, queryTime } from './timestamp.ts';

test('a time before the epoch may stand in a query, not in a filter', () => {
  assert.equal(queryTime('-2.500000000'), -1_500_000_000n);
  assert.equal(queryTime('1h') < queryTime('1m'), true);
  for (const [read, text] of [
    [filterTime, '-5'],
    [filterTime, 'yesterday'],
    [queryTime, 'soon'],
  ] as const) {
    assert.throws(() => read(text), {
      code: 'invalid_parameter',
      message: `failed to parse value as time or duration: "${text}"`,
    });
  }
});
