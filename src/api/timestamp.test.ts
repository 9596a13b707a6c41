import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import {
  formatNano,
  formatTime,
  formatUnixTime,
  nowNs,
  parseNano,
  parseTimestamp,
  parseUnixTime,
} from './timestamp.ts';

const NOW = 1_800_000_000_123_456_789n;
const zone = process.env.TZ;
afterEach(() => {
  process.env.TZ = zone ?? 'UTC';
});

test('dates, whole and cut short, with and without a zone', () => {
  process.env.TZ = 'UTC';
  for (const [text, unix] of [
    ['2006-01-02T15:04:05.999999999+07:00', '1136189045.999999999'],
    ['2006-01-02T15:04:05.999999999Z', '1136214245.999999999'],
    ['2006-01-02T15:04:05.9999999999', '1136214245.999999999'],
    ['2006-01-02T15:04:05Z', '1136214245.000000000'],
    ['2006-01-02T15:04:05', '1136214245.000000000'],
    ['2006-01-02T15:04-00:00', '1136214240.000000000'],
    ['2006-01-02T15:04', '1136214240.000000000'],
    ['2006-01-02T15Z', '1136214000.000000000'],
    ['2006-01-02T15+00:00', '1136214000.000000000'],
    ['2006-01-02T1', '1136163600.000000000'],
    ['2006-01-02-00:01', '1136160060.000000000'],
    ['2006-01-02Z', '1136160000.000000000'],
    ['2006-01-02', '1136160000.000000000'],
    ['1969-12-31T23:59:58.5Z', '-2.500000000'],
  ] as const) {
    const time = parseTimestamp(text, NOW);
    assert.equal(time === null ? null : formatUnixTime(time), unix, text);
  }
});

test('Unix times and durations back from now keep their nanoseconds', () => {
  for (const [text, ns] of [
    ['1136073600', 1_136_073_600_000_000_000n],
    ['1136073600.000000001', 1_136_073_600_000_000_001n],
    ['1136073600.0000000010', 1_136_073_600_000_000_001n],
    ['1136073600.00000001', 1_136_073_600_000_000_010n],
    ['0', 0n],
    ['1m', NOW - 60_000_000_000n],
    ['1h30m', NOW - 5_400_000_000_000n],
    ['1.5h', NOW - 5_400_000_000_000n],
    ['-1ns', NOW + 1n],
  ] as const) {
    assert.equal(parseTimestamp(text, NOW), ns, text);
  }
});

test('what is no time is refused', () => {
  for (const text of [
    '',
    'yesterday',
    '-5',
    '1.',
    '1136073600.bar',
    '10x',
    '2006-01-02T',
    '2006-01-02TZ',
    '2006-01-02T15:0',
    '2006-01-02T15:04:0Z',
    '2006-01-02t15:04z',
    '2006-01-02 15:04:05',
    '2006-01-02T15:04.5Z',
    '2006-13-01',
    '2006-02-30',
    '2006-01-02T24:00',
    '2006-01-02T15:60',
    '2006-01-02T15:04:60Z',
    '2006-01-02T15:04+25:00',
  ]) {
    assert.equal(parseTimestamp(text, NOW), null, text);
  }
});

test('without a zone the offset of now counts, whatever it was on that day', () => {
  process.env.TZ = 'Europe/Berlin';
  const summer = parseNano('2026-07-01T00:00:00Z')!;
  const winter = parseNano('2026-01-01T00:00:00Z')!;
  assert.equal(parseTimestamp('2026-07-01T12:00', summer), parseNano('2026-07-01T10:00:00Z'));
  assert.equal(parseTimestamp('2026-07-01T12:00', winter), parseNano('2026-07-01T11:00:00Z'));
  assert.equal(parseTimestamp('2026-07-01T12:00Z', summer), parseNano('2026-07-01T12:00:00Z'));
});

test('Unix times go both ways, before the epoch too', () => {
  for (const ns of [0n, 1n, -1n, -2_500_000_000n, NOW]) assert.equal(parseUnixTime(formatUnixTime(ns)), ns);
  assert.equal(parseUnixTime('-5'), -5_000_000_000n);
  for (const text of ['', '1m', '2006-01-02', '1.-5', ' 1']) assert.equal(parseUnixTime(text), null, text);
});

test('times in RFC 3339 go both ways', () => {
  for (const [ns, nano, short] of [
    [1_700_000_000_120_000_000n, '2023-11-14T22:13:20.120000000Z', '2023-11-14T22:13:20.12Z'],
    [1_700_000_000_000_000_000n, '2023-11-14T22:13:20.000000000Z', '2023-11-14T22:13:20Z'],
    [1_700_000_000_000_000_001n, '2023-11-14T22:13:20.000000001Z', '2023-11-14T22:13:20.000000001Z'],
    [-1n, '1969-12-31T23:59:59.999999999Z', '1969-12-31T23:59:59.999999999Z'],
  ] as const) {
    assert.equal(formatNano(ns), nano);
    assert.equal(formatTime(ns), short);
    assert.equal(parseNano(nano), ns);
    assert.equal(parseNano(short), ns);
  }
  assert.equal(parseNano('2023-11-14T23:13:20+01:00'), 1_700_000_000_000_000_000n);
  assert.equal(parseNano('2023-11-14'), null);
});

test('the clock', () => {
  const before = BigInt(Date.now()) * 1_000_000n;
  const now = nowNs();
  assert.ok(now >= before && now < (BigInt(Date.now()) + 1n) * 1_000_000n);
});
