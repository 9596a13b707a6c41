import { NftForward, readLegacyForward } from '../linux/netfilter.ts';
import { run } from './run.ts';

/**
 * A dockerd (or a firewall) on the same host may set the policy of iptables' FORWARD chain to DROP. A packet must be accepted by
 * every table that hooks forwarding, so rules of our own table cannot help: then, and only then, two rules go to the end of that
 * chain. To the end, because so a dockerd's own chains decide first on what goes to its containers; which packets may come in to
 * ours is decided in our table. iptables has two kernels' backends, each with a FORWARD chain of its own.
 */
export type Backend = 'iptables-nft' | 'iptables-legacy';

/** Adds the rules that are not there yet. Returns whether there were such. */
export async function acceptForwarding(backend: Backend, bridgeName: string): Promise<boolean> {
  let added = false;
  for (const rule of rulesOf(bridgeName)) {
    if (await succeeds(backend, ['-w', '-C', 'FORWARD', ...rule])) continue;
    await run(backend, ['-w', '-A', 'FORWARD', ...rule]);
    added = true;
  }
  return added;
}

/** Removes the rules from wherever they are, also when the policy is ACCEPT by now. */
export async function stopAcceptingForwarding(bridgeName: string): Promise<void> {
  for (const backend of chainsThere()) {
    for (const rule of rulesOf(bridgeName)) {
      while (await succeeds(backend, ['-w', '-D', 'FORWARD', ...rule]));
    }
  }
}

/** Asked without iptables, which would create the chain by looking. */
function chainsThere(): Backend[] {
  const nft = new NftForward();
  try {
    return [
      ...(nft.read().policy === null ? [] : ['iptables-nft' as const]),
      ...(readLegacyForward().policy === null ? [] : ['iptables-legacy' as const]),
    ];
  } finally {
    nft.close();
  }
}

function rulesOf(bridgeName: string): string[][] {
  const end = ['-m', 'comment', '--comment', `gantry:${bridgeName}`, '-j', 'ACCEPT'];
  return [
    ['-i', bridgeName, ...end],
    ['-o', bridgeName, ...end],
  ];
}

async function succeeds(command: string, args: string[]): Promise<boolean> {
  try {
    await run(command, args);
    return true;
  } catch {
    return false;
  }
}
