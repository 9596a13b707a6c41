import { GantryError } from '../api/errors.ts';
import { broadcastOf, contains, formatIpv4, type Ipv4Network, overlaps, parseCidr } from './ipv4.ts';

/** Docker's own default pools, in its order. */
export const DEFAULT_ADDRESS_POOLS: readonly { base: string; size: number }[] = [
  { base: '172.17.0.0/16', size: 16 },
  { base: '172.18.0.0/16', size: 16 },
  { base: '172.19.0.0/16', size: 16 },
  { base: '172.20.0.0/14', size: 16 },
  { base: '172.24.0.0/14', size: 16 },
  { base: '172.28.0.0/14', size: 16 },
  { base: '192.168.0.0/16', size: 20 },
];

/**
 * The first network of the pools that overlaps nothing in use.
 * @throws GantryError unavailable when there is none
 */
export function chooseNetwork(
  pools: readonly { base: string; size: number }[],
  used: readonly Ipv4Network[],
): Ipv4Network {
  for (const pool of pools) {
    const { network } = parseCidr(pool.base);
    const step = 2 ** (32 - pool.size);
    for (let base = network.base; base <= broadcastOf(network); base += step) {
      const candidate = { base, prefixLength: pool.size };
      if (!used.some((other) => overlaps(other, candidate))) return candidate;
    }
  }
  throw new GantryError('unavailable', 'all predefined address pools have been fully subnetted', {
    hint: 'give the bridge an address with --bip, or other pools with --default-address-pool',
  });
}

/** Which addresses of one subnet are given out. The lowest free one is next, as users of Docker know it. */
export class SubnetAllocator {
  readonly network: Ipv4Network;
  readonly #taken = new Set<number>();
  readonly #first: number;
  readonly #last: number;
  /** No address below this one is free: keeps allocation O(1) for a subnet that fills up. */
  #lowest: number;

  /** @param reserved addresses never given out: the gateway's */
  constructor(network: Ipv4Network, reserved: readonly number[]) {
    this.network = network;
    // The network's and the broadcast address are no hosts' (a /31 has neither, RFC 3021; nothing fits beside the gateway then).
    this.#first = network.base + (network.prefixLength < 31 ? 1 : 0);
    this.#last = broadcastOf(network) - (network.prefixLength < 31 ? 1 : 0);
    this.#lowest = this.#first;
    for (const address of reserved) this.#taken.add(address);
  }

  /** Takes a given address; false when it is not free or not of this subnet. */
  take(address: number): boolean {
    if (!contains(this.network, address) || address < this.#first || address > this.#last) return false;
    if (this.#taken.has(address)) return false;
    this.#taken.add(address);
    return true;
  }

  /** Takes the lowest free address. Throws GantryError unavailable when the subnet is full. */
  allocate(): number {
    for (let address = this.#lowest; address <= this.#last; address++) {
      if (this.#taken.has(address)) continue;
      this.#taken.add(address);
      this.#lowest = address + 1;
      return address;
    }
    throw new GantryError('unavailable', "no available IPv4 addresses on this network's address pools");
  }

  release(address: number): void {
    if (!this.#taken.delete(address)) return;
    if (address < this.#lowest) this.#lowest = address;
  }
}

/** The locally administered MAC address that belongs to an IPv4 address: 02:42 and its four bytes. */
export function macOf(address: number): string {
  const bytes = formatIpv4(address).split('.').map(Number);
  return [0x02, 0x42, ...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join(':');
}
