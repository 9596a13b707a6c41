import { GantryError } from '../../api/errors.ts';
import { Filters } from '../../api/filters.ts';
import type { Network, NetworkCreateRequest } from '../../api/schemas/network.ts';
import type { NetworkRecord } from '../../network/contract.ts';
import { ENABLE_ICC, ENABLE_MASQUERADE } from '../../network/drivers/options.ts';
import { isBuiltIn } from '../../network/local-networks.ts';
import type { ContainerRecord } from '../container-record.ts';
import type { EngineContext } from '../context.ts';
import { DRY_RUN_FILTER, type PruneOptions } from '../prune-options.ts';
import { untilNs } from '../until-filter.ts';
import { networkRecord } from './create.ts';
import { findNetwork } from './find-network.ts';
import { eraseNetwork, storeNetwork } from './network-records.ts';

/** Filter keys of NetworkList. */
export const NETWORK_FILTERS = ['dangling', 'driver', 'id', 'label', 'name', 'scope', 'type'] as const;

/** Filter keys of NetworkPrune. */
export const NETWORK_PRUNE_FILTERS = ['label', 'label!', 'until', DRY_RUN_FILTER];

/** Under dockerd's name for it. Its bridge has a name of its own: a dockerd beside has taken that one. */
const WAY_OUT = {
  Name: 'docker_gwbridge',
  Driver: 'bridge',
  Options: { [ENABLE_ICC]: 'false', [ENABLE_MASQUERADE]: 'true' },
};

/** Networks as the Engine API's Network tag shows and changes them; who is on them is Attachments' affair. */
export class NetworkCatalog {
  readonly #context: EngineContext;
  readonly #containers: () => ContainerRecord[];
  #makingWayOut: Promise<{ Id: string }> | undefined;
  /** Networks that plugins are making: their names are taken. */
  readonly #making = new Set<NetworkRecord>();

  constructor(context: EngineContext, containers: () => ContainerRecord[]) {
    this.#context = context;
    this.#containers = containers;
  }

  /** NetworkList. Throws invalid_parameter for an unknown filter. */
  list(filters: Filters): Network[] {
    const { networks } = this.#context;
    filters.accept(NETWORK_FILTERS);
    const types = filters.get('type');
    const unknown = types.find((type) => type !== 'custom' && type !== 'builtin');
    if (unknown !== undefined) throw new GantryError('invalid_parameter', `invalid filter: 'type'='${unknown}'`);
    const dangling = danglingOf(filters);
    return networks
      .records()
      .filter((record) => {
        const builtIn = isBuiltIn(record);
        if (types.length > 0 && !types.includes(builtIn ? 'builtin' : 'custom')) return false;
        // Those that are built in are never dangling.
        if (dangling !== null && dangling !== (!builtIn && this.#members(record).length === 0)) return false;
        return (
          filters.match('name', record.name) &&
          filters.match('id', record.id) &&
          filters.exact('driver', record.driver) &&
          filters.exact('scope', record.scope ?? 'local') &&
          filters.matchLabels('label', record.labels)
        );
      })
      .map((record) => networks.describe(record));
  }

  /** NetworkInspect, by name, ID or unambiguous prefix. Throws not_found `network x not found`. */
  inspect(reference: string): Network {
    const record = this.find(reference);
    const members = this.#members(record).map(({ container, member }) => [container.id, member] as const);
    return { ...this.#context.networks.describe(record), Containers: Object.fromEntries(members) };
  }

  /** By name, ID or unambiguous prefix. Throws not_found, invalid_parameter. */
  find(reference: string): NetworkRecord {
    return findNetwork(this.#context.networks, reference);
  }

  /** NetworkCreate. Stored before it is made on the host: a daemon that is killed in between makes it at its next start. */
  async create(body: NetworkCreateRequest): Promise<{ Id: string; Warning: string }> {
    const { networks } = this.#context;
    const record = networkRecord(body, [...networks.records(), ...this.#making]);
    this.#making.add(record);
    try {
      const isRemote = networks.isRemote(record);
      if (isRemote) await networks.load(record);
      networks.prepare(record);
      if (isRemote) await networks.make(record);
      await this.#add(record);
    } finally {
      this.#making.delete(record);
    }
    this.#event('create', record);
    return { Id: record.id, Warning: '' };
  }

  /** The network by which containers get out whose plugins' networks lead nowhere, made when it is first needed. Returns its ID. */
  async wayOut(): Promise<string> {
    const present = this.#context.networks.find(WAY_OUT.Name);
    if (present !== undefined) return present.id;
    // Several may need it at the same time.
    this.#makingWayOut ??= this.create(WAY_OUT).finally(() => {
      this.#makingWayOut = undefined;
    });
    return (await this.#makingWayOut).Id;
  }

  /** NetworkDelete. Throws not_found, and forbidden for one that is built in or in use by a container that runs. */
  async remove(reference: string): Promise<void> {
    const { networks } = this.#context;
    const record = this.find(reference);
    if (isBuiltIn(record)) {
      throw new GantryError('forbidden', `${record.name} is a pre-defined network and cannot be removed`);
    }
    const used = this.#members(record).map(
      ({ container, member }) => `name:"${container.name}" id:"${member.EndpointID?.slice(0, 12)}"`,
    );
    const dependent = networks.records().some(({ configFrom }) => configFrom === record.name);
    if (record.configOnly === true && dependent) {
      throw new GantryError(
        'forbidden',
        `error while removing network: configuration network "${record.name}" is in use`,
      );
    }
    if (used.length > 0) {
      throw new GantryError(
        'forbidden',
        `error while removing network: network ${record.name} has active endpoints (${used.join(', ')})`,
      );
    }
    await this.#erase(record);
  }

  /**
   * NetworkPrune: removes networks that no container is on, one that is stopped included; those that are only settings stay. Throws invalid_parameter for a wrong filter.
   */
  async prune(filters: Filters, { dryRun, without }: PruneOptions): Promise<{ NetworksDeleted: string[] | null }> {
    filters.accept(NETWORK_PRUNE_FILTERS);
    const until = untilNs(filters);
    const deleted: string[] = [];
    for (const record of this.#context.networks.records()) {
      if (isBuiltIn(record) || record.configOnly === true || !filters.matchLabels('label', record.labels)) continue;
      const unwanted = (term: string) => new Filters({ label: [term] }).matchLabels('label', record.labels);
      if (filters.get('label!').some(unwanted)) continue;
      if (until !== null && BigInt(Date.parse(record.created)) * 1_000_000n >= until) continue;
      const wanted = this.#containers().some(
        ({ id, endpointsConfig }) => endpointsConfig[record.name] !== undefined && !without.has(id),
      );
      if (wanted || this.#members(record).length > 0) continue;
      // Another client may have removed it while the ones before were.
      if (this.#context.networks.find(record.id) === undefined) continue;
      if (!dryRun) await this.#erase(record);
      deleted.push(record.name);
    }
    if (!dryRun) this.#context.events.emit('network', 'prune', '', { reclaimed: '0' });
    return { NetworksDeleted: deleted.length === 0 ? null : deleted };
  }

  async #add(record: NetworkRecord): Promise<void> {
    const { networks, store } = this.#context;
    try {
      storeNetwork(store, record);
      await networks.add(record);
    } catch (error) {
      eraseNetwork(store, record);
      await networks.unmake(record.id);
      throw error;
    }
  }

  async #erase(record: NetworkRecord): Promise<void> {
    const { networks, store } = this.#context;
    const rules = networks.remove(record.id);
    eraseNetwork(store, record);
    await rules;
    await networks.unmake(record.id);
    if (record.configOnly !== true) this.#event('destroy', record);
  }

  #event(action: string, record: NetworkRecord): void {
    this.#context.events.emit('network', action, record.id, { name: record.name, type: record.driver });
  }

  /** The containers that run on a network. */
  #members(
    record: NetworkRecord,
  ): { container: ContainerRecord; member: NonNullable<Network['Containers']>[string] }[] {
    return this.#containers().flatMap((container) => {
      const { name, sandbox, hostConfig, state, plainEndpoint = '' } = container;
      const endpoint = sandbox?.endpoints.find(({ networkId }) => networkId === record.id);
      if (endpoint !== undefined) {
        const member = {
          Name: name,
          EndpointID: endpoint.endpointId,
          MacAddress: endpoint.macAddress,
          IPv4Address: endpoint.ipAddress === '' ? '' : `${endpoint.ipAddress}/${endpoint.ipPrefixLen}`,
          IPv6Address: endpoint.ipv6Address === '' ? '' : `${endpoint.ipv6Address}/${endpoint.ipv6PrefixLen}`,
        };
        return [{ container, member }];
      }
      const plain = ['host', 'none'].includes(record.name) && hostConfig.NetworkMode === record.name && state.pid > 0;
      if (!plain) return [];
      return [
        {
          container,
          member: { Name: name, EndpointID: plainEndpoint, MacAddress: '', IPv4Address: '', IPv6Address: '' },
        },
      ];
    });
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
