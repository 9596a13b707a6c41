import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { PublishedPort } from '../../network/ports/contract.ts';
import { preparePortChange } from './port-changes.ts';

const tcp = (containerPort: number, hostPort: number, hostIp = '0.0.0.0'): PublishedPort => ({
  containerPort,
  protocol: 'tcp',
  hostIp,
  hostPort,
});
const both = (containerPort: number, hostPort: number): PublishedPort[] => [
  tcp(containerPort, hostPort),
  tcp(containerPort, hostPort, '::'),
];
const binding = (HostPort: string, HostIp = '') => ({ HostIp, HostPort });

describe('changes of published ports', () => {
  const current = { '80/tcp': [binding('8080'), binding('8081', '127.0.0.1')], '53/udp': [binding('')] };
  const published = [...both(80, 8080), tcp(80, 8081, '127.0.0.1'), { ...tcp(53, 40_000), protocol: 'udp' as const }];

  test('what is added joins what is there', () => {
    const { bindings, gone, requests } = preparePortChange(current, published, {
      add: { '80': [binding('9000')], '443/tcp': [binding('8443', '::1')] },
      remove: {},
    });
    assert.deepEqual(bindings, {
      ...current,
      '80/tcp': [...current['80/tcp'], binding('9000')],
      '443/tcp': [binding('8443', '::1')],
    });
    assert.deepEqual(gone, []);
    assert.deepEqual(
      requests.map(({ containerPort, hostIp, hostPort }) => [containerPort, hostIp, hostPort]),
      [
        [80, '', 9000],
        [443, '::1', 8443],
      ],
    );
    assert.equal(current['80/tcp'].length, 2);
    assert.throws(() => preparePortChange(current, published, { add: { '80/tcp': [binding('8080')] }, remove: {} }), {
      code: 'conflict',
      message: 'the container publishes 8080:80/tcp already',
    });
    assert.throws(() => preparePortChange(current, [], { add: { '80/tcp': [binding('x')] }, remove: {} }), {
      code: 'invalid_parameter',
    });
  });

  test('all of a port, one address, one port of the host', () => {
    const remove = (map: Record<string, { HostIp: string; HostPort: string }[] | null>) =>
      preparePortChange(current, published, { add: {}, remove: map });
    assert.deepEqual(remove({ '80/tcp': null }).bindings, { '53/udp': current['53/udp'] });
    assert.deepEqual(remove({ '80': [binding('')] }).gone, published.slice(0, 3));
    assert.deepEqual(remove({ '80/tcp': [binding('8080')] }).gone, both(80, 8080));
    assert.deepEqual(remove({ '80/tcp': [binding('', '127.0.0.1')] }).gone, [tcp(80, 8081, '127.0.0.1')]);
    assert.deepEqual(remove({ '53/udp': [binding('40000')] }).bindings, { '80/tcp': current['80/tcp'] });
    assert.throws(() => remove({ '81/tcp': [] }), { message: 'the container does not publish 81/tcp' });
    assert.throws(() => remove({ '80/tcp': [binding('8082', '::1')] }), {
      code: 'invalid_parameter',
      message: 'the container does not publish ::1:8082:80/tcp',
    });
  });

  test('one of several ports that were chosen at random, or from a range', () => {
    const random = { '80/tcp': [binding(''), binding(''), binding('9000-9010')] };
    const taken = [...both(80, 40_001), ...both(80, 40_002), ...both(80, 9005)];
    const { bindings, gone } = preparePortChange(random, taken, { add: {}, remove: { '80/tcp': [binding('40002')] } });
    assert.deepEqual(gone, both(80, 40_002));
    assert.deepEqual(bindings, { '80/tcp': [binding(''), binding('9000-9010')] });
    const range = preparePortChange(random, taken, { add: {}, remove: { '80/tcp': [binding('9000-9010')] } });
    assert.deepEqual(range.gone, both(80, 9005));
    assert.equal(range.bindings['80/tcp']!.length, 2);
  });

  test('moved to another port of the container in one step', () => {
    const moved = preparePortChange({ '80/tcp': [binding('8080')] }, both(80, 8080), {
      add: { '81/tcp': [binding('8080')] },
      remove: { '80/tcp': [binding('8080')] },
    });
    assert.deepEqual(moved.bindings, { '81/tcp': [binding('8080')] });
    assert.deepEqual(moved.gone, both(80, 8080));
  });
});
