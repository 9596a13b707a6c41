import type {
  BridgeOptions,
  EndpointInfo,
  EndpointRequest,
  LiveSandbox,
  SandboxRequest,
} from '../../src/network/contract.ts';

/** A place on a network with everything left to it but `more`. */
export function endpoint(network: string, more: Partial<EndpointRequest> = {}): EndpointRequest {
  return {
    network,
    ipAddress: '',
    ipv6Address: '',
    linkLocalIps: [],
    macAddress: '',
    interfaceName: '',
    gatewayPriority: 0,
    sysctls: {},
    aliases: [],
    driverOptions: {},
    ...more,
  };
}

/** A container on these networks. */
export function sandbox(containerId: string, ...endpoints: EndpointRequest[]): SandboxRequest {
  return { containerId, name: containerId, hostname: containerId, endpoints };
}

/** A container on the default bridge. */
export function bridged(containerId: string, more: Partial<EndpointRequest> = {}): SandboxRequest {
  return sandbox(containerId, endpoint('bridge', more));
}

/** A container that ran on while no daemon was there. */
export function alive(containerId: string, endpoints: EndpointInfo[]): LiveSandbox {
  return { containerId, name: containerId, hostname: containerId, endpoints, aliases: {} };
}

/** The default bridge as an administrator who says nothing gets it, but for its name. */
export function bridgeOptions(bridgeName: string, changes: Partial<BridgeOptions> = {}): BridgeOptions {
  return {
    bridgeName,
    bip: '',
    mtu: 1500,
    pools: [],
    enableIptables: true,
    enableIpForward: true,
    enableIpMasq: true,
    icc: true,
    ...changes,
  };
}
