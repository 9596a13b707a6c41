import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addressOf, interfaceOf, joinOf, poolOf } from './answers.ts';

const plain = {
  sourceName: '',
  prefix: 'eth',
  gateway: '',
  gatewayIpv6: '',
  defaultOnLink: [],
  routes: [],
  standAlone: false,
};

test('what Join answers', () => {
  assert.deepEqual(joinOf({}), plain);
  const whole = joinOf({
    InterfaceName: { SrcName: 'v1', DstPrefix: 'net' },
    Gateway: '10.1.0.1',
    GatewayIPv6: 'fe80:0::1',
    StaticRoutes: [
      { Destination: '10.2.3.4/16', RouteType: 0, NextHop: '10.1.0.9' },
      { Destination: 'fd00::/8', RouteType: 1 },
    ],
    DisableGatewayService: true,
  });
  assert.deepEqual(whole, {
    ...plain,
    sourceName: 'v1',
    prefix: 'net',
    gateway: '10.1.0.1',
    gatewayIpv6: 'fe80::1',
    routes: [
      { destination: '10.2.0.0/16', gateway: '10.1.0.9' },
      { destination: 'fd00::/8', gateway: '' },
    ],
    standAlone: true,
  });
});

test('a default route among the static ones is the gateway', () => {
  const routes = (...StaticRoutes: object[]) => joinOf({ Gateway: '', StaticRoutes });
  assert.deepEqual(routes({ Destination: '0.0.0.0/0', NextHop: '10.1.0.1' }), { ...plain, gateway: '10.1.0.1' });
  assert.deepEqual(routes({ Destination: '::/0', NextHop: 'fd00::1' }), { ...plain, gatewayIpv6: 'fd00::1' });
  assert.deepEqual(routes({ Destination: '0.0.0.0/0', RouteType: 1 }), { ...plain, defaultOnLink: [4] });
});

test('what CreateEndpoint answers', () => {
  const nothing = { address: '', addressIpv6: '', macAddress: '' };
  assert.deepEqual(interfaceOf({}), nothing);
  assert.deepEqual(interfaceOf({ Interface: null }), nothing);
  assert.deepEqual(
    interfaceOf({ Interface: { Address: '10.1.0.7/16', AddressIPv6: 'fd00::7/64', MacAddress: '02-AA-00-00-00-01' } }),
    { address: '10.1.0.7/16', addressIpv6: 'fd00::7/64', macAddress: '02:aa:00:00:00:01' },
  );
});

test('what IPAM plugins answer', () => {
  const pool = { PoolID: 'p', Pool: '10.1.2.3/16', Data: { 'com.docker.network.gateway': '10.1.0.9/16' } };
  assert.deepEqual(poolOf(pool), { poolId: 'p', subnet: '10.1.0.0/16', gateway: '10.1.0.9/16' });
  assert.equal(addressOf({ Address: 'fd00::0:7/64' }), 'fd00::7/64');
});

test('nonsense is refused', () => {
  for (const answer of [
    { InterfaceName: { SrcName: '../x', DstPrefix: 'eth' } },
    { InterfaceName: { SrcName: 'a', DstPrefix: 'much-too-long-a-prefix' } },
    { Gateway: '10.1' },
    { GatewayIPv6: '10.1.0.1' },
    { StaticRoutes: ['x'] },
    { StaticRoutes: [{ Destination: '10.0.0.0/8', NextHop: 'fd00::1' }] },
  ]) {
    assert.throws(() => joinOf(answer), { code: 'system' }, JSON.stringify(answer));
  }
  for (const given of [{ Address: '10.1.0.7' }, { AddressIPv6: '10.1.0.7/8' }, { MacAddress: '02:00' }]) {
    assert.throws(() => interfaceOf({ Interface: given }), { code: 'system' }, JSON.stringify(given));
  }
  assert.throws(() => addressOf({}), { message: 'No address returned' });
  assert.throws(() => addressOf({ Address: '10.1.0.300/8' }), { message: 'invalid CIDR address: 10.1.0.300/8' });
  assert.throws(() => poolOf({ Pool: 7 }), { message: 'invalid CIDR address: ' });
});
