import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { PortRequest } from './contract.ts';
import { joinMappings, type PortMapping } from './port-rules.ts';
import { type Means, planPorts, proxied, relayed, relayTarget, translated } from './publish-plan.ts';

const dual = { id: 'c', ipAddress: '10.0.0.2', ipv6Address: 'fd00::2', hostInterface: '', hostBinding: '' };
const plain = { ...dual, ipv6Address: '' };
const only6 = { ...dual, ipAddress: '' };
const all: Means = { ipv6: true, rules: { 4: true, 6: true }, relay: true };
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
    assert.deepEqual(plan(plain, [want(1)], { ...all, relay: false }), ['1-1: 0.0.0.0']);
    assert.deepEqual(plan(plain, [want(1, '', { protocol: 'udp' })], all), ['1-1: 0.0.0.0 ::']);
    assert.deepEqual(plan(plain, [want(1, '', { protocol: 'sctp' })], all), ['1-1: 0.0.0.0']);
    assert.deepEqual(plan(only6, [want(1)], all), ['1-1: ::']);
    assert.deepEqual(plan({ ...only6, hostBinding: '10.1.1.1' }, [want(1)], all), []);
    assert.deepEqual(plan(dual, [want(1)], { ...all, ipv6: false, relay: false }), ['1-1: 0.0.0.0']);
    assert.deepEqual(plan({ ...dual, hostBinding: '127.0.0.1' }, [want(1)], all), ['1-1: 127.0.0.1']);
    assert.deepEqual(plan({ ...dual, hostBinding: '127.0.0.1' }, [want(1, '0.0.0.0')], all), ['1-1: 0.0.0.0']);
    assert.deepEqual(plan({ ...dual, hostBinding: '::1' }, [want(1)], all), ['1-1: ::1']);
    assert.throws(() => plan(plain, [want(1, '::', { protocol: 'sctp' })], all), {
      code: 'not_supported',
      message: 'cannot publish 80/sctp on ::: SCTP goes by packet filter rules alone, within one address family',
    });
    assert.throws(() => plan(plain, [want(1, '::1')], { ...all, relay: false }), { code: 'not_supported' });
  });

  test('who carries what', () => {
    const ports = (['tcp', 'udp'] as const).flatMap((protocol) =>
      ['0.0.0.0', '::', '::1', 'fd00::9'].map((hostIp) => ({ containerPort: 80, protocol, hostIp, hostPort: 1 })),
    );
    const shown = (list: readonly { protocol: string; hostIp: string }[]): string =>
      list.map(({ protocol, hostIp }) => `${protocol} ${hostIp}`).join(', ');
    assert.equal(shown(translated(plain, ports, all)), 'tcp 0.0.0.0, udp 0.0.0.0');
    assert.equal(shown(relayed(plain, ports, all)), 'tcp ::, tcp ::1, tcp fd00::9, udp ::, udp ::1, udp fd00::9');
    assert.equal(shown(relayed(dual, ports, all)), 'tcp ::, tcp ::1, udp ::, udp ::1');
    assert.equal(shown(proxied(ports, all)), '');
    const no6 = { ...all, rules: { 4: true, 6: false } };
    assert.equal(shown(translated(dual, ports, no6)), 'tcp 0.0.0.0, udp 0.0.0.0');
    assert.equal(shown(relayed(dual, ports, no6)), '');
    assert.equal(shown(proxied(ports, no6)), 'tcp ::, tcp ::1, tcp fd00::9, udp ::, udp ::1, udp fd00::9');
    assert.equal(shown(proxied(ports, { ...no6, relay: false })), '');
    assert.deepEqual(
      [dual, plain, only6].map((endpoint) => ports.slice(0, 2).map((port) => relayTarget(endpoint, port).address)),
      [
        ['10.0.0.2', 'fd00::2'],
        ['10.0.0.2', '10.0.0.2'],
        ['fd00::2', 'fd00::2'],
      ],
    );
  });

  test('without rules: by the daemon, or only reserved', () => {
    const none = { ...all, rules: { 4: false, 6: false } };
    assert.deepEqual(plan(plain, [want(1, '', { protocol: 'udp' })], none), ['1-1: 0.0.0.0 ::']);
    assert.throws(() => plan(plain, [want(1, '', { protocol: 'sctp' })], none), { code: 'not_supported' });
    assert.deepEqual(plan(plain, [want(1)], { ...none, relay: false }), ['1-1: 0.0.0.0']);
    assert.deepEqual(plan(dual, [want(1, '', { protocol: 'sctp' })], { ...none, relay: false }), ['1-1: 0.0.0.0 ::']);
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
