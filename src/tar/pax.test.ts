import assert from 'node:assert/strict';
import { test } from 'node:test';
import { encodePax, formatPaxTime, parsePax, paxInteger, paxTime } from './pax.ts';

test('the length of a record counts its own digits', () => {
  // 8 bytes of body make 10 with two digits; 97 make 100 with three.
  for (const length of [1, 2, 3, 4, 5, 90, 91, 92, 93, 94, 95, 96, 990, 991, 992, 993, 994]) {
    const records = [{ key: 'k', value: 'v'.repeat(length) }];
    const bytes = encodePax(records);
    assert.equal(Number(bytes.toString().split(' ')[0]), bytes.length);
    assert.deepEqual(parsePax(bytes), records);
  }
});

test('values may hold any byte', () => {
  const records = [
    { key: 'SCHILY.xattr.user.a', value: '\n=\0\xff 12 x=y\n' },
    { key: 'path', value: '' },
  ];
  assert.deepEqual(parsePax(encodePax(records)), records);
});

test('times before the epoch and with fractions', () => {
  const cases: [string, number, number][] = [
    ['0', 0, 0],
    ['1.5', 1, 500_000_000],
    ['1.000000001', 1, 1],
    ['1.0000000019', 1, 1],
    ['-1', -1, 0],
    ['-0.25', -1, 750_000_000],
    ['-1.5', -2, 500_000_000],
  ];
  for (const [text, seconds, nanoseconds] of cases)
    assert.deepEqual(paxTime('mtime', text), { seconds, nanoseconds }, text);
  for (const [text, seconds, nanoseconds] of cases) {
    if (text.length < 13 && text !== '1.0000000019') assert.equal(formatPaxTime(seconds, nanoseconds), text);
  }
  for (const bad of ['', '1e5', 'x', '1.5.5', '--1']) assert.throws(() => paxTime('mtime', bad), bad);
  for (const bad of ['', '1.5', '0x10', '99999999999999999999']) assert.throws(() => paxInteger('size', bad), bad);
});
