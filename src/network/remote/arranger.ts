import { GantryError, messageOf } from '../../api/errors.ts';
import type { Attachment, EndpointInfo, EndpointRequest, Joining, Sandbox, SandboxRequest } from '../contract.ts';
import type { NetworkLog } from '../log.ts';
import type { ActiveNetwork, ChosenAddresses, NetworkRegistry } from '../registry.ts';
import type { Sandboxes } from '../sandboxes.ts';
import type { RemoteEndpoint } from './contract.ts';
import { isRemote } from './kinds.ts';
import type { RemotePlace, Remotes } from './remotes.ts';

/** Addresses of ours that an endpoint is to have once its sandbox is set up. */
interface Held {
  network: ActiveNetwork;
  addresses: ChosenAddresses;
}

/** Makes, if need be, the network by which containers get out whose plugins' networks lead nowhere. Returns its ID. */
export type WayOut = () => Promise<string>;

/**
 * Sandboxes with endpoints of plugins: asks the plugins before the synchronous part, which is the same for all networks, and tells them
 * after it. For one container one thing is done after the other.
 */
export class Arranger {
  readonly #remotes: Remotes;
  readonly #registry: NetworkRegistry;
  readonly #sandboxes: Sandboxes;
  readonly #wayOut: WayOut;
  readonly #log: NetworkLog;
  readonly #held = new Map<string, Held[]>();
  readonly #queues = new Map<string, Promise<unknown>>();

  constructor(parts: {
    remotes: Remotes;
    registry: NetworkRegistry;
    sandboxes: Sandboxes;
    wayOut: WayOut;
    log: NetworkLog;
  }) {
    this.#remotes = parts.remotes;
    this.#registry = parts.registry;
    this.#sandboxes = parts.sandboxes;
    this.#wayOut = parts.wayOut;
    this.#log = parts.log;
  }

  /** Whether plugins must be asked. */
  concerns(endpoints: readonly EndpointRequest[]): boolean {
    return endpoints.some(({ network }) => this.#find(network) !== undefined);
  }

  open(request: SandboxRequest): Promise<Sandbox> {
    const { containerId, name } = request;
    return this.#inTurn(containerId, async () => {
      try {
        const sandboxPath = this.#sandboxes.reserve(containerId);
        for (const endpoint of request.endpoints) {
          const network = this.#find(endpoint.network);
          if (network !== undefined) await this.#arrange(network, endpoint, request, sandboxPath);
        }
        const sandbox = this.#sandboxes.create(request);
        this.#held.delete(containerId);
        await this.#lead(containerId, name);
        return { ...sandbox, endpoints: this.#sandboxes.attachments(containerId).map(({ endpoint }) => endpoint) };
      } catch (error) {
        await this.#release(containerId);
        throw error;
      }
    });
  }

  connect(joining: Joining, request: EndpointRequest): Promise<EndpointInfo> {
    const { containerId, name } = joining;
    return this.#inTurn(containerId, async () => {
      const network = this.#find(request.network);
      if (network === undefined) {
        const endpoint = this.#sandboxes.connect(containerId, request);
        // Its own endpoint is not the one that a plugin may refuse.
        await this.#lead(containerId, name).catch(async (error: unknown) => {
          this.#sandboxes.disconnect(containerId, endpoint.networkId);
          await this.#leadAnyway(containerId);
          throw error;
        });
        return endpoint;
      }
      const { record } = network;
      let endpointId: string | undefined;
      try {
        const sandboxPath = this.#sandboxes.pathFor(containerId, record);
        await this.#arrange(network, request, joining, sandboxPath);
        endpointId = request.arrangement?.endpointId;
        const endpoint = this.#sandboxes.connect(containerId, request);
        this.#held.delete(containerId);
        await this.#lead(containerId, name);
        return endpoint;
      } catch (error) {
        if (endpointId !== undefined) await this.#end(containerId, this.#endpoints(containerId, record.id), record.id);
        this.#letGo(containerId);
        if (endpointId !== undefined) await this.#leadAnyway(containerId);
        throw error;
      }
    });
  }

  disconnect(containerId: string, networkId: string): Promise<void> {
    return this.#inTurn(containerId, async () => {
      await this.#end(containerId, this.#endpoints(containerId, networkId), networkId);
      await this.#leadAnyway(containerId);
    });
  }

  /** Done when it returns where there is nothing of plugins'. Never throws. */
  release(containerId: string): Promise<void> | undefined {
    if (!this.#queues.has(containerId) && this.#remotes.things.endpoints(containerId).length === 0) {
      this.#letGo(containerId);
      this.#sandboxes.release(containerId);
      return undefined;
    }
    return this.#inTurn(containerId, () => this.#release(containerId));
  }

  async #release(containerId: string): Promise<void> {
    await this.#end(containerId, this.#remotes.things.endpoints(containerId));
  }

  /**
   * Ends endpoints as dockerd does: the plugin is told that they leave, their interfaces are on the host again, they are deleted.
   * @param networkId the network that the container leaves; missing for the end of its sandbox
   */
  async #end(containerId: string, endpoints: readonly RemoteEndpoint[], networkId?: string): Promise<void> {
    const { things } = this.#remotes;
    const told = new Map<string, boolean>();
    for (const endpoint of endpoints) told.set(endpoint.id, await things.leave(endpoint));
    if (networkId === undefined) {
      this.#letGo(containerId);
      this.#sandboxes.release(containerId);
    } else if (this.#sandboxes.has(containerId)) this.#sandboxes.disconnect(containerId, networkId);
    for (const { id } of endpoints) {
      // A plugin that hangs is not waited for again.
      if (told.get(id) === true) await things.release(id);
      else things.owe(id);
    }
  }

  /** Chooses addresses where they are ours, and has the plugins make the rest. */
  async #arrange(
    network: ActiveNetwork,
    request: EndpointRequest,
    joining: Joining,
    sandboxPath: string,
  ): Promise<void> {
    const { record } = network;
    const { containerId, name } = joining;
    if (record.ipam.driver === 'null' && (request.ipAddress !== '' || request.ipv6Address !== '')) {
      throw new GantryError(
        'invalid_parameter',
        'invalid endpoint settings:\nuser specified IP address is supported only when connecting to networks with user configured subnets',
      );
    }
    const chosen = record.ipam.driver === 'default' ? this.#registry.choose(network, request) : undefined;
    if (chosen !== undefined) {
      this.#held.set(containerId, [...(this.#held.get(containerId) ?? []), { network, addresses: chosen }]);
    }
    const { exposed, bindings } = joining.ports?.() ?? { exposed: [], bindings: [] };
    const place: RemotePlace = {
      ...{ containerId, name, sandboxPath },
      options: { 'com.docker.network.endpoint.exposedports': exposed, 'com.docker.network.portmap': bindings },
    };
    const own = chosen && {
      address: chosen.ipAddress === '' ? '' : `${chosen.ipAddress}/${chosen.ipPrefixLen}`,
      addressIpv6: chosen.ipv6Address === '' ? '' : `${chosen.ipv6Address}/${chosen.ipv6PrefixLen}`,
      // The plugin's interface has one, unless another was asked for.
      macAddress: request.macAddress,
    };
    request.arrangement = await this.#remotes.makeEndpoint(record, request, place, own);
  }

  /** Sees to it that the container has a way out, and tells plugins whether theirs is it. */
  async #lead(containerId: string, name: string): Promise<void> {
    const attachments = this.#sandboxes.attachments(containerId);
    const present = attachments.find(({ endpoint }) => endpoint.wayOut === true);
    const needed = needsWayOut(attachments);
    if (needed && present === undefined) {
      const network = await this.#wayOut();
      // It may have ended meanwhile.
      if (this.#sandboxes.has(containerId)) this.#sandboxes.connect(containerId, wayOutRequest(network));
    } else if (!needed && present !== undefined) this.#sandboxes.disconnect(containerId, present.endpoint.networkId);
    const { ipv4, ipv6 } = this.#sandboxes.gateways(containerId);
    const gateways = [ipv4, ipv6].flatMap((attachment) => (attachment ? [attachment.endpoint.endpointId] : []));
    await this.#remotes.lead(containerId, name, new Set(gateways));
  }

  /** After something that cannot be taken back. */
  async #leadAnyway(containerId: string): Promise<void> {
    try {
      await this.#lead(containerId, '');
    } catch (error) {
      this.#log.warn('a container has lost its way out', { container: containerId, error: messageOf(error) });
    }
  }

  #endpoints(containerId: string, networkId: string): RemoteEndpoint[] {
    return this.#remotes.things.endpoints(containerId).filter((endpoint) => endpoint.networkId === networkId);
  }

  /** Gives addresses back that came into no sandbox; giving back twice in a row does no harm. */
  #letGo(containerId: string): void {
    for (const { network, addresses } of this.#held.get(containerId) ?? []) this.#registry.release(network, addresses);
    this.#held.delete(containerId);
  }

  /** A network where plugins have a say. What else is wrong with the name is found out when the sandbox is set up. */
  #find(reference: string): ActiveNetwork | undefined {
    const network = this.#registry.find(reference);
    return network !== undefined && network.state !== undefined && isRemote(network.record) ? network : undefined;
  }

  #inTurn<T>(containerId: string, work: () => Promise<T>): Promise<T> {
    const before = this.#queues.get(containerId) ?? Promise.resolve();
    const turn = before.then(work, work);
    this.#queues.set(containerId, turn);
    const done = () => {
      if (this.#queues.get(containerId) === turn) this.#queues.delete(containerId);
    };
    turn.then(done, done);
    return turn;
  }
}

/** As dockerd: where all networks are plugins', none has a gateway and none of the plugins sees to that itself. */
export function needsWayOut(attachments: readonly Attachment[]): boolean {
  const open = attachments.filter(({ internal, endpoint }) => !internal && endpoint.wayOut !== true);
  return (
    open.length > 0 &&
    open.every(({ endpoint: { remote, gateway, ipv6Gateway } }) => {
      if (remote === undefined || remote.standAlone || remote.defaultOnLink.length > 0) return false;
      return gateway === '' && ipv6Gateway === '';
    })
  );
}

function wayOutRequest(network: string): EndpointRequest {
  return {
    ...{ network, ipAddress: '', ipv6Address: '', linkLocalIps: [], macAddress: '', interfaceName: '' },
    ...{ gatewayPriority: 0, sysctls: {}, aliases: [], driverOptions: {}, wayOut: true },
  };
}
