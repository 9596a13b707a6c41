import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LinkRecord } from '../container-record.ts';
import type { Container } from './container.ts';
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

test('a link is another name of the container it leads to', () => {
  const index = new ContainerIndex();
  const container = (id: string, name: string, links?: LinkRecord[]) => {
    const record = { id, name, ...(links === undefined ? {} : { links }) };
    const made = { id, name, record } as unknown as Container;
    index.add(made);
    return made;
  };
  const db = container('d0', 'db');
  const web = container('e0', 'web', [
    { alias: 'store', containerId: 'd0', name: 'db' },
    { alias: 'gone', containerId: 'f0', name: 'other' },
  ]);
  for (const name of ['web/store', '/web/store']) assert.equal(index.resolve(name), db);
  for (const name of ['web/gone', 'web/other', 'db/store', 'web/store/x']) {
    assert.throws(() => index.resolve(name), { code: 'not_found', message: `No such container: ${name}` });
  }
  assert.deepEqual(index.namesOf(db), ['/db', '/web/store']);
  assert.deepEqual(index.namesOf(web), ['/web']);
  index.delete(web);
  assert.deepEqual(index.namesOf(db), ['/db']);
});
