import { GantryError, notSupportedYet } from '../../api/errors.ts';
import type { EndpointSettings } from '../../api/schemas/container.ts';
import type { EndpointRequest } from '../../network/contract.ts';
import { checkInterfaceName } from '../../network/drivers/options.ts';
import { parseAddress } from '../../network/ip.ts';
import type { ContainerRecord } from '../container-record.ts';
import { parseLink } from '../links/link-option.ts';

/** Driver options of an endpoint: sysctls of its interface, separated by commas; the interface's name. */
const SYSCTLS = 'com.docker.network.endpoint.sysctls';
const INTERFACE = 'com.docker.network.endpoint.ifname';

/** Whether a network mode names a network that a user has made. */
export function isUserDefined(mode: string): boolean {
  return !['', 'default', 'bridge', 'host', 'none'].includes(mode) && !mode.startsWith('container:');
}

/**
 * Checks what a container asks of its place on a network; the network's own say comes when it is connected. Throws invalid_parameter
 * with all problems, not_supported.
 */
export function checkEndpoint(settings: EndpointSettings, userDefined: boolean): void {
  const { IPv4Address = '', IPv6Address = '', LinkLocalIPs = [] } = settings.IPAMConfig ?? {};
  const problems: string[] = [];
  if (!userDefined && (IPv4Address || IPv6Address || LinkLocalIPs?.length)) {
    problems.push('user specified IP address is supported on user defined networks only');
  }
  if (!userDefined && settings.Aliases?.length) {
    problems.push('network-scoped alias is supported only for containers in user defined networks');
  }
  if (IPv4Address && parseAddress(IPv4Address)?.family !== 4) problems.push(`invalid IPv4 address: ${IPv4Address}`);
  if (IPv6Address && parseAddress(IPv6Address)?.family !== 6) problems.push(`invalid IPv6 address: ${IPv6Address}`);
  for (const address of LinkLocalIPs ?? []) {
    if (parseAddress(address) === undefined) problems.push(`invalid link-local IP address: ${address}`);
  }
  const mac = settings.MacAddress ?? '';
  if (mac !== '' && !/^([0-9a-f]{2}[:-]){5}[0-9a-f]{2}$/i.test(mac)) problems.push(`invalid MAC address: ${mac}`);
  if (problems.length > 0) {
    throw new GantryError('invalid_parameter', `invalid endpoint settings:\n${problems.join('\n')}`);
  }
  for (const link of settings.Links ?? []) parseLink(link);
  for (const [name, value] of Object.entries(settings.DriverOpts ?? {})) {
    if (name === SYSCTLS) sysctlsOf(value);
    else if (name === INTERFACE) checkInterfaceName(value, INTERFACE);
    else throw notSupportedYet(`endpoint option ${name}`);
  }
}

/** What the network room is asked for when a container joins the network of that name. */
export function endpointRequest(record: ContainerRecord, network: string): EndpointRequest {
  const wanted = record.endpointsConfig[network] ?? {};
  const previous = record.addresses?.[network];
  return {
    network,
    ipAddress: wanted.IPAMConfig?.IPv4Address ?? '',
    ipv6Address: wanted.IPAMConfig?.IPv6Address ?? '',
    linkLocalIps: wanted.IPAMConfig?.LinkLocalIPs ?? [],
    macAddress: wanted.MacAddress ?? '',
    interfaceName: wanted.DriverOpts?.[INTERFACE] ?? '',
    gatewayPriority: wanted.GwPriority ?? 0,
    sysctls: sysctlsOf(wanted.DriverOpts?.[SYSCTLS] ?? ''),
    aliases: wanted.Aliases ?? [],
    ...(previous === undefined ? {} : { previous }),
  };
}

/** The networks a container joins at its start, that of its mode first, the others by name: so its interfaces are numbered. */
export function endpointRequests(record: ContainerRecord, modeNetwork: string): EndpointRequest[] {
  return Object.keys(record.endpointsConfig)
    .filter((name) => name !== 'none')
    .sort((one, other) => Number(other === modeNetwork) - Number(one === modeNetwork) || (one < other ? -1 : 1))
    .map((name) => endpointRequest(record, name));
}

/** "net.ipv4.conf.IFNAME.a=1,..." Throws invalid_parameter. */
function sysctlsOf(text: string): Record<string, string> {
  const settings = text.split(',').filter((part) => part !== '');
  return Object.fromEntries(
    settings.map((setting) => {
      const [, name, value] = /^(net[./](?:ipv4|ipv6|mpls)[./]\w+[./]IFNAME[./]\w+)=(.*)$/.exec(setting) ?? [];
      if (name === undefined || value === undefined) {
        throw new GantryError('invalid_parameter', `invalid sysctl of an interface: "${setting}"`, {
          hint: 'write net.ipv4.conf.IFNAME.name=value',
        });
      }
      return [name, value];
    }),
  );
}
