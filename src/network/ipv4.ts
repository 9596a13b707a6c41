/** IPv4 addresses as unsigned 32-bit numbers, and networks in CIDR notation (RFC 4632). */

import { GantryError } from '../api/errors.ts';

export interface Ipv4Network {
  /** The lowest address. */
  base: number;
  prefixLength: number;
}

/** The number of a dotted quad, or undefined when the text is none. */
export function parseIpv4(text: string): number | undefined {
  const match = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})$/.exec(text);
  if (match === null) return undefined;
  let address = 0;
  for (const part of match.slice(1)) {
    if (Number(part) > 255 || (part.length > 1 && part.startsWith('0'))) return undefined;
    address = address * 256 + Number(part);
  }
  return address;
}

export function formatIpv4(address: number): string {
  return `${address >>> 24}.${(address >>> 16) & 255}.${(address >>> 8) & 255}.${address & 255}`;
}

export function isIpv6(text: string): boolean {
  return text.includes(':');
}

/**
 * Splits "172.17.0.1/16" into the address and its network.
 * @throws GantryError invalid_parameter, worded as dockerd's
 */
export function parseCidr(text: string): { address: number; network: Ipv4Network } {
  const [host = '', length = ''] = text.split('/');
  const address = parseIpv4(host);
  const prefixLength = Number(length);
  if (address === undefined || !/^\d{1,2}$/.test(length) || prefixLength > 32 || text.split('/').length !== 2) {
    throw new GantryError('invalid_parameter', `invalid CIDR address: ${text}`);
  }
  return { address, network: networkOf(address, prefixLength) };
}

export function networkOf(address: number, prefixLength: number): Ipv4Network {
  return { base: (address & mask(prefixLength)) >>> 0, prefixLength };
}

export function formatNetwork(network: Ipv4Network): string {
  return `${formatIpv4(network.base)}/${network.prefixLength}`;
}

export function broadcastOf(network: Ipv4Network): number {
  return (network.base | ~mask(network.prefixLength)) >>> 0;
}

export function contains(network: Ipv4Network, address: number): boolean {
  return (address & mask(network.prefixLength)) >>> 0 === network.base;
}

export function overlaps(one: Ipv4Network, other: Ipv4Network): boolean {
  return contains(one, other.base) || contains(other, one.base);
}

function mask(prefixLength: number): number {
  // A shift by 32 is one by 0 in JavaScript.
  return prefixLength === 0 ? 0 : (0xffffffff << (32 - prefixLength)) >>> 0;
}
