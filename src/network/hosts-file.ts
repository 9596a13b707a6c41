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
}

/** The text of a container's hosts(5): loopback, extra hosts, then its own name at each of its addresses. */
export function makeHostsFile(request: HostsRequest, gateway: string): string {
  const lines = [...LOOPBACK];
  for (const entry of request.extraHosts) {
    // The first separator: an IPv6 address has colons of its own.
    const at = entry.search(/[:=]/);
    if (at < 1) continue;
    const address = entry.slice(at + 1).replace(/^\[(.*)\]$/, '$1');
    const resolved = address === HOST_GATEWAY ? gateway : address;
    if (resolved !== '') lines.push(`${resolved}\t${entry.slice(0, at)}`);
  }
  // The full name first, then the bare one, whichever way the two were split.
  const fullName = request.domainname === '' ? request.hostname : `${request.hostname}.${request.domainname}`;
  const dot = fullName.indexOf('.');
  const names = dot > 0 ? `${fullName} ${fullName.slice(0, dot)}` : fullName;
  for (const address of request.addresses) lines.push(`${address}\t${names}`);
  return `${lines.join('\n')}\n`;
}
