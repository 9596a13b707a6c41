import assert from 'node:assert/strict';
import { test } from 'node:test';
import { generateName } from './names.ts';

test('names are valid, varied, and free', () => {
  const taken = new Set<string>();
  for (let count = 0; count < 2000; count++) {
    const name = generateName((candidate) => taken.has(candidate));
    assert.match(name, /^[a-z]+_[a-z]+\d*$/);
    assert.ok(!taken.has(name));
    taken.add(name);
  }
});

test('a number when every plain name is taken', () => {
  assert.match(
    generateName((name) => /[a-z]$/.test(name)),
    /\d$/,
  );
});
