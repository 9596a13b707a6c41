import { GantryError } from '../api/errors.ts';

/** The word in an extra host's place of the address that stands for the host as containers reach it. */
const HOST_GATEWAY = 'host-gateway';

const LOOPBACK = [
  '127.0.0.1\tlocalhost',
  '::1\tlocalhost ip6-localhost ip6-loopback',
  'fe00::\tip6-localnet',
  'ff00::\tip6-mcastprefix',
  'ff02::1\tip6-allnodes',
  'ff02::2\tip6-allrouters',
];

export interface HostsRequest {
  hostname: string;
  domainname: string;
  addresses: string[];
  /** "name:address" (or "name=address"); the address may be "host-gateway". */
  extraHosts: string[];
  /** Lines of linked containers: see linkLines(). */
  links?: readonly string[];
}

/**
 * The text of a container's hosts(5): loopback, extra hosts, linked containers, then its own name at each of its addresses. `gateways`: what
 * "host-gateway" stands for. Throws invalid_parameter when that is asked for and there is none.
 */
export function makeHostsFile(request: HostsRequest, gateways: readonly string[]): string {
  const extra = extraHostLines(request.extraHosts, gateways);
  const lines = [...LOOPBACK, ...extra, ...(request.links ?? []), ...ownHostLines(request)];
  return `${lines.join('\n')}\n`;
}

/** The lines of a container's own name, one for each of its addresses. */
export function ownHostLines(request: Pick<HostsRequest, 'hostname' | 'domainname' | 'addresses'>): string[] {
  // The full name first, then the bare one, whichever way the two were split.
  const fullName = request.domainname === '' ? request.hostname : `${request.hostname}.${request.domainname}`;
  const dot = fullName.indexOf('.');
  const names = dot > 0 ? `${fullName} ${fullName.slice(0, dot)}` : fullName;
  return request.addresses.map((address) => `${address}\t${names}`);
}

/** A line for each extra host and address of it. */
export function extraHostLines(extraHosts: readonly string[], gateways: readonly string[]): string[] {
  return extraHosts.flatMap((entry) => {
    // The first separator: an IPv6 address has colons of its own.
    const at = entry.search(/[:=]/);
    if (at < 1) return [];
    const name = entry.slice(0, at);
    const address = entry.slice(at + 1).replace(/^\[(.*)\]$/, '$1');
    if (address !== HOST_GATEWAY) return [`${address}\t${name}`];
    if (gateways.length === 0) {
      throw new GantryError('invalid_parameter', 'unable to derive the IP value for host-gateway');
    }
    return gateways.map((gateway) => `${gateway}\t${name}`);
  });
}

/** A line for each address of a linked container: what it is called here, its host name, its own name. */
export function linkLines(linked: {
  alias: string;
  hostname: string;
  name: string;
  addresses: readonly string[];
}): string[] {
  const { alias, hostname, name, addresses } = linked;
  const names = [alias, hostname, ...(alias === name ? [] : [name])].join(' ');
  return addresses.map((address) => `${address}\t${names}`);
}

/**
 * A hosts file with other lines for a linked container, where its lines were; without any when it had none. Everything else stays, also
 * what the container itself has written, and an extra host of that very name: that has a line with one name.
 */
export function replaceLinkLines(text: string, alias: string, lines: readonly string[]): string {
  const all = text.split('\n');
  const isLinked = (line: string) => line.slice(line.indexOf('\t') + 1).startsWith(`${alias} `) && line.includes('\t');
  const first = all.findIndex(isLinked);
  if (first < 0) return text;
  const rest = all.slice(first).filter((line) => !isLinked(line));
  return [...all.slice(0, first), ...lines, ...rest].join('\n');
}
