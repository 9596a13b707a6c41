import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { makeHostsFile } from './hosts-file.ts';

/** The lines after those for loopback, which are the same in every file. */
function make(request: Partial<Parameters<typeof makeHostsFile>[0]>): string[] {
  const text = makeHostsFile({ hostname: 'abc', domainname: '', addresses: [], extraHosts: [], ...request }, [
    '172.17.0.1',
  ]);
  const lines = text.split('\n');
  assert.equal(lines[0], '127.0.0.1\tlocalhost');
  assert.equal(lines[1], '::1\tlocalhost ip6-localhost ip6-loopback');
  assert.equal(lines.at(-1), '');
  return lines.slice(6, -1);
}

describe('hosts file', () => {
  test('host-gateway is a line for each of its addresses, and an error without one', () => {
    const request = { hostname: 'abc', domainname: '', addresses: [], extraHosts: ['up:host-gateway'] };
    const lines = makeHostsFile(request, ['10.0.0.1', 'fd00::1']).split('\n');
    assert.deepEqual(lines.slice(6), ['10.0.0.1\tup', 'fd00::1\tup', '']);
    assert.throws(() => makeHostsFile(request, []), /unable to derive the IP value for host-gateway/);
  });

  test('the container itself, at each address', () => {
    assert.deepEqual(make({ addresses: ['172.17.0.2', '10.0.0.2'] }), ['172.17.0.2\tabc', '10.0.0.2\tabc']);
    assert.deepEqual(make({}), []);
  });

  test('full name and bare name, whichever way they were given', () => {
    const expected = ['172.17.0.2\tweb.example.org web'];
    assert.deepEqual(make({ hostname: 'web', domainname: 'example.org', addresses: ['172.17.0.2'] }), expected);
    assert.deepEqual(make({ hostname: 'web.example.org', addresses: ['172.17.0.2'] }), expected);
  });

  test('extra hosts come before it', () => {
    const extraHosts = [
      'db:10.0.0.5',
      'six:fd00::5',
      'bracket:[fd00::6]',
      'equal=10.0.0.7',
      'host.docker.internal:host-gateway',
    ];
    assert.deepEqual(make({ addresses: ['172.17.0.2'], extraHosts }), [
      '10.0.0.5\tdb',
      'fd00::5\tsix',
      'fd00::6\tbracket',
      '10.0.0.7\tequal',
      '172.17.0.1\thost.docker.internal',
      '172.17.0.2\tabc',
    ]);
  });
});
