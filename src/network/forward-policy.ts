import { readFileSync } from 'node:fs';
import { run } from './run.ts';

/**
 * A dockerd (or a firewall) on the same host may set the policy of iptables' FORWARD chain to DROP. A packet must be accepted by
 * every table that hooks forwarding, so rules of our own table cannot help: then, and only then, two rules go to the end of that
 * chain. To the end, because so a dockerd's own chains decide first on what goes to its containers; which packets may come in to
 * ours is decided in our table. A dockerd that starts later sets DROP only when it turns forwarding on itself, which is done by then.
 * iptables has two kernels' backends, each with a FORWARD chain of its own.
 */
const BACKENDS = ['iptables-nft', 'iptables-legacy'] as const;
type Backend = (typeof BACKENDS)[number];

/** Adds the rules where the policy is DROP and they are not there yet; returns the backends that have them now. */
export async function acceptForwarding(bridgeName: string): Promise<Backend[]> {
  const changed: Backend[] = [];
  for (const backend of BACKENDS) {
    if (!(await policyIsDrop(backend))) continue;
    for (const rule of rulesOf(bridgeName)) {
      if (!(await succeeds(backend, ['-w', '-C', 'FORWARD', ...rule])))
        await run(backend, ['-w', '-A', 'FORWARD', ...rule]);
    }
    changed.push(backend);
  }
  return changed;
}

/** Removes the rules from wherever they are, also when the policy is ACCEPT by now. */
export async function stopAcceptingForwarding(bridgeName: string): Promise<void> {
  for (const backend of BACKENDS) {
    if (!(await isInUse(backend))) continue;
    for (const rule of rulesOf(bridgeName)) {
      while (await succeeds(backend, ['-w', '-D', 'FORWARD', ...rule]));
    }
  }
}

function rulesOf(bridgeName: string): string[][] {
  const end = ['-m', 'comment', '--comment', `gantry:${bridgeName}`, '-j', 'ACCEPT'];
  return [
    ['-i', bridgeName, ...end],
    ['-o', bridgeName, ...end],
  ];
}

async function policyIsDrop(backend: Backend): Promise<boolean> {
  if (!(await isInUse(backend))) return false;
  try {
    return /^-P FORWARD DROP$/m.test(await run(backend, ['-w', '-S', 'FORWARD']));
  } catch {
    // No such program, so nobody set a policy with it.
    return false;
  }
}

/** Whether the backend's FORWARD chain exists; asked without iptables, which would create it (and load modules) by looking. */
async function isInUse(backend: Backend): Promise<boolean> {
  if (backend === 'iptables-nft') return succeeds('nft', ['list', 'chain', 'ip', 'filter', 'FORWARD']);
  try {
    return /^filter$/m.test(readFileSync('/proc/net/ip_tables_names', 'utf8'));
  } catch {
    return false;
  }
}

async function succeeds(command: string, args: string[]): Promise<boolean> {
  try {
    await run(command, args);
    return true;
  } catch {
    return false;
  }
}
