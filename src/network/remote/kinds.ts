import type { NetworkRecord } from '../contract.ts';

/** Drivers of our own, by name. */
export const OWN_DRIVERS: readonly string[] = ['bridge', 'macvlan', 'ipvlan', 'host', 'null'];
const OWN_IPAM = ['default', 'null'];

/** Plugin that drives a network; "" for a driver of our own. */
export function remoteDriver(record: NetworkRecord): string {
  return OWN_DRIVERS.includes(record.driver) ? '' : record.driver;
}

/** Plugin that gives a network its addresses; "" for our own. */
export function remoteIpam(record: NetworkRecord): string {
  return OWN_IPAM.includes(record.ipam.driver) ? '' : record.ipam.driver;
}

export function isRemote(record: NetworkRecord): boolean {
  // A configuration-only network is nothing but its record.
  return record.configOnly !== true && (remoteDriver(record) !== '' || remoteIpam(record) !== '');
}
