import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ContainerIndex } from './container-index.ts';

test('names that Docker would not take cannot be reserved', () => {
  const index = new ContainerIndex();
  for (const name of ['ab', 'A.b-c_d', '0x']) index.reserve(name, name);
  for (const name of ['a', '', '_a', 'a b', '\u00e41']) {
    assert.throws(() => index.reserve(name, 'x'), {
      code: 'invalid_parameter',
      message: `Invalid container name (${name}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed`,
    });
    assert.equal(index.taken(name), false);
  }
});

test('a name belongs to one container until that one gives it back', () => {
  const index = new ContainerIndex();
  index.reserve('web', 'one');
  index.reserve('web', 'one');
  assert.throws(() => index.reserve('web', 'two'), { code: 'conflict' });
  index.release('web', 'two');
  assert.equal(index.taken('web'), true);
  index.release('web', 'one');
  index.reserve('web', 'two');
});
