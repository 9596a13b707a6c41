import { randomBytes } from 'node:crypto';
import { GantryError } from '../../api/errors.ts';
import type { Plugins } from '../../plugins/plugins.ts';
import type { EndpointRequest, NetworkRecord } from '../contract.ts';
import { ENABLE_IPV4, ENABLE_IPV6 } from '../drivers/options.ts';
import { splitCidr } from '../ip.ts';
import type { NetworkLog } from '../log.ts';
import { type InterfaceAnswer, interfaceOf, joinOf, textOf } from './answers.ts';
import type { Arrangement, RemoteEndpoint, RemoteJournal, RemoteLink, RemoteNetwork } from './contract.ts';
import { IpamPlugins } from './ipam-plugins.ts';
import { remoteDriver, remoteIpam } from './kinds.ts';
import { failed } from './plugin-calls.ts';
import { RemoteThings } from './things.ts';

const GENERIC = 'com.docker.network.generic';
const INTERNAL = 'com.docker.network.internal';
const MAC_ADDRESS = 'com.docker.network.endpoint.macaddress';
/** What dockerd calls the address spaces of its own IPAM drivers. */
const OWN_SPACES: Record<string, string> = { default: 'LocalDefault', null: 'null' };

/** Where an endpoint is to be, as its driver is told. */
export interface RemotePlace {
  containerId: string;
  /** The container's name. */
  name: string;
  sandboxPath: string;
  /** Ports of the container, as the protocol has them. */
  options: Record<string, unknown>;
}

/**
 * Networks, endpoints and addresses of plugins (libnetwork's remote driver and IPAM protocols). Everything here is asynchronous; what
 * comes of it is handed to the synchronous rest of this room as an Arrangement.
 */
export class Remotes {
  readonly things: RemoteThings;
  readonly #ipam: IpamPlugins;
  /** Those that have said what they can. */
  readonly #loaded = new Set<string>();

  constructor(parts: { plugins: Plugins; journal: RemoteJournal; log: NetworkLog }) {
    this.things = new RemoteThings(parts);
    this.#ipam = new IpamPlugins(this.things);
  }

  /** Plugins that have driven a network since the daemon started. */
  drivers(): string[] {
    return [...this.#loaded];
  }

  /** After a restart: IPAM plugins that forget are told of what is in use. */
  async remind(records: readonly NetworkRecord[]): Promise<void> {
    const names = new Set(records.map(remoteIpam).filter((name) => name !== ''));
    // Who is not there is reminded when it is used.
    await Promise.allSettled([...names].map((name) => this.#ipam.load(name)));
  }

  /** Finds and activates the plugins that a new network needs, and notes what they can. Throws not_found, system. */
  async load(record: NetworkRecord): Promise<void> {
    const driver = remoteDriver(record);
    if (driver !== '') {
      const { Scope } = await this.things.driver(driver).call('GetCapabilities', null, { wait: true, isNew: true });
      if (Scope !== 'local' && Scope !== 'global') {
        throw new GantryError('system', `invalid capability: expecting 'local' or 'global', got ${textOf(Scope)}`);
      }
      if (Scope === 'global') record.scope = Scope;
      this.#loaded.add(driver);
    }
    if (remoteIpam(record) !== '') await this.#ipam.load(remoteIpam(record));
  }

  /** Makes a network: its addresses first. Nothing is left when it throws. */
  async makeNetwork(record: NetworkRecord): Promise<void> {
    const network: RemoteNetwork = {
      ...{ kind: 'network', id: record.id, driver: remoteDriver(record), made: false },
      ...{ ipamDriver: remoteIpam(record), leases: [], pools: [] },
    };
    await this.things.settleFirst(network.driver, network.ipamDriver);
    this.things.note(network);
    try {
      if (network.ipamDriver !== '') await this.#ipam.takePools(record, network);
      if (network.driver === '') return;
      network.made = true;
      this.things.note(network);
      await this.things.driver(network.driver).call('CreateNetwork', networkBody(record), { wait: true });
    } catch (error) {
      await this.things.release(record.id);
      throw error;
    }
  }

  /**
   * Makes an endpoint and lets it join its sandbox. Nothing is left when it throws.
   * @param own addresses that we have chosen, in CIDR notation; undefined where a plugin does
   */
  async makeEndpoint(
    record: NetworkRecord,
    request: EndpointRequest,
    place: RemotePlace,
    own: InterfaceAnswer | undefined,
  ): Promise<Arrangement> {
    const endpoint: RemoteEndpoint = {
      ...{ kind: 'endpoint', id: randomBytes(32).toString('hex'), networkId: record.id, leases: [] },
      ...{ containerId: place.containerId, driver: remoteDriver(record), ipamDriver: remoteIpam(record) },
      ...{ made: false, joined: false, external: false, options: endpointOptions(request, place) },
    };
    await this.things.settleFirst(endpoint.driver, endpoint.ipamDriver);
    this.things.note(endpoint);
    try {
      const addresses = own ?? { address: '', addressIpv6: '', macAddress: request.macAddress };
      const given = endpoint.ipamDriver === '' ? addresses : await this.#ipam.takeAddresses(record, request, endpoint);
      if (endpoint.driver === '') return arrangement(endpoint.id, given);
      const created = await this.#create(record, endpoint, given).catch((error: unknown) => {
        throw failed(`failed to create endpoint ${place.name} on network ${record.name}`, error);
      });
      return { ...arrangement(endpoint.id, created), link: await this.#join(endpoint, place) };
    } catch (error) {
      await this.things.release(endpoint.id);
      throw error;
    }
  }

  /** Tells the drivers of a container's endpoints which of them lead outside now. Throws what a plugin says that is to do so. */
  async lead(containerId: string, name: string, gateways: ReadonlySet<string>): Promise<void> {
    const endpoints = this.things.endpoints(containerId).filter(({ driver }) => driver !== '');
    for (const endpoint of endpoints) {
      const { id, networkId, external } = endpoint;
      if (external === gateways.has(id)) continue;
      const body = { NetworkID: networkId, EndpointID: id };
      if (external) {
        await this.things.withdraw(endpoint);
        continue;
      }
      endpoint.external = true;
      this.things.note(endpoint);
      const whole = { ...body, Options: endpoint.options };
      try {
        const choices = { wait: true, optional: true };
        await this.things.driver(endpoint.driver).call('ProgramExternalConnectivity', whole, choices);
      } catch (error) {
        throw failed(`driver failed programming external connectivity on endpoint ${name} (${id})`, error);
      }
    }
  }

  async #create(record: NetworkRecord, endpoint: RemoteEndpoint, given: InterfaceAnswer): Promise<InterfaceAnswer> {
    endpoint.made = true;
    this.things.note(endpoint);
    const body = {
      NetworkID: record.id,
      EndpointID: endpoint.id,
      Interface: { Address: given.address, AddressIPv6: given.addressIpv6, MacAddress: given.macAddress },
      Options: endpoint.options,
    };
    const answer = await this.things.driver(endpoint.driver).call('CreateEndpoint', body, { wait: true });
    const its = interfaceOf(answer);
    // dockerd's order and words.
    for (const [key, what, present] of [
      ['macAddress', 'MAC address', 'endpoint interface MAC address present'],
      ['address', 'address', 'endpoint interface IP present'],
      ['addressIpv6', 'address', 'endpoint interface IP present'],
    ] as const) {
      if (its[key] === '' || given[key] === '' || its[key] === given[key]) continue;
      throw new GantryError(
        'system',
        `driver modified interface ${what}: ${present} (${given[key]}). Cannot be modified with (${its[key]}).; rolled back`,
      );
    }
    return {
      address: given.address || its.address,
      addressIpv6: given.addressIpv6 || its.addressIpv6,
      macAddress: given.macAddress || its.macAddress,
    };
  }

  async #join(endpoint: RemoteEndpoint, place: RemotePlace): Promise<RemoteLink> {
    endpoint.joined = true;
    this.things.note(endpoint);
    const body = {
      NetworkID: endpoint.networkId,
      EndpointID: endpoint.id,
      SandboxKey: place.sandboxPath,
      Options: endpoint.options,
    };
    const join = joinOf(await this.things.driver(endpoint.driver).call('Join', body, { wait: true }));
    const { gatewayIpv6, ...link } = join;
    return { ...link, ipv6Gateway: gatewayIpv6 };
  }
}

function arrangement(endpointId: string, { address, addressIpv6, macAddress }: InterfaceAnswer): Arrangement {
  const [ipAddress = '', length = '0'] = address.split('/');
  const [ipv6Address = '', length6 = '0'] = addressIpv6.split('/');
  return {
    ...{ endpointId, ipAddress, ipPrefixLen: Number(length), ipv6Address, ipv6PrefixLen: Number(length6) },
    macAddress,
  };
}

function endpointOptions(request: EndpointRequest, place: RemotePlace): Record<string, unknown> {
  const mac = Buffer.from(request.macAddress.replace(/[:-]/g, ''), 'hex');
  return {
    ...place.options,
    ...request.driverOptions,
    // As Go writes bytes.
    ...(mac.length > 0 ? { [MAC_ADDRESS]: mac.toString('base64') } : {}),
  };
}

function networkBody(record: NetworkRecord): object {
  const data = (family: 4 | 6) => {
    if (record.ipam.driver === 'null') {
      const enabled = family === 4 ? record.enableIpv4 : record.enableIpv6;
      return enabled ? [{ AddressSpace: OWN_SPACES.null, Pool: family === 4 ? '0.0.0.0/0' : '::/0' }] : [];
    }
    return record.pools.flatMap((pool) => {
      const { network } = splitCidr(pool.subnet)!;
      if (network.family !== family) return [];
      const within = (address: string) => `${address}/${network.prefixLength}`;
      const aux = Object.entries(pool.aux).map(([name, address]) => [name, within(address)]);
      return [
        {
          AddressSpace: pool.addressSpace ?? OWN_SPACES.default,
          Pool: pool.subnet,
          ...(pool.gateway === '' ? {} : { Gateway: within(pool.gateway) }),
          ...(aux.length === 0 ? {} : { AuxAddresses: Object.fromEntries(aux) }),
        },
      ];
    });
  };
  return {
    NetworkID: record.id,
    Options: {
      [ENABLE_IPV4]: record.enableIpv4,
      [ENABLE_IPV6]: record.enableIpv6,
      ...(record.internal ? { [INTERNAL]: true } : {}),
      [GENERIC]: record.options,
    },
    IPv4Data: data(4),
    IPv6Data: data(6),
  };
}
