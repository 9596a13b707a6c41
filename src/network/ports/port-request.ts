import { GantryError } from '../../api/errors.ts';
import type { PortBinding } from '../../api/schemas/host-config.ts';
import type { PortProtocol } from '../../linux/port-socket.ts';
import { canonicalAddress } from './address.ts';
import type { PortRequest } from './contract.ts';

export interface ApiPorts {
  /** HostConfig.PortBindings: "80/tcp" to where it is published. */
  bindings: Record<string, readonly PortBinding[] | null> | null | undefined;
  /** Config.ExposedPorts. */
  exposed: Record<string, unknown> | null | undefined;
  publishAll: boolean;
}

/**
 * What the API's fields ask for, a request a binding. A port of PublishAllPorts that has bindings is published by those alone.
 * @throws GantryError invalid_parameter, worded as dockerd's
 */
export function portRequests(ports: ApiPorts): PortRequest[] {
  const bindings = ports.bindings ?? {};
  const requests: PortRequest[] = [];
  const bound = new Set<string>();
  for (const [key, list] of Object.entries(bindings)) {
    const port = parsePort(key);
    for (const { HostIp = '', HostPort = '' } of list ?? []) {
      const [hostPort, hostPortEnd] = parseHostPort(HostPort);
      requests.push({ ...port, hostIp: HostIp === '' ? '' : canonicalAddress(HostIp), hostPort, hostPortEnd });
      bound.add(portKey(port));
    }
  }
  if (!ports.publishAll) return requests;
  for (const key of [...Object.keys(ports.exposed ?? {}), ...Object.keys(bindings)]) {
    const port = parsePort(key);
    if (bound.has(portKey(port))) continue;
    bound.add(portKey(port));
    requests.push({ ...port, hostIp: '', hostPort: 0, hostPortEnd: 0 });
  }
  return requests;
}

/** "80/tcp", as the API names a container's port. */
export function portKey(port: { containerPort: number; protocol: PortProtocol }): string {
  return `${port.containerPort}/${port.protocol}`;
}

/** A container's port as the API names it: "80/udp"; "80" is TCP's. */
function parsePort(text: string): { containerPort: number; protocol: PortProtocol } {
  const [number = '', name = 'tcp', ...rest] = text.split('/');
  const protocol = name.toLowerCase();
  const containerPort = parseNumber(number);
  if (containerPort === undefined || containerPort === 0 || rest.length > 0) throw invalid(number);
  if (protocol !== 'tcp' && protocol !== 'udp' && protocol !== 'sctp') {
    throw new GantryError('invalid_parameter', `invalid proto: ${name}`);
  }
  return { containerPort, protocol };
}

/** "8080", "8000-8010" for any free one of them, "" or "0" for any. */
function parseHostPort(text: string): [first: number, last: number] {
  if (text === '') return [0, 0];
  const [start = '', end = start, ...rest] = text.split('-');
  const first = parseNumber(start);
  const last = parseNumber(end);
  if (first === undefined || last === undefined || rest.length > 0 || last < first || (first === 0 && last !== 0)) {
    throw invalid(text);
  }
  return [first, last];
}

function parseNumber(text: string): number | undefined {
  return /^\d{1,5}$/.test(text) && Number(text) <= 65535 ? Number(text) : undefined;
}

function invalid(text: string): GantryError {
  return new GantryError('invalid_parameter', `invalid port specification: "${text}"`);
}
