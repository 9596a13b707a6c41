import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { PortRequest } from './contract.ts';
import { joinMappings, type PortMapping } from './port-rules.ts';
import { planPorts } from './publish-plan.ts';

const dual = { id: 'c', ipAddress: '10.0.0.2', ipv6Address: 'fd00::2', hostInterface: '', hostBinding: '' };
const plain = { ...dual, ipv6Address: '' };
const all = { ipv6: true, relay: true };
const want = (hostPort: number, hostIp = '', more: Partial<PortRequest> = {}): PortRequest => ({
  containerPort: 80,
  protocol: 'tcp',
  hostIp,
  hostPort,
  hostPortEnd: hostPort,
  ...more,
});
const plan = (...args: Parameters<typeof planPorts>): string[] =>
  planPorts(...args).map((group) => `${group.first}-${group.last}: ${group.addresses.join(' ')}`);

describe('publish plan', () => {
  test('which addresses', () => {
    assert.deepEqual(plan(dual, [want(1)], all), ['1-1: 0.0.0.0 ::']);
    assert.deepEqual(plan(plain, [want(1)], all), ['1-1: 0.0.0.0 ::']);
    assert.deepEqual(plan(plain, [want(1)], { ipv6: true, relay: false }), ['1-1: 0.0.0.0']);
    assert.deepEqual(plan(plain, [want(1, '', { protocol: 'udp' })], all), ['1-1: 0.0.0.0']);
    assert.deepEqual(plan(dual, [want(1)], { ipv6: false, relay: false }), ['1-1: 0.0.0.0']);
    assert.deepEqual(plan({ ...dual, hostBinding: '127.0.0.1' }, [want(1)], all), ['1-1: 127.0.0.1']);
    assert.deepEqual(plan({ ...dual, hostBinding: '127.0.0.1' }, [want(1, '0.0.0.0')], all), ['1-1: 0.0.0.0']);
    assert.throws(() => plan(plain, [want(1, '::', { protocol: 'udp' })], all), { code: 'not_supported' });
  });

  test('exact ports first, the same port on several addresses', () => {
    assert.deepEqual(plan(plain, [want(0, '127.0.0.1'), want(0, '10.0.0.1'), want(9)], all), [
      '9-9: 0.0.0.0 ::',
      '0-0: 127.0.0.1 10.0.0.1',
    ]);
    assert.deepEqual(plan(plain, [want(0, '127.0.0.1'), want(0, '127.0.0.1')], all), [
      '0-0: 127.0.0.1',
      '0-0: 127.0.0.1',
    ]);
  });

  test('ports in a row become one range, only where they keep their numbers', () => {
    const row = (count: number, shift = 0): PortMapping[] =>
      Array.from({ length: count }, (_, index) => ({
        protocol: 'tcp',
        hostIp: '0.0.0.0',
        hostPort: 1000 + index,
        count: 1,
        target: '10.0.0.2',
        containerPort: 1000 + index + shift,
      }));
    assert.deepEqual(joinMappings(row(100).reverse()), [{ ...row(1)[0], count: 100 }]);
    assert.equal(joinMappings(row(100, 1)).length, 100);
    assert.equal(joinMappings(row(3)).length, 3);
    const gap = row(100).filter((mapping) => mapping.hostPort !== 1050);
    assert.deepEqual(
      joinMappings(gap).map((mapping) => [mapping.hostPort, mapping.count]),
      [
        [1000, 50],
        [1051, 49],
      ],
    );
  });
});
