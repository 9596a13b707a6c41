import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { GantryError, messageOf } from '../api/errors.ts';
import type { Family } from '../linux/netfilter.ts';

const SWITCHES = { 4: '/proc/sys/net/ipv4/ip_forward', 6: '/proc/sys/net/ipv6/conf/all/forwarding' } as const;
const IPTABLES = { 4: 'iptables', 6: 'ip6tables' } as const;

/**
 * Makes the host a router for a family, if it is none yet. A host that was none has perhaps no rules for what goes through it: with `drop`
 * the policy of the FORWARD chain becomes DROP, in iptables, where an administrator and other engines see and change it. Both stay when
 * the daemon ends, as with dockerd: others may rely on them by then.
 * @throws GantryError system; the host is no router then
 */
export function enableForwarding(family: Family, { drop }: { drop: boolean }): void {
  const path = SWITCHES[family];
  if (readFileSync(path, 'utf8').trim() !== '0') return;
  writeFileSync(path, '1');
  if (!drop) return;
  try {
    execFileSync(IPTABLES[family], ['-w', '-P', 'FORWARD', 'DROP'], { stdio: ['ignore', 'ignore', 'pipe'] });
  } catch (cause) {
    writeFileSync(path, '0');
    throw new GantryError('system', `cannot set the FORWARD policy of ${IPTABLES[family]}: ${messageOf(cause)}`, {
      hint: 'install iptables, or start the daemon with --ip-forward-no-drop',
      cause,
    });
  }
}
