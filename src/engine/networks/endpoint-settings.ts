import { GantryError, notSupportedYet } from '../../api/errors.ts';
import { listed } from '../../api/listed.ts';
import type { EndpointSettings } from '../../api/schemas/container.ts';
import type { EndpointRequest, NetworkRecord } from '../../network/contract.ts';
import { checkInterfaceName } from '../../network/drivers/options.ts';
import { contains, type IpAddress, parseAddress, splitCidr } from '../../network/ip.ts';
import { OWN_DRIVERS } from '../../network/remote/kinds.ts';
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
 * Checks what a container asks of its place on the network of that name, and of that record where there is such a network by now. Throws
 * invalid_parameter with all problems, worded as Docker's; not_supported.
 */
export function checkEndpoint(settings: EndpointSettings, network: string, record: NetworkRecord | null): void {
  const { IPv4Address = '', IPv6Address = '', LinkLocalIPs = [] } = settings.IPAMConfig ?? {};
  const problems: string[] = [];
  if (!isUserDefined(network)) {
    if (IPv4Address || IPv6Address || LinkLocalIPs?.length) {
      problems.push('user specified IP address is supported on user defined networks only');
    }
    if (settings.Aliases?.length) {
      problems.push('network-scoped alias is supported only for containers in user defined networks');
    }
  }
  for (const [family, address] of [[4, IPv4Address] as const, [6, IPv6Address] as const]) {
    if (address === '') continue;
    const parsed = parseAddress(address);
    if (parsed?.family !== family || parsed.value === 0n) problems.push(`invalid IPv${family} address: ${address}`);
    else if (record !== null) problems.push(...outOfRange(parsed, address, record));
  }
  for (const address of LinkLocalIPs ?? []) {
    if (!parseAddress(address)?.value) problems.push(`invalid link-local IP address: ${address}`);
  }
  const mac = settings.MacAddress ?? '';
  if (mac !== '' && !/^([0-9a-f]{2}[:-]){5}[0-9a-f]{2}$/i.test(mac)) {
    throw new GantryError('invalid_parameter', `invalid MAC address ${mac}`);
  }
  if (problems.length > 0) {
    throw new GantryError('invalid_parameter', `invalid endpoint settings:\n${listed(problems)}`);
  }
  for (const link of settings.Links ?? []) parseLink(link);
  const own = !isUserDefined(network) || (record !== null && OWN_DRIVERS.includes(record.driver));
  for (const [name, value] of Object.entries(settings.DriverOpts ?? {})) {
    if (name === SYSCTLS) sysctlsOf(value);
    else if (name === INTERFACE) checkInterfaceName(value, INTERFACE);
    // Others are for the driver of a plugin, which may know them.
    else if (own || name.startsWith('com.docker.network.')) throw notSupportedYet(`endpoint option ${name}`);
  }
}

/** Addresses are given in subnets that the network's maker chose. */
function outOfRange(address: IpAddress, text: string, record: NetworkRecord): string[] {
  const given = record.pools.filter((pool) => pool.given).map((pool) => splitCidr(pool.subnet)!.network);
  const fitting = given.filter(({ family }) => family === address.family);
  if (fitting.length === 0) {
    return ['user specified IP address is supported only when connecting to networks with user configured subnets'];
  }
  if (fitting.some((subnet) => contains(subnet, address))) return [];
  return [`no configured subnet or ip-range contain the IP address ${text}`];
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
    driverOptions: wanted.DriverOpts ?? {},
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

/** "net.ipv4.conf.IFNAME.a=1,..." Throws invalid_parameter with all problems, worded as Docker's. */
function sysctlsOf(text: string): Record<string, string> {
  const settings = text.split(',').filter((part) => part !== '');
  const problems: string[] = [];
  const found = settings.flatMap((setting) => {
    // Clients write the word in small letters as well.
    const parts = /^(net[./](?:ipv4|ipv6|mpls)[./]\w+[./])(?:IFNAME|ifname)([./]\w+)=(.*)$/.exec(setting);
    if (parts !== null) return [[`${parts[1]}IFNAME${parts[2]}`, parts[3]!] as const];
    problems.push(
      `unrecognised network interface sysctl '${setting}'; represent 'net.X.Y.ethN.Z=V' as 'net.X.Y.IFNAME.Z=V', 'X' must be 'ipv4', 'ipv6' or 'mpls'`,
    );
    return [];
  });
  if (problems.length > 0) {
    throw new GantryError('invalid_parameter', `invalid endpoint settings:\n${listed(problems)}`);
  }
  return Object.fromEntries(found);
}
