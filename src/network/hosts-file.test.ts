import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { linkLines, makeHostsFile, replaceLinkLines } from './hosts-file.ts';

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

  test('linked containers come between extra hosts and itself', () => {
    const links = linkLines({ alias: 'store', hostname: 'abc', name: 'db', addresses: ['172.17.0.3', 'fd00::3'] });
    assert.deepEqual(make({ addresses: ['172.17.0.2'], extraHosts: ['a:10.0.0.1'], links }), [
      '10.0.0.1\ta',
      '172.17.0.3\tstore abc db',
      'fd00::3\tstore abc db',
      '172.17.0.2\tabc',
    ]);
    const same = linkLines({ alias: 'db', hostname: 'abc', name: 'db', addresses: ['172.17.0.3'] });
    assert.deepEqual(same, ['172.17.0.3\tdb abc']);
  });

  test('lines of one linked container are replaced, all others stay', () => {
    const text = '127.0.0.1\tlocalhost\n10.0.0.1\tdb\n1.1.1.1\tdb abc\nfd00::1\tdb abc\n2.2.2.2\tdb2 abc\nhand made';
    const rest = '2.2.2.2\tdb2 abc\nhand made';
    const start = '127.0.0.1\tlocalhost\n10.0.0.1\tdb\n';
    assert.equal(replaceLinkLines(text, 'db', ['3.3.3.3\tdb x']), `${start}3.3.3.3\tdb x\n${rest}`);
    assert.equal(replaceLinkLines(text, 'db', []), start + rest);
    assert.equal(replaceLinkLines(text, 'none', ['3.3.3.3\tnone x']), text);
  });
});
