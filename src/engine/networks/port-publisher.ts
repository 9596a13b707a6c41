import { GantryError, messageOf } from '../../api/errors.ts';
import type { Attachment, Networks, SandboxObserver, SandboxView } from '../../network/contract.ts';
import type { PortEndpoint, PortRequest, Ports } from '../../network/ports/contract.ts';
import { portRequests } from '../../network/ports/port-request.ts';
import type { ContainerRecord } from '../container-record.ts';

/**
 * Publishes the ports of the containers that run, where their default route goes. What a record says to be published (by an earlier daemon,
 * or on another network before) keeps its port of the host.
 */
export class PortPublisher implements SandboxObserver {
  readonly #ports: Ports;
  readonly #networks: Pick<Networks, 'find'>;
  readonly #recordOf: (containerId: string) => ContainerRecord;

  constructor(ports: Ports, networks: Pick<Networks, 'find'>, recordOf: (containerId: string) => ContainerRecord) {
    this.#ports = ports;
    this.#networks = networks;
    this.#recordOf = recordOf;
  }

  opened(): void {}

  closed(containerId: string): void {
    this.#ports.unpublish(containerId);
  }

  attached(): void {}

  detached(): void {}

  renamed(): void {}

  /** Throws GantryError as dockerd words it when a port is taken; none is published then. */
  gatewayChanged(sandbox: SandboxView, gateway: Attachment | undefined): void {
    const record = this.#recordOf(sandbox.containerId);
    this.#ports.unpublish(record.id);
    if (gateway === undefined || gateway.bridgeName === '') return;
    const requests = wantedPorts(record);
    if (requests.length === 0) return;
    const { endpoint, bridgeName, hostBinding } = gateway;
    const subnets = this.#networks.find(endpoint.networkId)?.pools.map((pool) => pool.subnet) ?? [];
    const place: PortEndpoint = {
      id: record.id,
      ipAddress: endpoint.ipAddress,
      ipv6Address: endpoint.ipv6Address,
      hostInterface: endpoint.hostInterfaceName,
      hostBinding,
    };
    try {
      this.#ports.addBridge({ name: bridgeName, subnets });
      record.publishedPorts = this.#ports.publish(place, requests);
    } catch (cause) {
      const code = cause instanceof GantryError ? cause.code : 'system';
      const where = `driver failed programming external connectivity on endpoint ${record.name} (${endpoint.endpointId})`;
      throw new GantryError(code, `${where}: ${messageOf(cause)}`, { cause });
    }
  }
}

function wantedPorts({ publishedPorts = [], config, hostConfig }: ContainerRecord): PortRequest[] {
  if (publishedPorts.length > 0) {
    return publishedPorts.map(({ containerPort, protocol, hostIp, hostPort }) => ({
      ...{ containerPort, protocol, hostIp },
      ...{ hostPort, hostPortEnd: hostPort },
    }));
  }
  return portRequests({
    bindings: hostConfig.PortBindings,
    exposed: config.ExposedPorts,
    publishAll: hostConfig.PublishAllPorts === true,
  });
}
