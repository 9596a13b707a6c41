import type { Attachment } from './contract.ts';

/** The endpoints by which a container reaches what is on none of its networks. */
export interface Gateways {
  ipv4: Attachment | undefined;
  ipv6: Attachment | undefined;
}

export const NO_GATEWAYS: Gateways = { ipv4: undefined, ipv6: undefined };

/** The highest priority goes first, then who serves both families, then the network's name (dockerd's order). */
export function chooseGateways(attachments: readonly Attachment[]): Gateways {
  const sorted = attachments
    .filter(({ internal }) => !internal)
    .sort((one, other) => {
      const priority = (other.endpoint.gatewayPriority ?? 0) - (one.endpoint.gatewayPriority ?? 0);
      if (priority !== 0) return priority;
      const both = (at: Attachment) => (at.endpoint.ipAddress !== '' && at.endpoint.ipv6Address !== '' ? 0 : 1);
      return both(one) - both(other) || (one.endpoint.networkName < other.endpoint.networkName ? -1 : 1);
    });
  return {
    ipv4: sorted.find(({ endpoint }) => endpoint.ipAddress !== ''),
    ipv6: sorted.find(({ endpoint }) => endpoint.ipv6Address !== ''),
  };
}
