import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { contains, formatAddress, formatNetwork, lastOf, overlaps, parseAddress, parseCidr } from './ip.ts';
import { chooseNetwork, DEFAULT_ADDRESS_POOLS, localIpv6Pool, macOf, SubnetAllocator } from './ipam.ts';

const network = (text: string) => parseCidr(text).network;
const ip = (text: string) => parseAddress(text)!;
const text4 = (value: bigint | undefined) => (value === undefined ? undefined : formatAddress(4, value));

describe('addresses and networks', () => {
  test('networks', () => {
    assert.equal(formatNetwork(network('172.17.42.1/16')), '172.17.0.0/16');
    assert.equal(formatNetwork(network('255.255.255.255/0')), '0.0.0.0/0');
    assert.equal(formatNetwork(network('fd00:1:2:3:4::5/64')), 'fd00:1:2:3::/64');
    assert.equal(text4(lastOf(network('192.168.16.1/20'))), '192.168.31.255');
    assert.equal(text4(lastOf(network('10.0.0.1/32'))), '10.0.0.1');
    assert.equal(formatAddress(6, lastOf(network('fd00::/126'))), 'fd00::3');
    assert.ok(contains(network('200.0.0.0/8'), ip('200.255.0.1')));
    assert.ok(!contains(network('200.0.0.0/8'), ip('201.0.0.1')));
    assert.ok(!contains(network('::/0'), ip('201.0.0.1')));
    assert.ok(overlaps(network('10.0.0.0/8'), network('10.9.0.0/16')));
    assert.ok(overlaps(network('10.9.0.0/16'), network('10.0.0.0/8')));
    assert.ok(!overlaps(network('10.8.0.0/16'), network('10.9.0.0/16')));
    assert.ok(!overlaps(network('0.0.0.0/0'), network('::/0')));
  });

  test('what is no network is refused', () => {
    for (const text of ['', '10.0.0.1', '10.0.0.1/33', '10.0.0.1/', '10.0.0.1/1/2', '10.0.0/8', '::1/129', '::1/-1']) {
      assert.throws(() => parseCidr(text), { code: 'invalid_parameter', message: `invalid CIDR address: ${text}` });
    }
  });
});

describe('choice of a network', () => {
  const choose = (...used: string[]) => {
    const found = chooseNetwork(4, DEFAULT_ADDRESS_POOLS, used.map(network));
    return found === undefined ? undefined : formatNetwork(found);
  };

  test('the first that overlaps nothing', () => {
    assert.equal(choose(), '172.17.0.0/16');
    assert.equal(choose('10.0.0.0/8', '172.17.3.0/24'), '172.18.0.0/16');
    assert.equal(choose('172.16.0.0/14', '172.20.0.1/32'), '172.21.0.0/16');
    assert.equal(choose('172.16.0.0/12'), '192.168.0.0/20');
    assert.equal(choose('172.16.0.0/12', '192.168.0.0/24', '192.168.16.0/22'), '192.168.32.0/20');
  });

  test('hundreds of them, then none', () => {
    const used: string[] = [];
    for (let found = choose(); found !== undefined; found = choose(...used)) used.push(found);
    assert.equal(used.length, 31 + 768);
    assert.equal(new Set(used).size, used.length);
    assert.equal(choose('172.16.0.0/12', '192.168.0.0/16', '10.0.0.0/8'), undefined);
  });

  test("IPv6 networks are of a range that is the engine's own", () => {
    const pool = localIpv6Pool('an engine');
    assert.match(pool.base, /^fd[0-9a-f:]+::\/48$/);
    assert.notEqual(pool.base, localIpv6Pool('another').base);
    const first = chooseNetwork(6, [...DEFAULT_ADDRESS_POOLS, pool], []);
    const second = chooseNetwork(6, [pool], [first!]);
    assert.equal(formatNetwork(first!), pool.base.replace('/48', '/64'));
    assert.equal(second!.base - first!.base, 1n << 64n);
  });
});

describe('addresses of a subnet', () => {
  test('the lowest free one, never network, gateway or broadcast address', () => {
    const addresses = new SubnetAllocator(network('10.1.2.0/29'), [ip('10.1.2.1').value]);
    const given = [1, 2, 3, 4, 5].map(() => text4(addresses.allocate()));
    assert.deepEqual(given, ['10.1.2.2', '10.1.2.3', '10.1.2.4', '10.1.2.5', '10.1.2.6']);
    assert.equal(addresses.allocate(), undefined);
    addresses.release(ip('10.1.2.4').value);
    addresses.release(ip('10.1.2.3').value);
    assert.equal(text4(addresses.allocate()), '10.1.2.3');
    assert.equal(text4(addresses.allocate()), '10.1.2.4');
  });

  test('a given address: once, and only of the subnet', () => {
    const addresses = new SubnetAllocator(network('10.1.2.0/24'), [ip('10.1.2.1').value]);
    assert.ok(addresses.take(ip('10.1.2.2')));
    assert.ok(!addresses.take(ip('10.1.2.2')));
    for (const text of ['10.1.2.0', '10.1.2.1', '10.1.2.255', '10.1.3.2']) assert.ok(!addresses.take(ip(text)), text);
    assert.equal(text4(addresses.allocate()), '10.1.2.3');
    addresses.release(ip('10.1.2.2').value);
    assert.ok(addresses.take(ip('10.1.2.2')));
  });

  test('a range within the subnet: chosen addresses are of it, given ones need not be', () => {
    const addresses = new SubnetAllocator(network('10.1.0.0/16'), [ip('10.1.0.1').value], network('10.1.5.0/30'));
    assert.ok(addresses.take(ip('10.1.9.9')));
    assert.deepEqual(
      [1, 2, 3, 4, 5].map(() => text4(addresses.allocate())),
      ['10.1.5.0', '10.1.5.1', '10.1.5.2', '10.1.5.3', undefined],
    );
    addresses.release(ip('10.1.9.9').value);
    assert.equal(addresses.allocate(), undefined);
    addresses.release(ip('10.1.5.2').value);
    assert.equal(text4(addresses.allocate()), '10.1.5.2');
  });

  test('no address is given twice, whatever the order of requests and releases', () => {
    const addresses = new SubnetAllocator(network('10.1.0.0/25'), [ip('10.1.0.1').value]);
    const held = new Set<bigint>();
    let seed = 42;
    const random = (below: number): number => {
      seed = (seed * 1103515245 + 12345) % 2147483648;
      return Math.floor((seed / 2147483648) * below);
    };
    for (let step = 0; step < 5000; step++) {
      if (held.size < 125 && random(2) === 0) {
        const lowest = Array.from({ length: 126 }, (_, host) => ip('10.1.0.1').value + BigInt(host)).find(
          (address) => address !== ip('10.1.0.1').value && !held.has(address),
        );
        const address = addresses.allocate()!;
        assert.equal(address, lowest);
        held.add(address);
      } else if (held.size > 0) {
        const address = [...held][random(held.size)]!;
        held.delete(address);
        addresses.release(address);
      }
    }
  });

  test('an address that is kept goes to others last, and to who asks for it at once', () => {
    const addresses = new SubnetAllocator(network('10.1.2.0/29'), [ip('10.1.2.1').value]);
    const [two, three] = [ip('10.1.2.2'), ip('10.1.2.3')];
    for (const address of [two, three, two]) addresses.keep(address.value);
    assert.equal(text4(addresses.allocate()), '10.1.2.4');
    assert.ok(addresses.take(three));
    addresses.release(three.value);
    addresses.unkeep(two.value);
    assert.equal(text4(addresses.allocate()), '10.1.2.5', 'kept for one more');
    addresses.unkeep(two.value);
    assert.deepEqual(
      [1, 2, 3, 4].map(() => text4(addresses.allocate())),
      ['10.1.2.2', '10.1.2.6', '10.1.2.3', undefined],
    );
    addresses.unkeep(three.value);
    assert.equal(addresses.allocate(), undefined);
    addresses.release(three.value);
    assert.equal(text4(addresses.allocate()), '10.1.2.3');
  });

  test('a MAC address is derived from the address', () => {
    assert.equal(macOf(4, ip('172.17.0.2').value), '02:42:ac:11:00:02');
    const [one, other] = [macOf(6, ip('fd00::2').value), macOf(6, ip('fd00::3').value)];
    for (const mac of [one, other]) assert.match(mac, /^02(:[0-9a-f]{2}){5}$/);
    assert.equal(macOf(6, ip('fd00:0::2').value), one);
    assert.notEqual(one, other);
  });
});
