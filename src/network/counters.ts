import type { LinkCounters } from '../linux/netlink/link.ts';
import type { RouteSocket } from '../linux/netlink/route.ts';
import type { SandboxInside } from './container-interface.ts';
import type { SandboxView } from './contract.ts';

/** What a sandbox's interfaces have sent and received, by interface name; key names as in the API's ContainerNetworkStats. */
export function countersOf(
  sandbox: SandboxView,
  host: RouteSocket,
  inside: (read: (inside: SandboxInside) => LinkCounters | undefined) => LinkCounters | undefined,
): Record<string, Record<string, number>> {
  const result: Record<string, Record<string, number>> = {};
  for (const { endpoint } of sandbox.attachments) {
    const { hostInterfaceName, interfaceName } = endpoint;
    if (interfaceName === '') continue;
    // Read at the host's end, where no namespace is entered: what that one sends is what the container receives.
    const turned = hostInterfaceName !== '';
    const seen = turned ? host.counters(hostInterfaceName) : inside(({ routes }) => routes.counters(interfaceName));
    if (seen === undefined) continue;
    const received = [seen.rxBytes, seen.rxPackets, seen.rxErrors, seen.rxDropped] as const;
    const sent = [seen.txBytes, seen.txPackets, seen.txErrors, seen.txDropped] as const;
    const [rx, tx] = turned ? [sent, received] : [received, sent];
    result[interfaceName] = {
      rx_bytes: rx[0],
      rx_packets: rx[1],
      rx_errors: rx[2],
      rx_dropped: rx[3],
      tx_bytes: tx[0],
      tx_packets: tx[1],
      tx_errors: tx[2],
      tx_dropped: tx[3],
    };
  }
  return result;
}
