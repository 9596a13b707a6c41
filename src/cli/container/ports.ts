/** --publish and --expose: [ip:][hostPort[-end]:]containerPort[-end][/proto], or published=,target=,protocol=. */

import type { PortMap } from '../../api/schemas/host-config.ts';

export interface PublishedPorts {
  exposed: Record<string, Record<string, never>>;
  bindings: PortMap;
}

/** "80" or "80-90" as two numbers; undefined when it is none. */
function range(text: string): [number, number] | undefined {
  const match = /^([0-9]{1,5})(?:-([0-9]{1,5}))?$/.exec(text);
  if (!match) return undefined;
  const start = Number(match[1]);
  const end = Number(match[2] ?? match[1]);
  return start > 65535 || end > 65535 || end < start ? undefined : [start, end];
}

/** What --publish says, as the API takes it. Throws docker's messages. */
export function parsePublish(specs: readonly string[]): PublishedPorts {
  const exposed: PublishedPorts['exposed'] = {};
  const bindings: Record<string, { HostIp: string; HostPort: string }[]> = {};
  for (const given of specs) {
    const spec = given.includes('=') ? fromLongForm(given) : given;
    const { ip, host, container, protocol } = split(spec);
    if (container === '') throw new Error(`no port specified: ${spec}<empty>`);
    const containerRange = range(container);
    if (!containerRange) throw new Error(`invalid containerPort: ${container}`);
    const hostRange = host === '' ? undefined : range(host);
    if (host !== '' && !hostRange) throw new Error(`invalid hostPort: ${host}`);
    const [start, end] = containerRange;
    if (hostRange && end - start !== hostRange[1] - hostRange[0] && end !== start) {
      throw new Error(`invalid ranges specified for container and host Ports: ${container} and ${host}`);
    }
    if (!['tcp', 'udp', 'sctp'].includes(protocol)) throw new Error(`invalid proto: ${protocol}`);
    for (let port = start; port <= end; port++) {
      const key = `${port}/${protocol}`;
      let hostPort = '';
      // One container port for a range of host ports: the engine picks one of them.
      if (hostRange && end === start && hostRange[1] !== hostRange[0]) hostPort = `${hostRange[0]}-${hostRange[1]}`;
      else if (hostRange) hostPort = String(hostRange[0] + port - start);
      exposed[key] = {};
      bindings[key] = [...(bindings[key] ?? []), { HostIp: ip, HostPort: hostPort }];
    }
  }
  return { exposed, bindings };
}

function split(spec: string): { ip: string; host: string; container: string; protocol: string } {
  const slash = spec.indexOf('/');
  const protocol = slash < 0 ? 'tcp' : spec.slice(slash + 1).toLowerCase() || 'tcp';
  const parts = (slash < 0 ? spec : spec.slice(0, slash)).split(':');
  const container = parts.pop()!;
  const host = parts.pop() ?? '';
  const raw = parts.join(':');
  const ip = raw.replace(/^\[(.*)\]$/, '$1');
  if (raw !== '' && !isIp(ip)) throw new Error(`invalid IP address: ${raw}`);
  return { ip, host, container, protocol };
}

function isIp(text: string): boolean {
  return (process.getBuiltinModule('node:net') as typeof import('node:net')).isIP(text) !== 0;
}

function fromLongForm(spec: string): string {
  const parts: Record<string, string> = { protocol: 'tcp' };
  for (const part of spec.split(',')) {
    const [key, value] = part.split('=');
    if (value === undefined) {
      throw new Error(`invalid publish opts format (should be name=value but got '${part}')`);
    }
    parts[key!] = value;
  }
  return `${parts.published ?? ''}:${parts.target ?? ''}/${parts.protocol}`;
}

/** What --expose says. */
export function parseExpose(specs: readonly string[]): PublishedPorts['exposed'] {
  const exposed: PublishedPorts['exposed'] = {};
  for (const spec of specs) {
    if (spec.includes(':')) throw new Error(`invalid port format for --expose: ${spec}`);
    const [port, protocol = 'tcp'] = spec.split('/') as [string, string?];
    const numbers = range(port);
    if (!numbers) {
      const why =
        port === '' ? 'empty string specified for ports' : `strconv.ParseUint: parsing "${port}": invalid syntax`;
      throw new Error(`invalid range format for --expose: ${spec}, error: ${why}`);
    }
    for (let one = numbers[0]; one <= numbers[1]; one++) exposed[`${one}/${protocol}`] = {};
  }
  return exposed;
}
