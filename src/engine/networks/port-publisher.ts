import { GantryError, messageOf } from '../../api/errors.ts';
import type { Attachment, Networks, SandboxObserver, SandboxView } from '../../network/contract.ts';
import type { PortBridge, PortEndpoint, PortRequest, Ports, PublishedPort } from '../../network/ports/contract.ts';
import { portRequests } from '../../network/ports/port-request.ts';
import type { ContainerRecord } from '../container-record.ts';
import type { PreparedPortChange } from './port-changes.ts';

/** Where the ports of a container are published now. */
interface Place {
  networkId: string;
  endpointId: string;
  bridge: PortBridge;
  endpoint: PortEndpoint;
}

/**
 * Publishes the ports of the containers that run, where their default route goes. What a record says to be published (by an earlier daemon,
 * or on another network before) keeps its port of the host.
 */
export class PortPublisher implements SandboxObserver {
  readonly #ports: Ports;
  readonly #networks: Pick<Networks, 'find'>;
  readonly #recordOf: (containerId: string) => ContainerRecord;
  /** Those that the rules know, with their networks. */
  readonly #bridges = new Map<string, string>();
  readonly #places = new Map<string, Place>();
  /** Of containers that have no gateway at present: the ports that they had, for the next one. */
  readonly #kept = new Map<string, PublishedPort[]>();

  constructor(ports: Ports, networks: Pick<Networks, 'find'>, recordOf: (containerId: string) => ContainerRecord) {
    this.#ports = ports;
    this.#networks = networks;
    this.#recordOf = recordOf;
  }

  opened(): void {}

  closed(containerId: string): void {
    this.#places.delete(containerId);
    this.#kept.delete(containerId);
    this.#ports.unpublish(containerId);
  }

  attached(): void {}

  detached(): void {}

  renamed(): void {}

  /** Throws GantryError as dockerd words it when a port is taken; none is published then. */
  gatewayChanged(sandbox: SandboxView, gateway: Attachment | undefined): void {
    const record = this.#recordOf(sandbox.containerId);
    this.#ports.unpublish(record.id);
    this.#places.delete(record.id);
    const had = record.publishedPorts ?? this.#kept.get(record.id) ?? [];
    if (gateway === undefined || gateway.bridgeName === '') {
      if (had.length > 0) this.#kept.set(record.id, had);
      delete record.publishedPorts;
      return;
    }
    const { endpoint, bridgeName, hostBinding } = gateway;
    const place: Place = {
      networkId: endpoint.networkId,
      endpointId: endpoint.endpointId,
      bridge: {
        name: bridgeName,
        subnets: this.#networks.find(endpoint.networkId)?.pools.map((pool) => pool.subnet) ?? [],
      },
      endpoint: {
        id: record.id,
        ipAddress: endpoint.ipAddress,
        ipv6Address: endpoint.ipv6Address,
        hostInterface: endpoint.hostInterfaceName,
        hostBinding,
      },
    };
    const requests = had.length > 0 ? had.map(exactly) : wantedPorts(record);
    if (requests.length > 0) record.publishedPorts = this.#publish(record, place, requests);
    this.#kept.delete(record.id);
    this.#places.set(record.id, place);
  }

  /**
   * Publishes and takes back ports of a container that runs, in one step; of one that has no place to publish at, nothing happens.
   * @returns what undoes it
   * @throws GantryError as gatewayChanged(); all is as it was then
   */
  change(record: ContainerRecord, { gone, requests }: PreparedPortChange): () => void {
    const place = this.#places.get(record.id);
    if (place === undefined || (gone.length === 0 && requests.length === 0)) return () => {};
    const before = record.publishedPorts ?? [];
    const back = (added: readonly PublishedPort[]): void => {
      this.#ports.unpublish(record.id, (port) => includes(added, port));
      if (gone.length > 0) this.#ports.publish(place.endpoint, gone.map(exactly));
      record.publishedPorts = before;
    };
    this.#ports.unpublish(record.id, (port) => includes(gone, port));
    try {
      const added = requests.length === 0 ? [] : this.#publish(record, place, requests);
      record.publishedPorts = [...before.filter((port) => !includes(gone, port)), ...added];
      return () => back(added);
    } catch (error) {
      back([]);
      throw error;
    }
  }

  #publish(record: ContainerRecord, place: Place, requests: readonly PortRequest[]): PublishedPort[] {
    try {
      this.#addBridge(place);
      return this.#ports.publish(place.endpoint, requests);
    } catch (cause) {
      const code = cause instanceof GantryError ? cause.code : 'system';
      const where = `driver failed programming external connectivity on endpoint ${record.name} (${place.endpointId})`;
      throw new GantryError(code, `${where}: ${messageOf(cause)}`, { cause });
    }
  }

  /** The subnets of bridges that are gone may be another's by now. */
  #addBridge({ bridge, networkId }: Place): void {
    for (const [name, id] of [...this.#bridges]) {
      if (id === networkId || this.#networks.find(id) !== undefined) continue;
      this.#bridges.delete(name);
      this.#ports.removeBridge(name);
    }
    if (this.#bridges.get(bridge.name) === networkId) return;
    this.#ports.addBridge(bridge);
    this.#bridges.set(bridge.name, networkId);
  }
}

function wantedPorts({ config, hostConfig }: ContainerRecord): PortRequest[] {
  return portRequests({
    bindings: hostConfig.PortBindings,
    exposed: config.ExposedPorts,
    publishAll: hostConfig.PublishAllPorts === true,
  });
}

function exactly({ containerPort, protocol, hostIp, hostPort }: PublishedPort): PortRequest {
  return { containerPort, protocol, hostIp, hostPort, hostPortEnd: hostPort };
}

function includes(
  ports: readonly PublishedPort[],
  { containerPort, protocol, hostIp, hostPort }: PublishedPort,
): boolean {
  return ports.some(
    (port) =>
      port.containerPort === containerPort &&
      port.protocol === protocol &&
      port.hostIp === hostIp &&
      port.hostPort === hostPort,
  );
}
