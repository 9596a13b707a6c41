import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { addressBytes, canonicalAddress, networkBounds } from './address.ts';

describe('addresses', () => {
  test('bytes', () => {
    for (const [text, hex] of [
      ['10.1.2.255', '0a0102ff'],
      ['::', '00'.repeat(16)],
      ['::1', `${'00'.repeat(15)}01`],
      ['fd00:1::a:b', 'fd0000010000000000000000000a000b'],
      ['2001:db8:1:2:3:4:5:6', '20010db8000100020003000400050006'],
      ['64:ff9b::1.2.3.4', '0064ff9b000000000000000001020304'],
      ['fe80::', `fe80${'00'.repeat(14)}`],
    ] as const) {
      assert.equal(addressBytes(text).toString('hex'), hex, text);
    }
    for (const bad of ['', '1.2.3', '1.2.3.256', ':::', 'fe80::1%eth0', 'localhost']) {
      assert.throws(() => addressBytes(bad), { code: 'invalid_parameter', message: `invalid IP address: ${bad}` });
    }
  });

  test('one way to write each', () => {
    assert.equal(canonicalAddress('FD00:0:0::0001'), 'fd00::1');
    assert.equal(canonicalAddress('::ffff:10.0.0.1'), '10.0.0.1');
    assert.equal(canonicalAddress('10.0.0.1'), '10.0.0.1');
  });

  test('bounds of networks', () => {
    const bounds = (cidr: string): string[] => Object.values(networkBounds(cidr)).map((one) => one.toString('hex'));
    assert.deepEqual(bounds('10.88.3.7/22'), ['0a580000', '0a5803ff']);
    assert.deepEqual(bounds('0.0.0.0/0'), ['00000000', 'ffffffff']);
    assert.deepEqual(bounds('fd88::1/64'), ['fd880000000000000000000000000000', 'fd88000000000000ffffffffffffffff']);
  });
});
