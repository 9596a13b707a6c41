import type { Networks, ResolvRequest } from '../../network/contract.ts';
import type { DnsSettings } from '../../network/dns/observer.ts';
import type { ContainerRecord } from '../container-record.ts';
import { parseLink } from '../links/link-option.ts';

/** What a container's own settings say about names. */
export function resolvRequest({ hostConfig }: ContainerRecord): ResolvRequest {
  return {
    dns: hostConfig.Dns ?? [],
    dnsSearch: hostConfig.DnsSearch ?? [],
    dnsOptions: hostConfig.DnsOptions ?? [],
    hostNetwork: hostConfig.NetworkMode === 'host',
  };
}

/** What the embedded DNS server needs of a container. */
export function dnsSettings(networks: Networks, record: ContainerRecord): DnsSettings {
  const { upstreams, ndotsSet } = networks.embeddedResolvConf(resolvRequest(record));
  const links: DnsSettings['links'] = {};
  for (const [network, settings] of Object.entries(record.endpointsConfig)) {
    links[network] = Object.fromEntries((settings?.Links ?? []).map(parseLink).map(({ name, alias }) => [alias, name]));
  }
  return { upstreams, ndotsSet, links };
}
