import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { IPAMConfig } from '../api/schemas/network.ts';
import type { NetworkRecord } from './contract.ts';
import { preparePools } from './prepare.ts';

function prepared(...config: IPAMConfig[]): NetworkRecord {
  const record: NetworkRecord = {
    ...{ id: '0'.repeat(64), name: 'n', created: '', driver: 'bridge', enableIpv4: true, enableIpv6: true },
    ...{ internal: false, attachable: false, labels: {}, options: {}, pools: [] },
    ipam: { driver: 'default', options: null, config },
  };
  preparePools(record, {
    networks: [],
    host: [],
    avoid: [],
    pools: [
      { base: '10.9.0.0/16', size: 24 },
      { base: 'fd09::/48', size: 64 },
    ],
  });
  return record;
}

test('subnets that no interface can have are refused, not left to the first container', () => {
  for (const [subnet, message] of [
    ['fe80::/80', 'clashes with the Link-Local prefix fe80::/64'],
    ['fe80::/10', 'clashes with the Link-Local prefix fe80::/64'],
    ['ff05::/64', 'multicast'],
    ['::ffff:10.0.0.0/112', 'IPv4 within IPv6'],
    ['224.0.0.0/24', 'multicast'],
    ['0.0.0.0/8', 'this network'],
    ['0.0.0.0/0', 'this network'],
  ] as const) {
    assert.throws(
      () => prepared({ Subnet: subnet }),
      { code: 'invalid_parameter', message: new RegExp(message) },
      subnet,
    );
  }
  for (const subnet of ['fe80::/64', 'fd00:1::/64', '169.254.7.0/24', '100.64.0.0/24']) {
    assert.equal(
      prepared({ Subnet: subnet }).pools.some((pool) => pool.subnet === subnet),
      true,
      subnet,
    );
  }
});

test('a gateway is an address that a host can have', () => {
  for (const [subnet, gateway, message] of [
    ['10.1.2.0/24', '10.1.2.0', 'address of the network'],
    ['10.1.2.0/24', '10.1.2.255', 'broadcast'],
    ['10.1.2.0/24', '10.1.3.1', "doesn't contain"],
    ['fd00:1::/64', 'fd00:1::', 'address of the network'],
  ] as const) {
    const config = { Subnet: subnet, Gateway: gateway };
    assert.throws(() => prepared(config), { code: 'invalid_parameter', message: new RegExp(message) }, gateway);
  }
  for (const [subnet, gateway] of [
    ['10.1.2.0/31', '10.1.2.0'],
    ['10.1.2.0/31', '10.1.2.1'],
    ['10.1.2.4/32', '10.1.2.4'],
    ['fd00:1::/127', 'fd00:1::'],
    ['fd00:1::/64', 'fd00:1::ffff:ffff:ffff:ffff'],
  ] as const) {
    const pools = prepared({ Subnet: subnet, Gateway: gateway }).pools;
    assert.equal(pools.find((pool) => pool.subnet === subnet)?.gateway, gateway);
  }
});

test('gateway and auxiliary addresses are different ones', () => {
  const Subnet = '10.1.2.0/24';
  const clashing: IPAMConfig[] = [
    { Subnet, Gateway: '10.1.2.9', AuxiliaryAddresses: { b: '10.1.2.9' } },
    { Subnet, AuxiliaryAddresses: { a: '10.1.2.9', b: '10.1.2.9' } },
  ];
  for (const config of clashing) {
    const message = 'failed to allocate secondary ip address (b:10.1.2.9): Address already in use';
    assert.throws(() => prepared(config), { code: 'forbidden', message });
  }
  // The gateway that is chosen keeps out of their way.
  const { pools } = prepared({ Subnet, AuxiliaryAddresses: { a: '10.1.2.1', b: '10.1.2.2' } });
  assert.equal(pools[0]?.gateway, '10.1.2.3');
});
