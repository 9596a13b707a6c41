import { GantryError } from '../../api/errors.ts';
import type { Filters } from '../../api/filters.ts';
import type { Network } from '../../api/schemas/network.ts';
import type { Networks } from '../../network/contract.ts';
import type { ContainerRecord } from '../container-record.ts';
import { untilNs } from '../until-filter.ts';

/** Filter keys of NetworkList. */
export const NETWORK_FILTERS = ['dangling', 'driver', 'id', 'label', 'name', 'scope', 'type'] as const;

/** Filter keys of NetworkPrune. */
export const NETWORK_PRUNE_FILTERS = ['label', 'label!', 'until'];

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
    filters.accept(NETWORK_FILTERS);
    const partly = (key: string, value: string): boolean =>
      !filters.has(key) || filters.get(key).some((wanted) => value.includes(wanted));
    const types = filters.get('type');
    const unknown = types.find((type) => type !== 'custom' && type !== 'builtin');
    if (unknown !== undefined) throw new GantryError('invalid_parameter', `invalid filter: 'type'='${unknown}'`);
    const dangling = danglingOf(filters);
    return this.#networks.list().filter((network) => {
      // All of these are built in, and those are never dangling.
      if (dangling === true || (types.length > 0 && !types.includes('builtin'))) return false;
      return (
        partly('name', network.Name ?? '') &&
        (!filters.has('id') || filters.get('id').some((wanted) => (network.Id ?? '').startsWith(wanted))) &&
        filters.exact('driver', network.Driver ?? '') &&
        filters.exact('scope', network.Scope ?? '') &&
        filters.matchLabels('label', network.Labels)
      );
    });
  }

  /** NetworkPrune: the built-in networks stay, and there are no others. Throws invalid_parameter for a wrong filter. */
  prune(filters: Filters): { NetworksDeleted: string[] | null } {
    filters.accept(NETWORK_PRUNE_FILTERS);
    untilNs(filters);
    return { NetworksDeleted: null };
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

/** null for no such filter. Throws invalid_parameter. */
function danglingOf(filters: Filters): boolean | null {
  const values = filters.get('dangling');
  if (values.length === 0) return null;
  if (values.length > 1) {
    throw new GantryError('invalid_parameter', 'got more than one value for filter key "dangling"');
  }
  if (['true', '1'].includes(values[0]!)) return true;
  if (['false', '0'].includes(values[0]!)) return false;
  throw new GantryError(
    'invalid_parameter',
    'invalid value for filter \'dangling\', must be "true" (or "1"), or "false" (or "0")',
  );
}
