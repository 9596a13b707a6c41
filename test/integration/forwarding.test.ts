import assert from 'node:assert/strict';
import { test } from 'node:test';
import { enableForwarding } from '../../src/network/forwarding.ts';
import { inOwnNamespace, sh } from '../support/port-hosts.ts';

if (inOwnNamespace(import.meta.filename, test)) {
  const cases = [
    [4, 'net.ipv4.ip_forward', 'iptables'],
    [6, 'net.ipv6.conf.all.forwarding', 'ip6tables'],
  ] as const;
  for (const [family, name, iptables] of cases) {
    test(`whoever makes the host a router for IPv${family} closes the FORWARD chain`, () => {
      const policy = (): string => sh(`${iptables} -S FORWARD`).split('\n')[0]!;
      // It is one already: whoever has made it one knows what he does.
      sh(`sysctl -qw ${name}=1`);
      enableForwarding(family, { drop: true });
      assert.equal(policy(), '-P FORWARD ACCEPT');

      sh(`sysctl -qw ${name}=0`);
      enableForwarding(family, { drop: false });
      assert.equal(sh(`sysctl -n ${name}`), '1\n');
      assert.equal(policy(), '-P FORWARD ACCEPT');

      sh(`sysctl -qw ${name}=0`);
      enableForwarding(family, { drop: true });
      assert.equal(sh(`sysctl -n ${name}`), '1\n');
      assert.equal(policy(), '-P FORWARD DROP');
    });
  }
}
