import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DEFAULT_DETACH_KEYS, DetachScanner, parseDetachKeys } from './detach-keys.ts';

const scan = (keys: readonly number[], ...chunks: number[][]) => {
  const scanner = new DetachScanner(keys);
  const passed: number[] = [];
  for (const chunk of chunks) {
    const { pass, detached } = scanner.scan(Uint8Array.from(chunk));
    passed.push(...pass);
    if (detached) return { passed, detached: true };
  }
  return { passed, detached: false };
};

test('the sequence is found in one piece, over two, and after other input', () => {
  assert.deepEqual(scan(DEFAULT_DETACH_KEYS, [16, 17]), { passed: [], detached: true });
  assert.deepEqual(scan(DEFAULT_DETACH_KEYS, [65, 16], [17, 66]), { passed: [65], detached: true });
});

test('what only begins like it is passed on, late but whole', () => {
  assert.deepEqual(scan(DEFAULT_DETACH_KEYS, [16], [65]), { passed: [16, 65], detached: false });
  assert.deepEqual(scan(DEFAULT_DETACH_KEYS, [16, 16, 17]), { passed: [16], detached: true });
});

test('without keys everything passes', () => {
  assert.deepEqual(scan([], [16, 17]), { passed: [16, 17], detached: false });
});

test('names of keys', () => {
  assert.deepEqual(parseDetachKeys('ctrl-p,ctrl-q'), [16, 17]);
  assert.deepEqual(parseDetachKeys('a,ctrl-[,ctrl-@,ctrl-_'), [97, 27, 0, 31]);
  assert.throws(() => parseDetachKeys('ctrl-p,foo'), { message: "Unknown character: 'foo'" });
});
