import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { addressBytes, addressText } from './address.ts';

describe('IP addresses', () => {
  test('there and back, in the usual form', () => {
    for (const [given, usual = given] of [
      ['172.17.0.2'],
      ['0.0.0.0'],
      ['::'],
      ['::1'],
      ['fd00::'],
      ['2001:DB8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
      ['2001:db8:0:1:1:1:1:1'],
      ['fe80::1:2:3:4'],
      ['::ffff:10.1.2.3', '::ffff:a01:203'],
      ['1:2:3:4:5:6:7:8'],
      ['1:0:0:2:0:0:0:3', '1:0:0:2::3'],
    ] as const) {
      const bytes = addressBytes(given);
      assert.ok(bytes !== undefined, given);
      assert.equal(addressText(bytes), usual);
    }
  });

  test('what is none', () => {
    for (const text of ['', '1.2.3', '256.1.1.1', '01.1.1.1', 'fe80::1%eth0', '1::2::3', 'g::', 'host']) {
      assert.equal(addressBytes(text), undefined, text);
    }
  });
});
