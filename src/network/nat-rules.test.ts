import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseCidr } from './ipv4.ts';
import { natScript, tableName } from './nat-rules.ts';

const options = { bridgeName: 'gantry0', network: parseCidr('172.17.0.1/16').network, icc: true, masquerade: true };

describe('NAT rules', () => {
  test('the whole script', () => {
    assert.equal(
      natScript(options),
      `table ip gantry_gantry0
delete table ip gantry_gantry0
table ip gantry_gantry0 {
  chain forward {
    type filter hook forward priority filter; policy accept;
    oifname "gantry0" ct state established,related accept
    iifname "gantry0" oifname "gantry0" accept
    oifname "gantry0" drop
  }
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr 172.17.0.0/16 oifname != "gantry0" masquerade
  }
}
`,
    );
  });

  test('options', () => {
    assert.match(natScript({ ...options, icc: false }), /iifname "gantry0" oifname "gantry0" drop/);
    assert.doesNotMatch(natScript({ ...options, masquerade: false }), /masquerade/);
  });

  test('a table name that nft reads, one for each bridge', () => {
    assert.equal(tableName('br0.7'), 'gantry_br0.7');
    assert.equal(tableName('br-1'), 'gantry_br_2d1');
    assert.notEqual(tableName('br-1'), tableName('br_1'));
  });
});
