import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { linkEnvironment } from './link-environment.ts';
import { parseLink } from './link-option.ts';

describe('links as options', () => {
  test('with an alias, without one, and as inspect shows them', () => {
    assert.deepEqual(parseLink('db:store'), { name: 'db', alias: 'store' });
    assert.deepEqual(parseLink('db'), { name: 'db', alias: 'db' });
    assert.deepEqual(parseLink('/db:/web/store'), { name: 'db', alias: 'store' });
  });

  test('refused in other forms', () => {
    assert.throws(() => parseLink(''), /^GantryError: empty string specified for links$/);
    assert.throws(() => parseLink('a:b:c'), /^GantryError: bad format for links: a:b:c$/);
  });
});

describe('environment of links', () => {
  const linked = { name: '/web/my-db', alias: 'my-db', address: '172.17.0.2', env: [], exposedPorts: [] };

  test('the name alone where nothing is exposed', () => {
    assert.deepEqual(linkEnvironment(linked), ['MY_DB_NAME=/web/my-db']);
  });

  test('ports, TCP first, and the variables of the other container without its HOME and PATH', () => {
    const env = ['PATH=/bin', 'HOME=/', 'USER=me', 'EMPTY=', 'X=a=b'];
    assert.deepEqual(linkEnvironment({ ...linked, env, exposedPorts: ['53/udp', '6379/tcp'] }), [
      'MY_DB_PORT=tcp://172.17.0.2:6379',
      'MY_DB_PORT_6379_TCP=tcp://172.17.0.2:6379',
      'MY_DB_PORT_6379_TCP_ADDR=172.17.0.2',
      'MY_DB_PORT_6379_TCP_PORT=6379',
      'MY_DB_PORT_6379_TCP_PROTO=tcp',
      'MY_DB_PORT_53_UDP=udp://172.17.0.2:53',
      'MY_DB_PORT_53_UDP_ADDR=172.17.0.2',
      'MY_DB_PORT_53_UDP_PORT=53',
      'MY_DB_PORT_53_UDP_PROTO=udp',
      'MY_DB_NAME=/web/my-db',
      'MY_DB_ENV_USER=me',
      'MY_DB_ENV_EMPTY=',
      'MY_DB_ENV_X=a=b',
    ]);
  });

  test('ports in a row have bounds too, however they were exposed', () => {
    const bounds = [
      'MY_DB_PORT_80_TCP_START=tcp://172.17.0.2:80',
      'MY_DB_PORT_80_TCP_PORT_START=80',
      'MY_DB_PORT_80_TCP_END=tcp://172.17.0.2:82',
      'MY_DB_PORT_80_TCP_PORT_END=82',
    ];
    for (const exposedPorts of [['82/tcp', '80/tcp', '81/tcp', '84/tcp', '83/udp'], ['80-82/tcp']]) {
      const variables = linkEnvironment({ ...linked, exposedPorts });
      assert.deepEqual(
        variables.filter((entry) => /_(START|END)=/.test(entry)),
        bounds,
      );
      assert.ok(variables.includes('MY_DB_PORT_81_TCP_PORT=81'));
    }
  });
});
