import { GantryError } from '../../api/errors.ts';
import type { Filters } from '../../api/filters.ts';
import type { Network } from '../../api/schemas/network.ts';
import type { Networks } from '../../network/contract.ts';
import type { ContainerRecord } from '../container-record.ts';

const FILTERS = ['dangling', 'driver', 'id', 'label', 'name', 'scope', 'type'] as const;

/** The networks that exist without anybody making them, as the Engine API's Network tag shows them. */
export class NetworkCatalog {
  readonly #networks: Networks;
  readonly #containers: () => ContainerRecord[];

  constructor(networks: Networks, containers: () => ContainerRecord[]) {
    this.#networks = networks;
    this.#containers = containers;
  }

  /** NetworkList. Throws invalid_parameter for an unknown filter. */
  list(filters: Filters): Network[] {
    filters.accept(FILTERS);
    const partly = (key: string, value: string): boolean =>
      !filters.has(key) || filters.get(key).some((wanted) => value.includes(wanted));
    return this.#networks.list().filter((network) => {
      // All of these are built in, and none is ever dangling.
      if (filters.bool('dangling', false) || (filters.has('type') && !filters.exact('type', 'builtin'))) return false;
      return (
        partly('name', network.Name ?? '') &&
        (!filters.has('id') || filters.get('id').some((wanted) => (network.Id ?? '').startsWith(wanted))) &&
        filters.exact('driver', network.Driver ?? '') &&
        filters.exact('scope', network.Scope ?? '') &&
        filters.matchLabels('label', network.Labels)
      );
    });
  }

  /** NetworkInspect, by name, ID or unambiguous prefix. Throws not_found `network x not found`. */
  inspect(reference: string): Network {
    const all = this.#networks.list();
    const byPrefix = all.filter((network) => reference !== '' && (network.Id ?? '').startsWith(reference));
    const found =
      all.find((network) => network.Name === reference || network.Id === reference) ??
      (byPrefix.length === 1 ? byPrefix[0] : undefined);
    if (found === undefined) throw new GantryError('not_found', `network ${reference} not found`);
    return { ...found, Containers: this.#members(found) };
  }

  #members(network: Network): NonNullable<Network['Containers']> {
    const members: NonNullable<Network['Containers']> = {};
    for (const { id, name, sandbox, hostConfig, state } of this.#containers()) {
      const endpoint = sandbox?.endpoints.find(({ networkName }) => networkName === network.Name);
      if (endpoint !== undefined) {
        members[id] = {
          Name: name,
          EndpointID: endpoint.endpointId,
          MacAddress: endpoint.macAddress,
          IPv4Address: endpoint.ipAddress === '' ? '' : `${endpoint.ipAddress}/${endpoint.ipPrefixLen}`,
          IPv6Address: endpoint.ipv6Address === '' ? '' : `${endpoint.ipv6Address}/${endpoint.ipv6PrefixLen}`,
        };
      } else if (
        hostConfig.NetworkMode === network.Name &&
        (network.Name === 'host' || network.Name === 'none') &&
        state.pid > 0
      ) {
        members[id] = { Name: name, EndpointID: '', MacAddress: '', IPv4Address: '', IPv6Address: '' };
      }
    }
    return members;
  }
}
