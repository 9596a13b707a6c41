import assert from 'node:assert/strict';
import { it } from 'node:test';
import { timestampQuery } from './timestamp.ts';

it('reads times as docker logs and events do', () => {
  const now = 1_800_000_000_000_000_000n;
  assert.equal(timestampQuery('', now), undefined);
  assert.equal(timestampQuery('1700000000', now), '1700000000');
  assert.equal(timestampQuery('1700000000.5', now), '1700000000.5');
  assert.equal(timestampQuery('10m', now), '1799999400.000000000');
  assert.equal(timestampQuery('1h30m', now), '1799994600.000000000');
  assert.equal(timestampQuery('2026-11-21T04:55:19.25Z', now), '1795236919.250000000');
  assert.equal(timestampQuery('2026-11-21T04:55:19+01:00', now), '1795233319.000000000');
  assert.equal(timestampQuery('1969-12-31T23:59:58.5Z', now), '-2.500000000');
  for (const bad of ['yesterday', '2026-13-01', '10x', '-5'])
    assert.throws(() => timestampQuery(bad, now), /failed to parse value as time or duration/, bad);
});
