import { type Family, type ForwardChain, NftForward, readLegacyForward } from '../linux/netfilter.ts';
import { run } from './run.ts';

/**
 * A dockerd (or a firewall, as ufw) on the same host may set the policy of iptables' FORWARD chain to DROP. A packet must be accepted by
 * every table that hooks forwarding, so rules of our own table cannot help: then, and only then, two rules go to the end of that
 * chain. To the end, because so a dockerd's own chains decide first on what goes to its containers; which packets may come in to
 * ours is decided in our table. iptables has two kernels' backends, each with a FORWARD chain of its own for IPv4 and for IPv6.
 */
export const BACKENDS = ['iptables-nft', 'iptables-legacy', 'ip6tables-nft', 'ip6tables-legacy'] as const;
export type Backend = (typeof BACKENDS)[number];

export const familyOf = (backend: Backend): Family => (backend.startsWith('ip6') ? 6 : 4);

/** The chain as it is; asked without iptables, which would create it by looking. None on a kernel without this backend. */
export function readForward(backend: Backend, nft: NftForward): ForwardChain {
  try {
    const family = familyOf(backend);
    return backend.endsWith('-nft') ? nft.read(family) : readLegacyForward(family);
  } catch {
    return { policy: null, mark: '' };
  }
}

/** Adds the rules that are not there yet, and returns the bridges that lacked them. One process when there is nothing to add. */
export async function acceptForwarding(backend: Backend, bridges: readonly string[]): Promise<string[]> {
  const lines = (await run(backend, ['-w', '-S', 'FORWARD'])).split('\n');
  const added = new Set<string>();
  for (const bridge of bridges) {
    for (const rule of rulesOf(bridge)) {
      const [direction = '', name = ''] = rule;
      const present = lines.some(
        (line) => line.startsWith(`-A FORWARD ${direction} ${name} `) && line.includes(commentOf(bridge)),
      );
      if (present) continue;
      await run(backend, ['-w', '-A', 'FORWARD', ...rule]);
      added.add(bridge);
    }
  }
  return [...added];
}

/** Removes the rules from wherever they are, also when the policy is ACCEPT by now. */
export async function stopAcceptingForwarding(bridgeName: string): Promise<void> {
  const nft = new NftForward();
  const there = BACKENDS.filter((backend) => readForward(backend, nft).policy !== null);
  nft.close();
  for (const backend of there) {
    for (const rule of rulesOf(bridgeName)) {
      while (await succeeds(backend, ['-w', '-D', 'FORWARD', ...rule]));
    }
  }
}

function rulesOf(bridgeName: string): string[][] {
  const end = ['-m', 'comment', '--comment', commentOf(bridgeName), '-j', 'ACCEPT'];
  return [
    ['-i', bridgeName, ...end],
    ['-o', bridgeName, ...end],
  ];
}

const commentOf = (bridgeName: string): string => `gantry:${bridgeName}`;

async function succeeds(command: string, args: string[]): Promise<boolean> {
  try {
    await run(command, args);
    return true;
  } catch {
    return false;
  }
}
