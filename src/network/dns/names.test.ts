import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type NamedEndpoint, NameTable } from './names.ts';

function endpoint(sandboxId: string, networkName: string, address: string, more: Partial<NamedEndpoint> = {}) {
  return {
    sandboxId,
    networkId: `id of ${networkName}`,
    networkName,
    names: [sandboxId],
    links: {},
    addresses: [address],
    ...more,
  };
}

function table(...endpoints: NamedEndpoint[]): NameTable {
  const names = new NameTable();
  for (const each of endpoints) names.connect(each);
  return names;
}

/** The last bytes of the IPv4 addresses; undefined for a name that is not ours. */
const ipv4 = (names: NameTable, sandbox: string, name: string): number[] | undefined =>
  names.lookup(sandbox, name)?.ipv4.map((bytes) => bytes[3]!);

describe('names on networks', () => {
  test('a name, an alias and a short id, on common networks only', () => {
    const names = table(
      endpoint('web', 'front', '10.0.0.2'),
      endpoint('db', 'front', '10.0.0.3', { names: ['db', 'store', '0123456789ab'] }),
      endpoint('db', 'back', '10.1.0.4'),
      endpoint('job', 'back', '10.1.0.5'),
    );
    for (const name of ['db', 'store', '0123456789ab']) assert.deepEqual(ipv4(names, 'web', name), [3]);
    assert.deepEqual(ipv4(names, 'job', 'db'), [4]);
    assert.equal(ipv4(names, 'job', 'store'), undefined, 'an alias on another network');
    assert.equal(ipv4(names, 'web', 'job'), undefined);
    assert.equal(ipv4(names, 'nobody', 'web'), undefined);
    assert.deepEqual(ipv4(names, 'web', 'web'), [2], 'itself');
  });

  test('the network in the name, dots in names, letters of either case', () => {
    const names = table(
      endpoint('web', 'Front', '10.0.0.2'),
      endpoint('web', 'a.b', '10.1.0.2'),
      endpoint('Db', 'Front', '10.0.0.3', { names: ['Db', 'www.example.com'] }),
      endpoint('Db', 'a.b', '10.1.0.4'),
    );
    assert.deepEqual(ipv4(names, 'web', 'db.front'), [3]);
    assert.deepEqual(ipv4(names, 'web', 'db.a.b'), [4]);
    assert.deepEqual(ipv4(names, 'web', 'www.example.com'), [3]);
    assert.deepEqual(ipv4(names, 'web', 'www.example.com.front'), [3]);
    for (const none of ['db.elsewhere', 'db.b', 'example.com', '.front', '']) {
      assert.equal(ipv4(names, 'web', none), undefined, none);
    }
  });

  test('a name that several have, and one with IPv6 only', () => {
    const names = table(
      endpoint('one', 'front', '10.0.0.2', { names: ['one', 'all'] }),
      endpoint('two', 'front', '10.0.0.3', { names: ['two', 'all'] }),
      endpoint('six', 'front', 'fd00::6'),
    );
    assert.deepEqual(ipv4(names, 'one', 'all'), [2, 3]);
    assert.deepEqual(names.lookup('one', 'six'), {
      ipv4: [],
      ipv6: [Uint8Array.from([0xfd, ...new Array(14).fill(0), 6])],
    });
    names.disconnect('one');
    assert.deepEqual(ipv4(names, 'two', 'all'), [3]);
    assert.equal(ipv4(names, 'two', 'one'), undefined);
  });

  test('links: for their own sandbox, and before what others are called', () => {
    const names = table(
      endpoint('web', 'front', '10.0.0.2', { links: { DB: 'Store' } }),
      endpoint('store', 'front', '10.0.0.3'),
      endpoint('db', 'front', '10.0.0.4'),
    );
    assert.deepEqual(ipv4(names, 'web', 'db'), [3]);
    assert.deepEqual(ipv4(names, 'web', 'db.front'), [3]);
    assert.deepEqual(ipv4(names, 'store', 'db'), [4]);
    names.disconnect('store');
    assert.equal(ipv4(names, 'web', 'db'), undefined, 'not taken for somebody else');
  });

  test('a change replaces what was there: rename, other addresses', () => {
    const names = table(endpoint('web', 'front', '10.0.0.2'), endpoint('db', 'front', '10.0.0.3'));
    names.connect(endpoint('db', 'front', '10.0.0.9', { names: ['store'] }));
    assert.equal(ipv4(names, 'web', 'db'), undefined);
    assert.deepEqual(ipv4(names, 'web', 'store'), [9]);
    assert.equal(names.reverse('web', '10.0.0.3'), undefined);
  });

  test('addresses back to names', () => {
    const names = table(
      endpoint('web', 'front', '10.0.0.2'),
      endpoint('db', 'front', '10.0.0.3', { names: ['db', 'store'], addresses: ['10.0.0.3', 'FD00:0::3'] }),
      endpoint('job', 'back', '10.1.0.5'),
    );
    assert.equal(names.reverse('web', '10.0.0.3'), 'db.front');
    assert.equal(names.reverse('web', 'fd00::3'), 'db.front');
    assert.equal(names.reverse('web', '10.1.0.5'), undefined, 'a network it is not on');
    // The address is somebody else's by now, before its former owner is heard of.
    names.connect(endpoint('new', 'front', '10.0.0.3'));
    names.disconnect('db', 'id of front');
    assert.equal(names.reverse('web', '10.0.0.3'), 'new.front');
  });
});
