import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { parseCidr } from './ip.ts';
import { type BridgeRules, natScript, tableName } from './nat-rules.ts';

const bridge = {
  bridgeName: 'gantry0',
  subnets: [parseCidr('172.17.0.1/16').network],
  icc: true,
  masquerade: true,
  internal: false,
  links: [],
  modes: { 4: 'nat', 6: 'nat' },
  sources: { 4: '', 6: '' },
  trusted: [],
  open: [],
} satisfies BridgeRules;

describe('rules of the bridges', () => {
  test('the whole script', () => {
    const inner = { ...bridge, bridgeName: 'br-1', subnets: [parseCidr('fd00::/64').network], internal: true };
    assert.equal(
      natScript('gantry_gantry0', [bridge, inner]),
      `table inet gantry_gantry0
delete table inet gantry_gantry0
table inet gantry_gantry0 {
  chain to_gantry0 {
    iifname "gantry0" accept
    ct status dnat accept
    drop
  }
  chain leave_gantry0 {
    oifname != "gantry0" masquerade
  }
  chain to_br_2d1 {
    iifname "br-1" accept
    drop
  }
  chain from_br_2d1 {
    oifname != "br-1" drop
  }
  map to {
    type ifname : verdict
    elements = { "gantry0" : goto to_gantry0, "br-1" : goto to_br_2d1 }
  }
  map from {
    type ifname : verdict
    elements = { "br-1" : jump from_br_2d1 }
  }
  map leaving4 {
    type ipv4_addr : verdict
    flags interval
    elements = { 172.17.0.0/16 : goto leave_gantry0 }
  }
  map leaving6 {
    type ipv6_addr : verdict
    flags interval
  }
  chain forward {
    type filter hook forward priority filter; policy accept;
    ct state established,related accept
    iifname vmap @from
    oifname vmap @to
  }
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    ip saddr vmap @leaving4
    ip6 saddr vmap @leaving6
  }
}
`,
    );
  });

  test('options', () => {
    assert.match(natScript('t', [{ ...bridge, icc: false }]), /iifname "gantry0" drop/);
    assert.doesNotMatch(natScript('t', [{ ...bridge, masquerade: false }]), /masquerade/);
    assert.match(
      natScript('t', [{ ...bridge, subnets: [parseCidr('fd00:1::/64').network] }]),
      /elements = \{ fd00:1::\/64 : goto leave_gantry0 \}/,
    );
  });

  test('gateway modes, trusted interfaces and given source addresses', () => {
    const routed = natScript('t', [
      {
        ...bridge,
        subnets: [parseCidr('10.1.0.0/16').network, parseCidr('fd00:1::/64').network],
        modes: { 4: 'nat-unprotected', 6: 'routed' },
        sources: { 4: '192.0.2.7', 6: '' },
        trusted: ['eth0', 'wg0'],
        open: [
          { address: 'fd00:1::2', protocol: 'tcp', port: 80 },
          { address: 'fd00:1::2', protocol: 'tcp', port: 80 },
        ],
      },
    ]);
    assert.ok(
      routed.includes(`  set open6_gantry0 {
    type ipv6_addr . inet_proto . inet_service
    elements = { fd00:1::2 . tcp . 80 }
  }
  chain to_gantry0 {
    iifname "gantry0" accept
    iifname { "eth0", "wg0" } accept
    ct status dnat accept
    meta nfproto ipv4 accept
    meta nfproto ipv6 meta l4proto ipv6-icmp accept
    ip6 daddr . meta l4proto . th dport @open6_gantry0 accept
    drop
  }
  chain leave_gantry0 {
    meta nfproto ipv4 oifname != "gantry0" snat ip to 192.0.2.7
    oifname != "gantry0" masquerade
  }
`),
      routed,
    );
    assert.doesNotMatch(routed, /fd00:1::\/64/, 'what is routed keeps its source address');
  });

  test('links open single ports of a bridge without icc, and change nothing for others', () => {
    const link = { from: '172.17.0.2', to: '172.17.0.3', protocol: 'tcp', port: 80 };
    const links = [link, link, { ...link, protocol: 'udp', port: 53 }];
    assert.ok(
      natScript('t', [{ ...bridge, icc: false, links }]).includes(`  set links_gantry0 {
    type ipv4_addr . ipv4_addr . inet_proto . inet_service
    elements = { 172.17.0.2 . 172.17.0.3 . tcp . 80, 172.17.0.2 . 172.17.0.3 . udp . 53 }
  }
  chain to_gantry0 {
    iifname "gantry0" ip saddr . ip daddr . meta l4proto . th dport @links_gantry0 accept
    iifname "gantry0" drop
`),
    );
    assert.equal(natScript('t', [{ ...bridge, links }]), natScript('t', [bridge]));
  });

  test('a family without rules', () => {
    const dual = [{ ...bridge, subnets: [...bridge.subnets, parseCidr('fd00:1::/64').network] }];
    const script = natScript('t', dual, { 4: false, 6: true });
    assert.match(script, /policy accept;\n {4}meta nfproto ipv4 accept\n {4}ct state/);
    assert.doesNotMatch(script, /172\.17|nfproto ipv6/);
    assert.match(script, /fd00:1::\/64 : goto/);
    assert.match(
      natScript('t', dual, { 4: true, 6: false }),
      /policy accept;\n {4}meta nfproto ipv6 accept\n {4}ct state/,
    );
  });

  test('a table name that nft reads, one for each daemon', () => {
    assert.equal(tableName('br0.7'), 'gantry_br0.7');
    assert.equal(tableName('br-1'), 'gantry_br_2d1');
    assert.notEqual(tableName('br-1'), tableName('br_1'));
  });
});
