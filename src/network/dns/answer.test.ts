import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { answerFrom } from './answer.ts';
import { CLASS_IN, type Query, TYPE } from './message.ts';
import { NameTable } from './names.ts';

const TXT = 16;
const HTTPS = 65;

const names = new NameTable();
const network = { networkId: 'n', networkName: 'front', links: {} };
names.connect({ ...network, sandboxId: 'web', names: ['web', 'api.example.com'], addresses: ['10.0.0.2'] });
names.connect({ ...network, sandboxId: 'six', names: ['six', 'pool'], addresses: ['10.0.0.3', 'fd00::3'] });
names.connect({ ...network, sandboxId: 'odd', names: ['x'.repeat(64), 'pool'], addresses: ['10.0.0.4'] });

function ask(name: string, type: number, more: Partial<Query> = {}, turn = 0): string[] | undefined {
  const query: Query = { bytes: Buffer.alloc(0), id: 0, name, type, class: CLASS_IN, questionEnd: 0, ...more };
  return answerFrom(names, 'web', query, turn)?.map(
    ({ type: kind, ttl, data }) => `${kind} ${ttl} ${kind === TYPE.PTR ? String(Buffer.from(data)) : data.at(-1)}`,
  );
}

describe('answers', () => {
  test('addresses by family; none of the other is no error', () => {
    assert.deepEqual(ask('web', TYPE.A), ['1 600 2']);
    assert.deepEqual(ask('web', TYPE.AAAA), []);
    assert.deepEqual(ask('six', TYPE.AAAA), ['28 600 3']);
    assert.deepEqual(ask('six', TYPE.ANY), ['1 600 3', '28 600 3']);
    assert.deepEqual(ask('web', TYPE.MX), []);
  });

  test('several addresses take turns', () => {
    assert.deepEqual(
      [0, 1, 2].map((turn) => ask('pool', TYPE.A, {}, turn)),
      [
        ['1 600 3', '1 600 4'],
        ['1 600 4', '1 600 3'],
        ['1 600 3', '1 600 4'],
      ],
    );
  });

  test('what others may know is left to them', () => {
    assert.equal(ask('nobody', TYPE.A), undefined);
    assert.equal(ask('web', TYPE.A, { class: 3 }), undefined);
    assert.equal(ask('api.example.com', TXT), undefined);
    assert.deepEqual(ask('api.example.com', TYPE.MX), []);
    assert.deepEqual(ask('web', TXT), []);
    assert.deepEqual(ask('web', HTTPS), []);
  });

  test('reverse', () => {
    assert.deepEqual(ask('2.0.0.10.in-addr.arpa', TYPE.PTR), ['12 600 \x03web\x05front\0']);
    assert.equal(ask('9.0.0.10.in-addr.arpa', TYPE.PTR), undefined);
    assert.equal(ask('web', TYPE.PTR), undefined);
    assert.equal(ask('4.0.0.10.in-addr.arpa', TYPE.PTR), undefined, 'a name that has no wire form');
  });
});
