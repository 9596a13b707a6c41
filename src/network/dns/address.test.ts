import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { addressBytes, canonicalAddress, reverseAddress } from './address.ts';

const hex = (text: string): string | undefined => {
  const bytes = addressBytes(text);
  return bytes === undefined ? undefined : Buffer.from(bytes).toString('hex');
};

describe('addresses', () => {
  test('text to bytes', () => {
    assert.equal(hex('10.0.255.1'), '0a00ff01');
    assert.equal(hex('::'), '00'.repeat(16));
    assert.equal(hex('::1'), `${'00'.repeat(15)}01`);
    assert.equal(hex('fd00::1:2'), `fd00${'00'.repeat(10)}00010002`);
    assert.equal(hex('1:2:3:4:5:6:7:8'), '00010002000300040005000600070008');
    assert.equal(hex('::ffff:10.0.0.1'), `${'00'.repeat(10)}ffff0a000001`);
    assert.equal(hex('fe80::1%eth0'), `fe80${'00'.repeat(13)}01`);
    for (const none of ['', 'web', '10.0.0', '10.0.0.256', '1::2::3', '10.0.0.1:53'])
      assert.equal(hex(none), undefined);
  });

  test('names of the reverse tree', () => {
    assert.equal(reverseAddress('4.3.2.10.in-addr.arpa'), '10.2.3.4');
    const nibbles = `2.${'0.'.repeat(27)}0.0.d.f.ip6.arpa`;
    assert.equal(reverseAddress(nibbles), canonicalAddress('fd00:0:0:0::2'));
    for (const none of [
      '3.2.10.in-addr.arpa',
      '256.3.2.10.in-addr.arpa',
      'x.4.3.2.10.in-addr.arpa',
      '0.d.f.ip6.arpa',
      '',
    ]) {
      assert.equal(reverseAddress(none), undefined, none);
    }
  });
});
