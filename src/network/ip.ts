/** IPv4 and IPv6 addresses as numbers, and networks in CIDR notation (RFC 4632, RFC 4291). */

import { GantryError } from '../api/errors.ts';
import { addressBytes, addressText } from '../linux/netlink/address.ts';

export type Family = 4 | 6;

export interface IpAddress {
  family: Family;
  value: bigint;
}

export interface IpNetwork {
  family: Family;
  /** The lowest address. */
  base: bigint;
  prefixLength: number;
}

/** The number of an address, or undefined when the text is none. */
export function parseAddress(text: string): IpAddress | undefined {
  const bytes = addressBytes(text);
  if (bytes === undefined) return undefined;
  return { family: bytes.length === 4 ? 4 : 6, value: BigInt(`0x${bytes.toString('hex')}`) };
}

export function formatAddress(family: Family, value: bigint): string {
  return addressText(Buffer.from(value.toString(16).padStart(family === 4 ? 8 : 32, '0'), 'hex'));
}

export function isIpv6(text: string): boolean {
  return text.includes(':');
}

/** Bits of an address of the family. */
export function bitsOf(family: Family): number {
  return family === 4 ? 32 : 128;
}

/**
 * Splits "172.17.0.1/16" into the address and its network.
 * @throws GantryError invalid_parameter, worded as dockerd's
 */
export function parseCidr(text: string): { address: bigint; network: IpNetwork } {
  const found = splitCidr(text);
  if (found === undefined) throw new GantryError('invalid_parameter', `invalid CIDR address: ${text}`);
  return found;
}

/** As parseCidr(), undefined for what is none. */
export function splitCidr(text: string): { address: bigint; network: IpNetwork } | undefined {
  const [host = '', length = '', ...more] = text.split('/');
  const address = parseAddress(host);
  if (address === undefined || more.length > 0 || !/^\d{1,3}$/.test(length)) return undefined;
  if (Number(length) > bitsOf(address.family)) return undefined;
  return { address: address.value, network: networkOf(address, Number(length)) };
}

export function networkOf(address: IpAddress, prefixLength: number): IpNetwork {
  const { family, value } = address;
  const hostBits = BigInt(bitsOf(family) - prefixLength);
  return { family, base: (value >> hostBits) << hostBits, prefixLength };
}

export function formatNetwork(network: IpNetwork): string {
  return `${formatAddress(network.family, network.base)}/${network.prefixLength}`;
}

/** The highest address. */
export function lastOf(network: IpNetwork): bigint {
  return network.base + sizeOf(network) - 1n;
}

export function sizeOf(network: IpNetwork): bigint {
  return 1n << BigInt(bitsOf(network.family) - network.prefixLength);
}

export function contains(network: IpNetwork, address: IpAddress): boolean {
  return address.family === network.family && address.value >= network.base && address.value <= lastOf(network);
}

export function overlaps(one: IpNetwork, other: IpNetwork): boolean {
  return one.family === other.family && one.base <= lastOf(other) && other.base <= lastOf(one);
}
