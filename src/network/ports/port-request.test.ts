import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { portRequests } from './port-request.ts';

const of = (bindings: Parameters<typeof portRequests>[0]['bindings'], exposed: string[] = [], publishAll = false) =>
  portRequests({ bindings, exposed: Object.fromEntries(exposed.map((port) => [port, {}])), publishAll }).map(
    (one) => `${one.hostIp}:${one.hostPort}-${one.hostPortEnd}>${one.containerPort}/${one.protocol}`,
  );

describe('port requests', () => {
  test('every form of a binding', () => {
    assert.deepEqual(of({ '80/tcp': [{ HostPort: '8080' }] }), [':8080-8080>80/tcp']);
    assert.deepEqual(of({ '80': [{ HostIp: '127.0.0.1', HostPort: '8000-8010' }] }), ['127.0.0.1:8000-8010>80/tcp']);
    assert.deepEqual(of({ '53/UDP': [{}, { HostIp: '0:0::1', HostPort: '0' }] }), [':0-0>53/udp', '::1:0-0>53/udp']);
    assert.deepEqual(of({ '9/sctp': [{ HostIp: '', HostPort: '' }], '7/tcp': [], '8/tcp': null }), [':0-0>9/sctp']);
    assert.deepEqual(of(undefined, ['80/tcp']), []);
  });

  test('publish all takes what is exposed and not bound', () => {
    assert.deepEqual(of({ '80/tcp': [{ HostPort: '1' }], '81/tcp': [] }, ['80/tcp', '53/udp'], true), [
      ':1-1>80/tcp',
      ':0-0>53/udp',
      ':0-0>81/tcp',
    ]);
  });

  test('what is refused', () => {
    for (const port of ['0/tcp', '65536', 'x', '8000-8001/tcp', '', '80/tcp/x']) {
      assert.throws(() => of({ [port]: [{}] }), { code: 'invalid_parameter' }, port);
    }
    assert.throws(() => of({ '80/icmp': [{}] }), { message: 'invalid proto: icmp' });
    for (const HostPort of ['65536', '-1', '8010-8000', 'x', '1-2-3', '0-5']) {
      assert.throws(() => of({ '80/tcp': [{ HostPort }] }), { message: `invalid port specification: "${HostPort}"` });
    }
    assert.throws(() => of({ '80/tcp': [{ HostIp: 'nowhere' }] }), { message: 'invalid IP address: nowhere' });
  });
});
