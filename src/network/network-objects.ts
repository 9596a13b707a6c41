import { createHash } from 'node:crypto';
import type { Network } from '../api/schemas/network.ts';
import type { Bridge } from './bridge.ts';
import type { BridgeOptions } from './contract.ts';
import { formatIpv4, formatNetwork } from './ipv4.ts';

/** The ID of a built-in network: the same for an engine's whole life, another for another engine. */
export function networkId(engineId: string, name: string): string {
  return createHash('sha256').update(`${engineId}\0network\0${name}`).digest('hex');
}

/** The default bridge network as the Engine API shows it. Its containers are filled in by who knows them. */
export function bridgeNetwork(engineId: string, created: string, bridge: Bridge, options: BridgeOptions): Network {
  return {
    ...builtIn(engineId, created, 'bridge', 'bridge'),
    IPAM: {
      Driver: 'default',
      Options: null,
      Config: [{ Subnet: formatNetwork(bridge.network), Gateway: formatIpv4(bridge.address) }],
    },
    Options: {
      'com.docker.network.bridge.default_bridge': 'true',
      'com.docker.network.bridge.enable_icc': String(options.icc),
      'com.docker.network.bridge.enable_ip_masquerade': String(options.enableIpMasq),
      'com.docker.network.bridge.host_binding_ipv4': '0.0.0.0',
      'com.docker.network.bridge.name': bridge.name,
      'com.docker.network.driver.mtu': String(bridge.mtu),
    },
  };
}

/** The networks "host" and "none". */
export function plainNetworks(engineId: string, created: string): Network[] {
  return [builtIn(engineId, created, 'host', 'host'), builtIn(engineId, created, 'none', 'null')];
}

function builtIn(engineId: string, created: string, name: string, driver: string): Network {
  return {
    Name: name,
    Id: networkId(engineId, name),
    Created: created,
    Scope: 'local',
    Driver: driver,
    EnableIPv4: true,
    EnableIPv6: false,
    IPAM: { Driver: 'default', Options: null, Config: null },
    Internal: false,
    Attachable: false,
    Ingress: false,
    ConfigFrom: { Network: '' },
    ConfigOnly: false,
    Containers: {},
    Options: {},
    Labels: {},
  };
}
