import { GantryError } from '../api/errors.ts';
import type { Attachment, EndpointInfo } from './contract.ts';
import { HOST_BINDING } from './drivers/options.ts';
import type { ActiveNetwork } from './registry.ts';

/** A container and what it is on. */
interface Attached {
  name: string;
  attachments: readonly Attachment[];
}

/** Throws forbidden for a container that is on the network. */
export function checkFree(open: Attached, network: { id: string; name: string }): void {
  if (!open.attachments.some(({ endpoint }) => endpoint.networkId === network.id)) return;
  throw new GantryError('forbidden', `endpoint with name ${open.name} already exists in network ${network.name}`);
}

export function attachmentOf(
  network: ActiveNetwork,
  endpoint: EndpointInfo,
  container: { containerId: string; name: string; hostname: string },
  aliases: readonly string[],
): Attachment {
  const { record, state } = network;
  const isBridge = record.driver === 'bridge';
  return {
    endpoint,
    driver: record.driver,
    userDefined: record.name !== 'bridge' && endpoint.wayOut !== true,
    internal: record.internal,
    bridgeName: isBridge ? (state?.interfaceName ?? '') : '',
    hostBinding: record.options[HOST_BINDING] ?? '',
    names: namesOf(container, aliases),
    aliases,
  };
}

/** Every name that others may call a container by, its own first (dockerd's order). */
export function namesOf(
  container: { containerId: string; name: string; hostname: string },
  aliases: readonly string[],
): string[] {
  const { name, containerId, hostname } = container;
  return [...new Set([name, ...aliases, containerId.slice(0, 12), hostname])].filter((one) => one !== '');
}

/** Throws conflict where the wanted one is another's. */
export function freeName(open: Attached, wanted: string, prefix: string): string {
  const used = new Set(open.attachments.map(({ endpoint }) => endpoint.interfaceName));
  if (wanted !== '') {
    if (used.has(wanted) || wanted === 'lo') {
      throw new GantryError('conflict', `interface name ${wanted} is in use in container ${open.name}`);
    }
    return wanted;
  }
  for (let number = 0; ; number++) if (!used.has(`${prefix}${number}`)) return `${prefix}${number}`;
}
