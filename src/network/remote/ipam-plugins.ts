import { randomBytes } from 'node:crypto';
import { GantryError } from '../../api/errors.ts';
import type { IPAMConfig } from '../../api/schemas/network.ts';
import type { EndpointRequest, NetworkPool, NetworkRecord } from '../contract.ts';
import { contains, type Family, parseAddress, splitCidr } from '../ip.ts';
import { addressOf, poolOf, textOf } from './answers.ts';
import type { Lease, Lent, RemoteEndpoint, RemoteNetwork } from './contract.ts';
import { failed, unanswered } from './plugin-calls.ts';
import type { RemoteThings } from './things.ts';

const ADDRESS_TYPE = 'RequestAddressType';
const GATEWAY = 'com.docker.network.gateway';
const MAC_ADDRESS = 'com.docker.network.endpoint.macaddress';

interface Capabilities {
  /** The plugin wants to know an endpoint's MAC address before it chooses the others. */
  needsMacAddress: boolean;
  spaces: { local: string; global: string };
}

/** Subnets and addresses that plugins choose (Docker's IPAM plugin protocol). */
export class IpamPlugins {
  readonly #things: RemoteThings;
  readonly #ready = new Map<string, Promise<Capabilities>>();

  constructor(things: RemoteThings) {
    this.#things = things;
  }

  /**
   * Finds and activates a plugin. One that keeps nothing over a restart of the engine is told again what is in use of its own. Throws
   * not_found, system.
   */
  load(name: string): Promise<Capabilities> {
    const known = this.#ready.get(name);
    if (known !== undefined) return known;
    const ready = this.#prepare(name);
    this.#ready.set(name, ready);
    ready.catch(() => this.#ready.delete(name));
    return ready;
  }

  /** Subnets for a new network, its gateways and auxiliary addresses: fills record.pools and record.ipam.config. */
  async takePools(record: NetworkRecord, network: RemoteNetwork): Promise<void> {
    const { spaces } = await this.load(network.ipamDriver);
    const space = record.scope === 'global' ? spaces.global : spaces.local;
    const asked = [...record.ipam.config];
    for (const family of [4, 6] as const) {
      if (family === 4 ? !record.enableIpv4 : !record.enableIpv6) continue;
      const own = asked.filter(({ Subnet = '' }) => splitCidr(Subnet)?.network.family === family);
      for (const config of own.length > 0 ? own : [{}]) {
        const pool = await this.#takePool(family, space, config, record, network);
        record.pools.push(pool);
        if (own.length > 0) continue;
        const gateway = pool.gateway === '' ? {} : { Gateway: pool.gateway };
        record.ipam.config.push({ Subnet: pool.subnet, ...gateway });
      }
    }
  }

  /** Addresses of an endpoint in CIDR notation, "" for a family that the network has not, and the MAC address if one was needed. */
  async takeAddresses(
    record: NetworkRecord,
    request: EndpointRequest,
    endpoint: RemoteEndpoint,
  ): Promise<{ address: string; addressIpv6: string; macAddress: string }> {
    const { needsMacAddress } = await this.load(endpoint.ipamDriver);
    const macAddress = request.macAddress || (needsMacAddress ? randomMac() : '');
    const options = needsMacAddress ? { [MAC_ADDRESS]: macAddress } : null;
    const take = (family: Family, wanted: string) => this.#takeAddress(record, family, wanted, options, endpoint);
    const address = await take(4, request.ipAddress);
    return { address, addressIpv6: await take(6, request.ipv6Address), macAddress };
  }

  async #prepare(name: string): Promise<Capabilities> {
    const calls = this.#things.ipam(name);
    const capabilities = await calls
      .call('GetCapabilities', null, { wait: true, isNew: true })
      .catch((error: unknown) => {
        // A plugin need not have any.
        if (unanswered(error)) throw error;
        return {} as Record<string, unknown>;
      });
    const spaces = await calls.call('GetDefaultAddressSpaces', null).catch((error: unknown) => {
      throw failed('failed to get default address space', error);
    });
    if (capabilities.RequiresRequestReplay === true) await this.#replay(name);
    return {
      needsMacAddress: capabilities.RequiresMACAddress === true,
      spaces: { local: textOf(spaces.LocalDefaultAddressSpace), global: textOf(spaces.GlobalDefaultAddressSpace) },
    };
  }

  async #replay(name: string): Promise<void> {
    const calls = this.#things.ipam(name);
    for (const thing of this.#things.ofIpam(name)) {
      if (thing.kind === 'network') for (const { request } of thing.pools) await calls.call('RequestPool', request);
      for (const { poolId, address, options } of thing.leases) {
        await calls.call('RequestAddress', { PoolID: poolId, Address: address, Options: options });
      }
    }
  }

  async #takePool(
    family: Family,
    space: string,
    config: IPAMConfig,
    record: NetworkRecord,
    network: RemoteNetwork,
  ): Promise<NetworkPool> {
    const { Subnet = '', IPRange = '', Gateway = '', AuxiliaryAddresses } = config;
    const Options = record.ipam.options ?? {};
    const request: Lent['request'] = { AddressSpace: space, Pool: Subnet, SubPool: IPRange, Options, V6: family === 6 };
    const answer = await this.#things.ipam(network.ipamDriver).call('RequestPool', request, { wait: true });
    const { poolId, subnet, gateway: its } = poolOf(answer);
    network.pools.push({ poolId, request: { ...request, Pool: subnet } });
    this.#things.note(network);
    const found = splitCidr(subnet)!.network;
    if (found.family !== family) throw new GantryError('system', `IPAM driver gave ${subnet} for an IPv${family} pool`);
    let gateway = Gateway === '' ? (its.split('/')[0] ?? '') : '';
    if (gateway === '') {
      const options = { [ADDRESS_TYPE]: GATEWAY };
      const taken = await this.#lease(network, poolId, Gateway, options).catch((error: unknown) => {
        throw failed(`failed to allocate gateway (${Gateway})`, error);
      });
      gateway = taken.split('/')[0]!;
    }
    const aux = { ...AuxiliaryAddresses };
    for (const [name, address] of Object.entries(aux)) {
      const parsed = parseAddress(address);
      if (parsed === undefined || !contains(found, parsed)) {
        throw new GantryError(
          'forbidden',
          `auxiliary address: (${name}:${address}) must belong to the master pool: ${subnet}`,
        );
      }
      await this.#lease(network, poolId, address, null).catch((error: unknown) => {
        throw failed(`failed to allocate secondary ip address (${name}:${address})`, error);
      });
    }
    return { subnet, gateway, ipRange: IPRange, aux, given: Subnet !== '', poolId, addressSpace: space };
  }

  /** From the first pool that has one. */
  async #takeAddress(
    record: NetworkRecord,
    family: Family,
    wanted: string,
    options: Lease['options'],
    endpoint: RemoteEndpoint,
  ): Promise<string> {
    const parsed = parseAddress(wanted);
    const pools = record.pools.filter(({ subnet }) => {
      const { network } = splitCidr(subnet)!;
      return network.family === family && (parsed === undefined || contains(network, parsed));
    });
    if (pools.length === 0 && wanted === '') return '';
    let reason: unknown = new GantryError(
      'invalid_parameter',
      `invalid endpoint settings:\nno configured subnet contains IP address ${wanted}`,
    );
    for (const { poolId = '' } of pools) {
      try {
        return await this.#lease(endpoint, poolId, wanted, options);
      } catch (error) {
        if (unanswered(error)) throw error;
        reason = error;
      }
    }
    throw reason;
  }

  /** In CIDR notation. */
  async #lease(
    thing: RemoteNetwork | RemoteEndpoint,
    poolId: string,
    address: string,
    options: Lease['options'],
  ): Promise<string> {
    const body = { PoolID: poolId, Address: address, Options: options };
    const answer = await this.#things.ipam(thing.ipamDriver).call('RequestAddress', body, { wait: true });
    const taken = addressOf(answer);
    thing.leases.push({ poolId, address: taken.split('/')[0]!, options });
    this.#things.note(thing);
    return taken;
  }
}

/** A locally administered one. */
function randomMac(): string {
  return ['02', ...[...randomBytes(5)].map((byte) => byte.toString(16).padStart(2, '0'))].join(':');
}
