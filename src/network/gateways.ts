import type { Attachment, EndpointInfo } from './contract.ts';

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
    ipv4: sorted.find(({ endpoint }) => endpoint.ipAddress !== '' && leads(endpoint, 4)),
    ipv6: sorted.find(({ endpoint }) => endpoint.ipv6Address !== '' && leads(endpoint, 6)),
  };
}

/** A plugin says whether one comes out by its network. */
function leads({ remote, interfaceName, gateway, ipv6Gateway }: EndpointInfo, family: 4 | 6): boolean {
  if (remote === undefined) return true;
  if (interfaceName === '') return false;
  return (family === 4 ? gateway : ipv6Gateway) !== '' || remote.defaultOnLink.includes(family);
}
