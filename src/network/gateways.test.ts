import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Attachment, EndpointInfo } from './contract.ts';
import { chooseGateways } from './gateways.ts';

function at(networkName: string, endpoint: Partial<EndpointInfo>, internal = false): Attachment {
  return { endpoint: { networkName, ipAddress: '', ipv6Address: '', ...endpoint }, internal } as Attachment;
}

test('which endpoint the default route goes by', () => {
  const name = (...list: Attachment[]) => {
    const { ipv4, ipv6 } = chooseGateways(list);
    return [ipv4?.endpoint.networkName, ipv6?.endpoint.networkName];
  };
  const b = at('b', { ipAddress: '10.0.0.2' });
  const a = at('a', { ipAddress: '10.1.0.2' });
  assert.deepEqual(name(), [undefined, undefined]);
  assert.deepEqual(name(b, a), ['a', undefined]);
  assert.deepEqual(name(at('z', { ipAddress: '10.2.0.2', gatewayPriority: 1 }), a), ['z', undefined]);
  assert.deepEqual(name(at('0', { ipAddress: '10.2.0.2', gatewayPriority: -1 }), a), ['a', undefined]);
  assert.deepEqual(name(at('z', { ipAddress: '10.2.0.2', ipv6Address: 'fd00::2' }), a), ['z', 'z']);
  assert.deepEqual(name(at('six', { ipv6Address: 'fd00::2' }), a), ['a', 'six']);
  assert.deepEqual(name(at('inner', { ipAddress: '10.2.0.2', gatewayPriority: 9 }, true), b), ['b', undefined]);
});

test("by a plugin's network only where it leads out", () => {
  const link = {
    sourceName: 'v',
    prefix: 'eth',
    gateway: '',
    ipv6Gateway: '',
    routes: [],
    standAlone: false,
    index: 2,
  };
  const remote = { ...link, defaultOnLink: [] };
  const both = { ipAddress: '10.0.0.2', ipv6Address: 'fd00::2', interfaceName: 'eth0', gateway: '', ipv6Gateway: '' };
  const chosen = (endpoint: Partial<EndpointInfo>) => {
    const { ipv4, ipv6 } = chooseGateways([at('far', { ...both, remote, ...endpoint })]);
    return [ipv4 !== undefined, ipv6 !== undefined];
  };
  assert.deepEqual(chosen({}), [false, false]);
  assert.deepEqual(chosen({ gateway: '10.0.0.1' }), [true, false]);
  assert.deepEqual(chosen({ remote: { ...link, defaultOnLink: [6] } }), [false, true]);
  assert.deepEqual(chosen({ gateway: '10.0.0.1', interfaceName: '' }), [false, false]);
});
