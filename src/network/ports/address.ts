/** IP addresses as bytes in network order, 4 or 16 of them, for both families alike. */
import { isIPv4, isIPv6, SocketAddress } from 'node:net';
import { GantryError } from '../../api/errors.ts';

export const ANY_IPV4 = '0.0.0.0';
export const ANY_IPV6 = '::';

/** @throws GantryError invalid_parameter */
export function addressBytes(text: string): Buffer {
  if (isIPv4(text)) return Buffer.from(text.split('.').map(Number));
  if (!isIPv6(text) || text.includes('%')) throw new GantryError('invalid_parameter', `invalid IP address: ${text}`);
  // A dotted tail stands for the last two groups.
  const plain = text.replace(/(\d+)\.(\d+)\.(\d+)\.(\d+)$/, (_, a, b, c, d) =>
    [Number(a) * 256 + Number(b), Number(c) * 256 + Number(d)].map((group) => group.toString(16)).join(':'),
  );
  const [head = '', tail] = plain.split('::');
  const before = groups(head);
  const after = groups(tail ?? '');
  const zeros = tail === undefined ? 0 : 8 - before.length - after.length;
  const bytes = Buffer.alloc(16);
  [...before, ...Array<number>(zeros).fill(0), ...after].forEach((group, index) => {
    bytes.writeUInt16BE(group, index * 2);
  });
  return bytes;
}

/** The one way to write an address: RFC 5952; IPv4 in IPv6 (::ffff:1.2.3.4) as IPv4. Throws as addressBytes(). */
export function canonicalAddress(text: string): string {
  const bytes = addressBytes(text);
  if (bytes.length === 4) return text;
  const mapped = bytes.subarray(0, 10).every((byte) => byte === 0) && bytes.readUInt16BE(10) === 0xffff;
  if (mapped) return [...bytes.subarray(12)].join('.');
  return new SocketAddress({ address: text, family: 'ipv6' }).address;
}

export function isAny(address: string): boolean {
  return address === ANY_IPV4 || address === ANY_IPV6;
}

export function isIpv6Address(address: string): boolean {
  return address.includes(':');
}

/** The first and the last address of a network in CIDR form. Throws as addressBytes(). */
export function networkBounds(cidr: string): { first: Buffer; last: Buffer } {
  const [address = '', length = ''] = cidr.split('/');
  const first = addressBytes(address);
  const last = Buffer.from(first);
  const prefix = Number(length);
  for (const index of first.keys()) {
    const kept = Math.min(8, Math.max(0, prefix - index * 8));
    const host = 0xff >> kept;
    first[index] = first[index]! & ~host;
    last[index] = last[index]! | host;
  }
  return { first, last };
}

function groups(text: string): number[] {
  return text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16));
}
