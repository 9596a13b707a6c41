import type { EndpointSettings, NetworkSettings, Port } from '../../api/schemas/container.ts';
import type { PortBinding } from '../../api/schemas/host-config.ts';
import { namesOf } from '../../network/attachment.ts';
import { portKey } from '../../network/ports/port-request.ts';
import type { ContainerRecord } from '../container-record.ts';
import { isUserDefined } from '../networks/endpoint-settings.ts';

/** ID of a network by its name, '' when unknown. */
export type NetworkIds = (name: string) => string;

/** Name of the network a container's mode puts it on, or null when it shares another container's. */
export function networkNameOf(record: ContainerRecord): string | null {
  const mode = record.hostConfig.NetworkMode ?? '';
  if (mode === '' || mode === 'default') return 'bridge';
  return mode.startsWith('container:') ? null : mode;
}

/** Names of the networks that a container is on, or will be when it starts. */
export function networkNamesOf(record: ContainerRecord): string[] {
  return record.config.NetworkDisabled ? [] : Object.keys(record.endpointsConfig);
}

/** The container's endpoints as the API shows them, by network name: requested settings with, while it runs, what it got. */
export function endpointSettings(record: ContainerRecord, networkIds: NetworkIds): Record<string, EndpointSettings> {
  const networks: Record<string, EndpointSettings> = {};
  const started = !record.state.startedAt.startsWith('0001');
  for (const name of networkNamesOf(record)) {
    const wanted = record.endpointsConfig[name] ?? {};
    const got = record.sandbox?.endpoints.find((endpoint) => endpoint.networkName === name);
    // The API shows null, not a missing field, for what was not asked for.
    networks[name] = {
      IPAMConfig: wanted.IPAMConfig ?? null,
      Links: wanted.Links ?? null,
      Aliases: wanted.Aliases ?? null,
      MacAddress: got?.macAddress ?? '',
      DriverOpts: wanted.DriverOpts ?? null,
      GwPriority: wanted.GwPriority ?? 0,
      NetworkID: got?.networkId ?? (started ? networkIds(name) : ''),
      EndpointID: got?.endpointId ?? (['host', 'none'].includes(name) ? (record.plainEndpoint ?? '') : ''),
      Gateway: got?.gateway ?? '',
      IPAddress: got?.ipAddress ?? '',
      IPPrefixLen: got?.ipPrefixLen ?? 0,
      IPv6Gateway: got?.ipv6Gateway ?? '',
      GlobalIPv6Address: got?.ipv6Address ?? '',
      GlobalIPv6PrefixLen: got?.ipv6PrefixLen ?? 0,
      DNSNames: started && isUserDefined(name) ? dnsNamesOf(record, wanted.Aliases ?? []) : null,
    } as unknown as EndpointSettings;
  }
  return networks;
}

function dnsNamesOf(record: ContainerRecord, aliases: readonly string[]): string[] {
  return namesOf({ containerId: record.id, name: record.name, hostname: record.config.Hostname ?? '' }, aliases);
}

/** NetworkSettings of inspect, with the fields of the default bridge at its top that API versions up to 1.51 carry. */
export function networkSettings(record: ContainerRecord, networkIds: NetworkIds): NetworkSettings {
  const bridge = record.sandbox?.endpoints.find((endpoint) => endpoint.networkName === 'bridge');
  return {
    Bridge: '',
    SandboxID: record.sandbox?.sandboxId ?? '',
    SandboxKey: record.sandbox?.path ?? '',
    Ports: portMap(record),
    HairpinMode: false,
    LinkLocalIPv6Address: '',
    LinkLocalIPv6PrefixLen: 0,
    SecondaryIPAddresses: null,
    SecondaryIPv6Addresses: null,
    EndpointID: bridge?.endpointId ?? '',
    Gateway: bridge?.gateway ?? '',
    GlobalIPv6Address: bridge?.ipv6Address ?? '',
    GlobalIPv6PrefixLen: bridge?.ipv6PrefixLen ?? 0,
    IPAddress: bridge?.ipAddress ?? '',
    IPPrefixLen: bridge?.ipPrefixLen ?? 0,
    IPv6Gateway: bridge?.ipv6Gateway ?? '',
    MacAddress: bridge?.macAddress ?? '',
    Networks: endpointSettings(record, networkIds),
  };
}

/** Ports of a running container: those of the host by which each is reached, null for one that is only exposed. */
function portMap(record: ContainerRecord): Record<string, PortBinding[] | null> {
  if (record.sandbox === null) return {};
  const ports: Record<string, PortBinding[] | null> = {};
  for (const key of Object.keys(record.config.ExposedPorts ?? {})) ports[key.includes('/') ? key : `${key}/tcp`] = null;
  for (const port of record.publishedPorts ?? []) {
    ports[portKey(port)] = [...(ports[portKey(port)] ?? []), { HostIp: port.hostIp, HostPort: String(port.hostPort) }];
  }
  return ports;
}

/** Ports of a running container for the list. */
export function listedPorts(record: ContainerRecord): Port[] {
  return Object.entries(portMap(record)).flatMap(([key, bindings]) => {
    const [port, protocol] = key.split('/');
    const inside = { PrivatePort: Number(port), Type: protocol as 'tcp' | 'udp' | 'sctp' };
    if (bindings === null) return [inside];
    return bindings.map(({ HostIp = '', HostPort }) => ({ IP: HostIp, ...inside, PublicPort: Number(HostPort) }));
  });
}
