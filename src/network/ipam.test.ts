import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { GantryError } from '../api/errors.ts';
import { chooseNetwork, DEFAULT_ADDRESS_POOLS, macOf, SubnetAllocator } from './ipam.ts';
import { broadcastOf, contains, formatIpv4, formatNetwork, overlaps, parseCidr, parseIpv4 } from './ipv4.ts';

const network = (text: string) => parseCidr(text).network;
const ip = (text: string) => parseIpv4(text)!;

describe('IPv4', () => {
  test('addresses are read and written', () => {
    for (const text of ['0.0.0.0', '127.0.0.1', '172.17.255.254', '255.255.255.255']) {
      assert.equal(formatIpv4(ip(text)), text);
    }
    for (const text of ['', '1.2.3', '1.2.3.4.5', '256.1.1.1', '01.2.3.4', '1.2.3.4 ', '::1', 'a.b.c.d', '-1.2.3.4']) {
      assert.equal(parseIpv4(text), undefined, text);
    }
  });

  test('networks', () => {
    assert.equal(formatNetwork(network('172.17.42.1/16')), '172.17.0.0/16');
    assert.equal(formatNetwork(network('255.255.255.255/0')), '0.0.0.0/0');
    assert.equal(formatIpv4(broadcastOf(network('192.168.16.1/20'))), '192.168.31.255');
    assert.equal(formatIpv4(broadcastOf(network('10.0.0.1/32'))), '10.0.0.1');
    assert.equal(formatIpv4(broadcastOf(network('200.0.0.1/0'))), '255.255.255.255');
    assert.ok(contains(network('200.0.0.0/8'), ip('200.255.0.1')));
    assert.ok(!contains(network('200.0.0.0/8'), ip('201.0.0.1')));
    assert.ok(overlaps(network('10.0.0.0/8'), network('10.9.0.0/16')));
    assert.ok(overlaps(network('10.9.0.0/16'), network('10.0.0.0/8')));
    assert.ok(!overlaps(network('10.8.0.0/16'), network('10.9.0.0/16')));
  });

  test('what is no network is refused', () => {
    for (const text of ['', '10.0.0.1', '10.0.0.1/33', '10.0.0.1/', '10.0.0.1/1/2', '10.0.0/8', '10.0.0.1/-1']) {
      assert.throws(() => parseCidr(text), { code: 'invalid_parameter', message: `invalid CIDR address: ${text}` });
    }
  });
});

describe('choice of a network', () => {
  const choose = (...used: string[]) => formatNetwork(chooseNetwork(DEFAULT_ADDRESS_POOLS, used.map(network)));

  test('the first that overlaps nothing', () => {
    assert.equal(choose(), '172.17.0.0/16');
    assert.equal(choose('10.0.0.0/8', '172.17.3.0/24'), '172.18.0.0/16');
    assert.equal(choose('172.16.0.0/14', '172.20.0.1/32'), '172.21.0.0/16');
    assert.equal(choose('172.16.0.0/12'), '192.168.0.0/20');
    assert.equal(choose('172.16.0.0/12', '192.168.0.0/24', '192.168.16.0/22'), '192.168.32.0/20');
  });

  test('none left', () => {
    assert.throws(() => choose('172.16.0.0/12', '192.168.0.0/16'), { code: 'unavailable' });
  });
});

describe('addresses of a subnet', () => {
  test('the lowest free one, never network, gateway or broadcast address', () => {
    const addresses = new SubnetAllocator(network('10.1.2.0/29'), [ip('10.1.2.1')]);
    const given = [1, 2, 3, 4, 5].map(() => formatIpv4(addresses.allocate()));
    assert.deepEqual(given, ['10.1.2.2', '10.1.2.3', '10.1.2.4', '10.1.2.5', '10.1.2.6']);
    assert.throws(
      () => addresses.allocate(),
      (error) => error instanceof GantryError && error.code === 'unavailable',
    );
    addresses.release(ip('10.1.2.4'));
    addresses.release(ip('10.1.2.3'));
    assert.equal(formatIpv4(addresses.allocate()), '10.1.2.3');
    assert.equal(formatIpv4(addresses.allocate()), '10.1.2.4');
  });

  test('a given address: once, and only of the subnet', () => {
    const addresses = new SubnetAllocator(network('10.1.2.0/24'), [ip('10.1.2.1')]);
    assert.ok(addresses.take(ip('10.1.2.2')));
    assert.ok(!addresses.take(ip('10.1.2.2')));
    for (const text of ['10.1.2.0', '10.1.2.1', '10.1.2.255', '10.1.3.2']) assert.ok(!addresses.take(ip(text)), text);
    assert.equal(formatIpv4(addresses.allocate()), '10.1.2.3');
    addresses.release(ip('10.1.2.2'));
    assert.ok(addresses.take(ip('10.1.2.2')));
  });

  test('no address is given twice, whatever the order of requests and releases', () => {
    const addresses = new SubnetAllocator(network('10.1.0.0/25'), [ip('10.1.0.1')]);
    const held = new Set<number>();
    let seed = 42;
    const random = (below: number): number => {
      seed = (seed * 1103515245 + 12345) % 2147483648;
      return Math.floor((seed / 2147483648) * below);
    };
    for (let step = 0; step < 5000; step++) {
      if (held.size < 125 && random(2) === 0) {
        const lowest = Array.from({ length: 126 }, (_, host) => ip('10.1.0.1') + host).find(
          (address) => address !== ip('10.1.0.1') && !held.has(address),
        );
        const address = addresses.allocate();
        assert.equal(address, lowest);
        held.add(address);
      } else if (held.size > 0) {
        const address = [...held][random(held.size)]!;
        held.delete(address);
        addresses.release(address);
      }
    }
  });

  test('a MAC address is derived from the address', () => {
    assert.equal(macOf(ip('172.17.0.2')), '02:42:ac:11:00:02');
  });
});
