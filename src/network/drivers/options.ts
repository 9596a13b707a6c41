/** Names of driver options that users know from Docker, and how their values are read. */
import { GantryError, notSupportedYet } from '../../api/errors.ts';
import type { NetworkRecord } from '../contract.ts';
import { type Family, parseAddress } from '../ip.ts';

export const BRIDGE_NAME = 'com.docker.network.bridge.name';
export const ENABLE_ICC = 'com.docker.network.bridge.enable_icc';
export const ENABLE_MASQUERADE = 'com.docker.network.bridge.enable_ip_masquerade';
export const HOST_BINDING = 'com.docker.network.bridge.host_binding_ipv4';
export const INHIBIT_IPV4 = 'com.docker.network.bridge.inhibit_ipv4';
export const GATEWAY_MODE = {
  4: 'com.docker.network.bridge.gateway_mode_ipv4',
  6: 'com.docker.network.bridge.gateway_mode_ipv6',
} as const;
export const TRUSTED_INTERFACES = 'com.docker.network.bridge.trusted_host_interfaces';
export const HOST_ADDRESS = { 4: 'com.docker.network.host_ipv4', 6: 'com.docker.network.host_ipv6' } as const;
export const DEFAULT_BRIDGE = 'com.docker.network.bridge.default_bridge';
export const MTU = 'com.docker.network.driver.mtu';
export const IFACE_PREFIX = 'com.docker.network.container_iface_prefix';
export const ENABLE_IPV4 = 'com.docker.network.enable_ipv4';
export const ENABLE_IPV6 = 'com.docker.network.enable_ipv6';

/** The smallest packet that every IPv4 link must carry (RFC 791). */
const SMALLEST_MTU = 68;

/** Go's ParseBool. Throws invalid_parameter. */
export function readBool(name: string, text: string): boolean {
  if (['1', 't', 'T', 'TRUE', 'true', 'True'].includes(text)) return true;
  if (['0', 'f', 'F', 'FALSE', 'false', 'False'].includes(text)) return false;
  throw new GantryError('invalid_parameter', `driver-opt "${name}" is not a valid bool: "${text}"`);
}

export function boolOption(record: NetworkRecord, name: string, otherwise: boolean): boolean {
  const text = record.options[name];
  return text === undefined ? otherwise : readBool(name, text);
}

/** Bytes; 0 when it is not given. Throws invalid_parameter. */
export function mtuOption(record: NetworkRecord): number {
  const text = record.options[MTU];
  if (text === undefined) return 0;
  const mtu = Number(text);
  if (!/^\d+$/.test(text) || (mtu !== 0 && mtu < SMALLEST_MTU) || mtu > 65_535) {
    throw new GantryError('invalid_parameter', `invalid MTU: ${text}`);
  }
  return mtu;
}

/**
 * What a bridge does between its containers and other networks. "nat": what leaves has the host's address, nothing comes in but by published
 * ports. "nat-unprotected": all ports are open to whoever has a route to them. "routed": nothing is translated, published ports are open at the
 * container's own address. "isolated": the host has no address on the bridge.
 */
export type GatewayMode = 'nat' | 'nat-unprotected' | 'routed' | 'isolated';

const GATEWAY_MODES: readonly string[] = ['nat', 'nat-unprotected', 'routed', 'isolated'] satisfies GatewayMode[];

/** Throws invalid_parameter. */
export function gatewayMode(record: Pick<NetworkRecord, 'options'>, family: Family): GatewayMode {
  const name = GATEWAY_MODE[family];
  const text = record.options[name] ?? 'nat';
  if (GATEWAY_MODES.includes(text)) return text as GatewayMode;
  throw new GantryError('invalid_parameter', `failed to parse ${name} value: "${text}" (unknown gateway mode ${text})`);
}

/** The source address of what leaves, "" when the route decides. Throws invalid_parameter. */
export function hostAddress(record: NetworkRecord, family: Family): string {
  const name = HOST_ADDRESS[family];
  const text = record.options[name] ?? '';
  if (text === '' || parseAddress(text)?.family === family) return text;
  throw new GantryError('invalid_parameter', `failed to parse ${name} value: "${text}" is no IPv${family} address`);
}

/** Interfaces of the host, separated by colons. Throws invalid_parameter. */
export function trustedInterfaces(record: NetworkRecord): string[] {
  const names = (record.options[TRUSTED_INTERFACES] ?? '').split(':').filter((name) => name !== '');
  for (const name of names) checkInterfaceName(name, TRUSTED_INTERFACES);
  return names;
}

/** A name that the kernel takes for an interface (dev_valid_name in its source). Throws invalid_parameter. */
export function checkInterfaceName(name: string, what: string): void {
  if (/^[^\s/:"]{1,15}$/.test(name) && name !== '.' && name !== '..') return;
  throw new GantryError('invalid_parameter', `${what}: "${name}" is not a valid interface name`);
}

/**
 * Options of Docker's that are not among `known` are refused rather than passed over. Others (of an orchestrator's, say) are kept
 * as they are: nothing is expected of them.
 */
export function refuseUnknown(record: NetworkRecord, known: readonly string[]): void {
  for (const name of Object.keys(record.options)) {
    if (name.startsWith('com.docker.network.') && !known.includes(name))
      throw notSupportedYet(`network option ${name}`);
  }
}
