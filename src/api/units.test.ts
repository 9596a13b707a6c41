import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { bytesSize, humanDuration, humanSize, parseBytes } from './units.ts';

describe('units', () => {
  it('prints sizes as docker does', () => {
    assert.equal(humanSize(0), '0B');
    assert.equal(humanSize(999), '999B');
    assert.equal(humanSize(1000), '1kB');
    assert.equal(humanSize(2_752_512, 3), '2.75MB');
    assert.equal(humanSize(187_654_321, 3), '188MB');
    assert.equal(humanSize(123_456_789_012), '123.5GB');
    assert.equal(bytesSize(1024 * 1024 * 1.5), '1.5MiB');
    assert.equal(bytesSize(25_165_824_000), '23.44GiB');
  });

  it('prints durations as docker does', () => {
    const second = 1000;
    const hour = 3_600_000;
    const table: [number, string][] = [
      [450, 'Less than a second'],
      [second, '1 second'],
      [59 * second, '59 seconds'],
      [60 * second, 'About a minute'],
      [3 * 60 * second, '3 minutes'],
      [60 * 60 * second, 'About an hour'],
      [3 * hour + 59 * 60 * second, '4 hours'],
      [47 * hour, '47 hours'],
      [49 * hour, '2 days'],
      [24 * 10 * hour, '10 days'],
      [24 * 20 * hour, '2 weeks'],
      [24 * 70 * hour, '2 months'],
      [24 * 365 * 2 * hour, '2 years'],
    ];
    for (const [milliseconds, text] of table) assert.equal(humanDuration(milliseconds), text);
  });

  it('reads sizes', () => {
    assert.equal(parseBytes('512'), 512);
    assert.equal(parseBytes('64m'), 64 << 20);
    assert.equal(parseBytes('1.5GB'), 1.5 * 2 ** 30);
    assert.equal(parseBytes('2GiB'), 2 ** 31);
    assert.equal(parseBytes('10 kb'), 10240);
    for (const bad of ['', 'm', '-1', '1x', '1 2', 'b']) assert.equal(parseBytes(bad), null, bad);
  });
});
