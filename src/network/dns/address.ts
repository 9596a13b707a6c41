/** IP addresses between their text, their bytes and the names of the reverse tree (RFC 1035 section 3.5, RFC 3596 section 2.5). */

import { isIP, SocketAddress } from 'node:net';

/** The 4 or 16 bytes of an address, a zone such as "%eth0" left aside; undefined when the text is none. */
export function addressBytes(text: string): Uint8Array | undefined {
  const address = text.split('%')[0]!;
  const family = isIP(address);
  if (family === 4) return Uint8Array.from(address.split('.').map(Number));
  if (family !== 6) return undefined;
  // The last 32 bits may be written as IPv4.
  const hex = address.replace(/[^:]*\..*$/, (quad) => {
    const [a = 0, b = 0, c = 0, d = 0] = quad.split('.').map(Number);
    return `${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`;
  });
  const [head = '', tail = ''] = hex.split('::');
  const groups = (part: string): number[] =>
    part === '' ? [] : part.split(':').map((group) => Number.parseInt(group, 16));
  const before = groups(head);
  const after = groups(tail);
  const words = [...before, ...new Array<number>(8 - before.length - after.length).fill(0), ...after];
  return Uint8Array.from(words.flatMap((word) => [word >> 8, word & 255]));
}

/** An address in the one form that RFC 5952 wants, as a key to compare by; as it is when it is none. */
export function canonicalAddress(text: string): string {
  return isIP(text) === 6 ? new SocketAddress({ address: text, family: 'ipv6' }).address : text;
}

/** The address that a name of the reverse tree stands for, undefined for all others, those of whole networks too. */
export function reverseAddress(name: string): string | undefined {
  const ipv4 = /^(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.(\d{1,3})\.in-addr\.arpa$/.exec(name);
  if (ipv4 !== null) {
    const address = ipv4.slice(1).reverse().join('.');
    return isIP(address) === 4 ? address : undefined;
  }
  if (!/^(?:[0-9a-f]\.){32}ip6\.arpa$/.test(name)) return undefined;
  const nibbles = name.slice(0, 63).split('.').reverse().join('');
  return canonicalAddress(nibbles.replace(/(....)(?!$)/g, '$1:'));
}
