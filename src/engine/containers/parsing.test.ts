import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Filters } from '../../api/filters.ts';
import { untilNs } from '../until-filter.ts';
import { parseSignal, stopsForGood } from './signals.ts';
import { commandText } from './summary.ts';
import { parsePs } from './top.ts';

test('signals by number and name', () => {
  for (const [text, number] of [
    ['9', 9],
    ['KILL', 9],
    ['SIGTERM', 15],
    ['sigusr1', 10],
    ['RTMIN', 34],
    ['SIGRTMIN+3', 37],
    ['RTMAX-1', 63],
    ['64', 64],
  ] as const) {
    assert.equal(parseSignal(text), number, text);
  }
  for (const wrong of ['0', '65', '-1', 'NOPE', '', 'RTMIN+40', 'RTMAX+1']) {
    assert.throws(() => parseSignal(wrong), { code: 'invalid_parameter', message: `invalid signal: ${wrong}` }, wrong);
  }
  assert.equal(stopsForGood(1, 15), false);
  assert.equal(stopsForGood(1, 1), true);
  assert.equal(stopsForGood(9, 15), true);
});

test('the until filter', () => {
  const until = (...values: string[]) => untilNs(new Filters({ until: values }));
  assert.equal(until(), null);
  assert.equal(until('1.5'), 1_500_000_000n);
  assert.equal(until('2026-01-02T03:04:05Z'), BigInt(Date.parse('2026-01-02T03:04:05Z')) * 1_000_000n);
  assert.throws(() => until('yesterday'), { message: 'failed to parse value as time or duration: "yesterday"' });
  assert.throws(() => until('1h', '2h'), { message: 'more than one until filter specified' });
});

test('ps: our rows, with the command as one field, and the threads of our processes', () => {
  const output =
    'UID   PID CMD\nroot    1 init of others\nroot   42 sleep 1 2\n -      - thread one\nroot   43 x\n -      - thread two\n';
  assert.deepEqual(parsePs(output, new Set([42])), {
    Titles: ['UID', 'PID', 'CMD'],
    Processes: [
      ['root', '42', 'sleep 1 2'],
      ['-', '-', 'thread one'],
    ],
  });
  assert.throws(() => parsePs('CMD\nx\n', new Set([1])), { message: "Couldn't find PID field in ps output" });
});

test('the command of the list', () => {
  assert.equal(commandText('sh', []), 'sh');
  assert.equal(commandText('sh', ['-c', 'echo a b']), "sh -c 'echo a b'");
});
