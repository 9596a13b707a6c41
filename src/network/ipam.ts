import { createHash } from 'node:crypto';
import { GantryError } from '../api/errors.ts';
import {
  contains,
  type Family,
  formatAddress,
  type IpAddress,
  type IpNetwork,
  lastOf,
  overlaps,
  parseCidr,
  sizeOf,
} from './ip.ts';

/** Docker's own default pools, in its order, which are 31 networks; then 768 more of 254 addresses each. */
export const DEFAULT_ADDRESS_POOLS: readonly { base: string; size: number }[] = [
  { base: '172.17.0.0/16', size: 16 },
  { base: '172.18.0.0/16', size: 16 },
  { base: '172.19.0.0/16', size: 16 },
  { base: '172.20.0.0/14', size: 16 },
  { base: '172.24.0.0/14', size: 16 },
  { base: '172.28.0.0/14', size: 16 },
  { base: '192.168.0.0/16', size: 20 },
  { base: '10.201.0.0/16', size: 24 },
  { base: '10.202.0.0/15', size: 24 },
];

/** Unique local addresses of this engine's (RFC 4193): 65,536 networks, the same as long as the engine lives. */
export function localIpv6Pool(engineId: string): { base: string; size: number } {
  const digest = createHash('sha256').update(`${engineId}\0ipv6`).digest();
  const bytes = Buffer.alloc(16);
  bytes[0] = 0xfd;
  digest.copy(bytes, 1, 0, 5);
  return { base: `${formatAddress(6, BigInt(`0x${bytes.toString('hex')}`))}/48`, size: 64 };
}

/**
 * The first network of the pools' that overlaps nothing in use; undefined when there is none. Of a pool of very many networks the first
 * 100,000 are looked at.
 */
export function chooseNetwork(
  family: Family,
  pools: readonly { base: string; size: number }[],
  used: readonly IpNetwork[],
): IpNetwork | undefined {
  for (const pool of pools) {
    const { network } = parseCidr(pool.base);
    if (network.family !== family) continue;
    const busy = used.filter((other) => overlaps(other, network));
    const step = sizeOf({ ...network, prefixLength: pool.size });
    let base = network.base;
    for (let tries = 0; tries < 100_000 && base <= lastOf(network); tries++, base += step) {
      const candidate = { family, base, prefixLength: pool.size };
      if (!busy.some((other) => overlaps(other, candidate))) return candidate;
    }
  }
  return undefined;
}

/** Which addresses of one subnet are given out. The lowest free one is next, as users of Docker know it. */
export class SubnetAllocator {
  readonly network: IpNetwork;
  readonly #taken = new Set<bigint>();
  /** Given out last, to how many: they get them again, unless nothing else is left for others meanwhile. */
  readonly #kept = new Map<bigint, number>();
  readonly #first: bigint;
  readonly #last: bigint;
  readonly #rangeFirst: bigint;
  readonly #rangeLast: bigint;
  /** No address of the range below this one is free and not kept: keeps allocation O(1) for a subnet that fills up. */
  #lowest: bigint;

  /**
   * @param reserved addresses never given out: the gateway's
   * @param range where addresses are chosen from; given ones may be anywhere in the subnet
   */
  constructor(network: IpNetwork, reserved: readonly bigint[], range: IpNetwork = network) {
    this.network = network;
    // The network's and the broadcast address are no hosts' (a /31 has neither, RFC 3021; nor has a /127, RFC 6164).
    const edge = sizeOf(network) > 2n ? 1n : 0n;
    this.#first = network.base + edge;
    this.#last = lastOf(network) - edge;
    this.#rangeFirst = range.base < this.#first ? this.#first : range.base;
    this.#rangeLast = lastOf(range) > this.#last ? this.#last : lastOf(range);
    this.#lowest = this.#rangeFirst;
    for (const address of reserved) this.#taken.add(address);
  }

  /** Takes a given address; false when it is not free or not of this subnet. */
  take(address: IpAddress): boolean {
    const { value } = address;
    if (!contains(this.network, address) || value < this.#first || value > this.#last) return false;
    if (this.#taken.has(value)) return false;
    this.#taken.add(value);
    return true;
  }

  /** Takes the lowest free address, one that is kept for somebody only when there is no other; undefined when there is none. */
  allocate(): bigint | undefined {
    for (let address = this.#lowest; address <= this.#rangeLast; address++) {
      if (this.#taken.has(address) || this.#kept.has(address)) continue;
      this.#taken.add(address);
      this.#lowest = address + 1n;
      return address;
    }
    this.#lowest = this.#rangeLast + 1n;
    let lowest: bigint | undefined;
    for (const address of this.#kept.keys()) {
      if (this.#taken.has(address) || address < this.#rangeFirst || address > this.#rangeLast) continue;
      if (lowest === undefined || address < lowest) lowest = address;
    }
    if (lowest !== undefined) this.#taken.add(lowest);
    return lowest;
  }

  release(address: bigint): void {
    if (this.#taken.delete(address)) this.#free(address);
  }

  /** Keeps an address, free or not, for somebody who had it. */
  keep(address: bigint): void {
    this.#kept.set(address, (this.#kept.get(address) ?? 0) + 1);
  }

  /** Ends one keep(). */
  unkeep(address: bigint): void {
    const others = (this.#kept.get(address) ?? 0) - 1;
    if (others > 0) this.#kept.set(address, others);
    else if (this.#kept.delete(address)) this.#free(address);
  }

  #free(address: bigint): void {
    if (this.#taken.has(address) || this.#kept.has(address)) return;
    if (address >= this.#rangeFirst && address < this.#lowest) this.#lowest = address;
  }
}

/** Docker's words for a network that is full. */
export function noAddressLeft(family: Family): GantryError {
  return new GantryError('unavailable', `no available IPv${family} addresses on this network's address pools`);
}

/**
 * The locally administered MAC address that belongs to an IP address, so that neighbours find who has it after a restart: for IPv4 02:42
 * and its four bytes, for IPv6 bytes that all of it decides.
 */
export function macOf(family: Family, address: bigint): string {
  const text = formatAddress(family, address);
  const bytes =
    family === 4 ? [0x42, ...text.split('.').map(Number)] : createHash('sha256').update(text).digest().subarray(0, 5);
  return [0x02, ...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join(':');
}
