import { GantryError, messageOf } from '../../api/errors.ts';
import type { Attachment, Networks, SandboxObserver, SandboxView } from '../../network/contract.ts';
import { gatewayMode } from '../../network/drivers/options.ts';
import type {
  LiveEndpoint,
  PortBridge,
  PortEndpoint,
  PortRequest,
  Ports,
  PublishedPort,
} from '../../network/ports/contract.ts';
import { portRequests } from '../../network/ports/port-request.ts';
import type { ContainerRecord } from '../container-record.ts';
import type { PreparedPortChange } from './port-changes.ts';

/** Where the ports of a container are published now. */
interface Place {
  networkId: string;
  endpointId: string;
  bridge: PortBridge;
  /** Without the addresses of families that the bridge routes: for those nothing is taken of the host. */
  endpoint: PortEndpoint;
  /** The container's own addresses at which its ports are open, of families that the bridge routes. */
  open: string[];
}

/**
 * Publishes the ports of the containers that run, where their default route goes. What a record says to be published (by an earlier daemon,
 * or on another network before) keeps its port of the host.
 */
export class PortPublisher implements SandboxObserver {
  readonly #ports: Ports;
  readonly #networks: Pick<Networks, 'find' | 'openPorts'>;
  readonly #recordOf: (containerId: string) => ContainerRecord;
  /** Those that the rules know, with their networks. */
  readonly #bridges = new Map<string, string>();
  readonly #places = new Map<string, Place>();
  /** Of containers that have no gateway at present: the ports that they had, for the next one. */
  readonly #kept = new Map<string, PublishedPort[]>();
  /** What containers have that lived on while no daemon was there, until all of them are known; null from then on. */
  #found: LiveEndpoint[] | null = [];

  constructor(
    ports: Ports,
    networks: Pick<Networks, 'find' | 'openPorts'>,
    recordOf: (containerId: string) => ContainerRecord,
  ) {
    this.#ports = ports;
    this.#networks = networks;
    this.#recordOf = recordOf;
  }

  opened(): void {}

  closed(containerId: string): void {
    this.#places.delete(containerId);
    this.#kept.delete(containerId);
    this.#ports.unpublish(containerId);
    this.#networks.openPorts(containerId, []);
  }

  attached(): void {}

  detached(): void {}

  renamed(): void {}

  /** All at once: until then the rules of an earlier daemon stay, with no moment in which a port is not published. */
  restored(): void {
    const found = this.#found ?? [];
    this.#found = null;
    const places = [...this.#places.values()];
    for (const { bridge, networkId } of places) this.#bridges.set(bridge.name, networkId);
    const bridges = new Map(places.map(({ bridge }) => [bridge.name, bridge]));
    this.#ports.restore([...bridges.values()], found);
  }

  /** Throws GantryError as dockerd words it when a port is taken; none is published then. */
  gatewayChanged(sandbox: SandboxView, gateway: Attachment | undefined): void {
    const record = this.#recordOf(sandbox.containerId);
    this.#ports.unpublish(record.id);
    this.#networks.openPorts(record.id, []);
    this.#places.delete(record.id);
    const had = record.publishedPorts ?? this.#kept.get(record.id) ?? [];
    if (gateway === undefined || gateway.bridgeName === '') {
      if (had.length > 0) this.#kept.set(record.id, had);
      delete record.publishedPorts;
      return;
    }
    const { endpoint, bridgeName, hostBinding } = gateway;
    const network = this.#networks.find(endpoint.networkId);
    const address = (family: 4 | 6, routed: boolean): string => {
      if (network === undefined || (gatewayMode(network, family) === 'routed') !== routed) return '';
      return family === 4 ? endpoint.ipAddress : endpoint.ipv6Address;
    };
    const place: Place = {
      networkId: endpoint.networkId,
      endpointId: endpoint.endpointId,
      bridge: {
        name: bridgeName,
        subnets: network?.pools.map((pool) => pool.subnet) ?? [],
      },
      endpoint: {
        id: record.id,
        ipAddress: address(4, false),
        ipv6Address: address(6, false),
        hostInterface: endpoint.hostInterfaceName,
        hostBinding,
      },
      open: [address(4, true), address(6, true)].filter((one) => one !== ''),
    };
    this.#openPorts(record.id, place, wantedPorts(record));
    if (this.#found !== null) {
      this.#found.push({ endpoint: place.endpoint, ports: had });
      this.#places.set(record.id, place);
      return;
    }
    const requests = translated(place, had.length > 0 ? had.map(exactly) : wantedPorts(record));
    if (requests.length > 0) record.publishedPorts = this.#publish(record, place, requests);
    this.#kept.delete(record.id);
    this.#places.set(record.id, place);
  }

  /**
   * Publishes and takes back ports of a container that runs, in one step; of one that has no place to publish at, nothing happens.
   * @returns what undoes it
   * @throws GantryError as gatewayChanged(); all is as it was then
   */
  change(record: ContainerRecord, { bindings, gone, requests: asked }: PreparedPortChange): () => void {
    const place = this.#places.get(record.id);
    if (place === undefined) return () => {};
    const opened = wantedPorts(record);
    this.#openPorts(record.id, place, wantedPorts(record, bindings));
    const requests = translated(place, asked);
    const before = record.publishedPorts ?? [];
    const back = (added: readonly PublishedPort[]): void => {
      this.#openPorts(record.id, place, opened);
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

  #openPorts(id: string, { open }: Place, requests: readonly PortRequest[]): void {
    const ports = requests.map(({ protocol, containerPort: port }) => ({ protocol, port }));
    this.#networks.openPorts(
      id,
      open.flatMap((address) => ports.map((port) => ({ address, ...port }))),
    );
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

/** What does not ask for an address of the host that the place has nothing behind. */
function translated({ endpoint, open }: Place, requests: readonly PortRequest[]): PortRequest[] {
  if (open.length === 0) return [...requests];
  return requests.filter(
    ({ hostIp }) => hostIp === '' || (hostIp.includes(':') ? endpoint.ipv6Address : endpoint.ipAddress) !== '',
  );
}

function wantedPorts({ config, hostConfig }: ContainerRecord, bindings = hostConfig.PortBindings): PortRequest[] {
  return portRequests({
    bindings,
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
