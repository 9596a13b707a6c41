import { BlockList, isIP, isIPv6 } from 'node:net';
import type { IPAMConfig } from '../../api/schemas/network.ts';

/** What `network create` was told, in the order of the command line. */
export interface IpamFlags {
  subnets: readonly string[];
  ranges: readonly string[];
  gateways: readonly string[];
  aux: Readonly<Record<string, string>>;
}

/** Gives each range, gateway and auxiliary address to the subnet it lies in. Throws Error, worded as docker's. */
export function ipamConfig(flags: IpamFlags): IPAMConfig[] {
  const { subnets, ranges, gateways, aux } = flags;
  if (subnets.length < ranges.length || subnets.length < gateways.length) {
    throw new Error('every ip-range or gateway must have a corresponding subnet');
  }
  const configs = new Map<string, IPAMConfig>();
  for (const subnet of subnets) {
    for (const other of configs.keys()) {
      if (lies(other, subnet) || lies(subnet, other)) {
        throw new Error('multiple overlapping subnet configuration is not supported');
      }
    }
    configs.set(subnet, { Subnet: subnet });
  }
  const owner = (address: string, what: string): IPAMConfig => {
    for (const [subnet, config] of configs) if (lies(subnet, address)) return config;
    throw new Error(`no matching subnet for ${what} ${address}`);
  };
  for (const range of ranges) {
    const config = owner(range, 'range');
    if (config.IPRange !== undefined) {
      throw new Error(
        `cannot configure multiple ranges (${range}, ${config.IPRange}) on the same subnet (${config.Subnet})`,
      );
    }
    config.IPRange = range;
  }
  for (const gateway of gateways) {
    const config = owner(gateway, 'gateway');
    if (config.Gateway !== undefined) {
      throw new Error(
        `cannot configure multiple gateways (${gateway}, ${config.Gateway}) for the same subnet (${config.Subnet})`,
      );
    }
    config.Gateway = gateway;
  }
  for (const [name, address] of Object.entries(aux)) {
    const config = owner(address, 'aux-address');
    config.AuxiliaryAddresses = { ...config.AuxiliaryAddresses, [name]: address };
  }
  return [...configs.values()];
}

/** Whether an address, or a network's lowest, lies in a subnet. Throws Error for what is none. */
function lies(subnet: string, address: string): boolean {
  const [base = '', length = ''] = subnet.split('/');
  const [host = ''] = address.split('/');
  if (isIP(base) === 0 || !/^\d+$/.test(length)) throw new Error(`invalid CIDR address: ${subnet}`);
  if (isIP(host) === 0) throw new Error(`invalid CIDR address: ${address}`);
  if (isIPv6(base) !== isIPv6(host)) return false;
  const family = isIPv6(base) ? 'ipv6' : 'ipv4';
  if (Number(length) > (family === 'ipv6' ? 128 : 32)) throw new Error(`invalid CIDR address: ${subnet}`);
  const list = new BlockList();
  list.addSubnet(base, Number(length), family);
  return list.check(host, family);
}
