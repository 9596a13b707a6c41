import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { ERROR_STATUS, GantryError } from './errors.ts';

test('docs/errors.md lists every code with its status', () => {
  const text = readFileSync(new URL('../../docs/errors.md', import.meta.url), 'utf8');
  const rows = [...text.matchAll(/^\| `(\w+)` \| (\d+) \|/gm)].map(([, code, status]) => [code, Number(status)]);
  assert.deepEqual(rows, Object.entries(ERROR_STATUS));
});

test('an error answers with the status of its code', () => {
  assert.equal(new GantryError('conflict', 'x').status, 409);
});
