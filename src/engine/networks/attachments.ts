import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { GantryError } from '../../api/errors.ts';
import type { EndpointSettings } from '../../api/schemas/container.ts';
import type { EndpointInfo, NetworkRecord } from '../../network/contract.ts';
import { ownHostLines } from '../../network/hosts-file.ts';
import type { Container } from '../containers/container.ts';
import type { Containers } from '../containers/containers.ts';
import { notRunning } from '../containers/errors.ts';
import type { EngineContext } from '../context.ts';
import { checkEndpoint, endpointRequest, isUserDefined } from './endpoint-settings.ts';
import { findNetwork } from './find-network.ts';
import { resolvRequest } from './name-service.ts';
import { remotePorts } from './remote-ports.ts';

/** Puts containers on networks and takes them off, while they run and while they do not. */
export class Attachments {
  readonly #context: EngineContext;
  readonly #containers: Pick<Containers, 'resolve' | 'links'>;

  constructor(context: EngineContext, containers: Pick<Containers, 'resolve' | 'links'>) {
    this.#context = context;
    this.#containers = containers;
  }

  /** NetworkConnect. Throws forbidden when it is on the network, invalid_parameter for what excludes another. */
  async connect(network: string, reference: string, settings: EndpointSettings): Promise<void> {
    const container = this.#containers.resolve(reference);
    await container.lock.run(async () => {
      const found = findNetwork(this.#context.networks, network);
      const { record } = container;
      checkChangeable(container);
      checkTogether(container, found);
      checkEndpoint(settings, found.name, found);
      if (settings.Links?.length && !isUserDefined(found.name)) {
        throw new GantryError('invalid_parameter', 'links are only supported for user-defined networks', {
          hint: 'a container of the default bridge has its links from its creation',
        });
      }
      const before = record.endpointsConfig[found.name];
      record.endpointsConfig[found.name] = settings;
      try {
        if (record.sandbox !== null) await this.#join(container, found);
        else container.save();
      } catch (error) {
        if (before === undefined) delete record.endpointsConfig[found.name];
        else record.endpointsConfig[found.name] = before;
        throw error;
      }
    });
  }

  /** NetworkDisconnect. `force`: also off a network that is gone. Throws not_found, system (Docker's code) when it is not on the network. */
  async disconnect(network: string, reference: string, force: boolean): Promise<void> {
    const container = this.#find(reference, force ? network : null);
    await container.lock.run(async () => {
      const { record } = container;
      const found = this.#context.networks.find(network);
      // A container that is stopped may be on a network that is gone.
      const name = found?.name ?? network;
      if (!force && (container.running || record.endpointsConfig[network] === undefined)) {
        findNetwork(this.#context.networks, network);
      }
      if (name === 'host' && record.hostConfig.NetworkMode === 'host') throw hostConflict();
      checkChangeable(container);
      const endpoint = record.sandbox?.endpoints.find((one) => one.networkName === name);
      if (record.endpointsConfig[name] === undefined && endpoint === undefined) {
        const what = container.running && found !== undefined ? `network ${name}` : `the network ${name}`;
        throw new GantryError('system', `container ${container.id} is not connected to ${what}`);
      }
      if (endpoint !== undefined) await this.#leave(container, endpoint);
      delete record.endpointsConfig[name];
      delete record.addresses?.[name];
      this.#context.networks.keepAddresses(container.id, record.addresses ?? {});
      container.keep('durable');
    });
  }

  /** `forced`: network that it is to be taken off by force; a container that is gone has left nothing on it. Throws not_found. */
  #find(reference: string, forced: string | null): Container {
    try {
      return this.#containers.resolve(reference);
    } catch (error) {
      if (forced === null || !(error instanceof GantryError) || error.code !== 'not_found') throw error;
      findNetwork(this.#context.networks, forced);
      throw new GantryError('not_found', `endpoint ${reference} not found`);
    }
  }

  async #join(container: Container, network: NetworkRecord): Promise<void> {
    const { record } = container;
    const { networks } = this.#context;
    const joining = { containerId: container.id, name: container.name, ports: () => remotePorts(record) };
    const endpoint = await networks.connect(joining, endpointRequest(record, network.name));
    // It may have ended while a plugin was asked: the endpoint has gone with its sandbox then.
    if (record.sandbox === null) throw notRunning(container.id);
    record.sandbox.endpoints.push(endpoint);
    this.#followWayOut(container);
    // What the kernel has, a daemon that is killed must know of.
    container.keep('durable');
    this.#changeHosts(container, endpoint, true);
    if (isUserDefined(network.name)) this.#giveNames(container);
    if (network.name === 'bridge') {
      this.#containers.links.joined(container);
      this.#containers.links.moved(container);
      await this.#containers.links.follow();
    }
    this.#event(container, 'connect', network.id, network.name, network.driver);
  }

  async #leave(container: Container, endpoint: EndpointInfo): Promise<void> {
    const { record } = container;
    const { networks } = this.#context;
    const driver = networks.find(endpoint.networkId)?.driver ?? '';
    await networks.disconnect(container.id, endpoint.networkId);
    // It may have ended while a plugin was told.
    if (record.sandbox !== null) {
      record.sandbox.endpoints = record.sandbox.endpoints.filter((other) => other !== endpoint);
      this.#followWayOut(container);
    }
    this.#changeHosts(container, endpoint, false);
    if (endpoint.networkName === 'bridge') await this.#containers.links.follow();
    this.#event(container, 'disconnect', endpoint.networkId, endpoint.networkName, driver);
  }

  #followWayOut({ id, record }: Container): void {
    const others = record.sandbox!.endpoints.filter(({ wayOut }) => wayOut !== true);
    const wayOut = this.#context.networks.wayOut(id);
    record.sandbox!.endpoints = wayOut === undefined ? others : [...others, wayOut];
  }

  /** In place, for the file is bound into the container; other lines, the container's own too, stay. */
  #changeHosts(container: Container, endpoint: EndpointInfo, add: boolean): void {
    const path = join(container.directory, 'hosts');
    if (!existsSync(path)) return;
    const { Hostname = '', Domainname = '' } = container.record.config;
    const lines = ownHostLines({
      hostname: Hostname || container.id.slice(0, 12),
      domainname: Domainname ?? '',
      addresses: [endpoint.ipAddress, endpoint.ipv6Address].filter((address) => address !== ''),
    });
    const present = readFileSync(path, 'utf8')
      .split('\n')
      .filter((line) => line !== '' && !lines.includes(line));
    writeFileSync(path, `${[...present, ...(add ? lines : [])].join('\n')}\n`);
  }

  /** A container that started without names has them from now on. A file that somebody has changed in it is left as it is. */
  #giveNames(container: Container): void {
    const path = join(container.directory, 'resolv.conf');
    const { networks } = this.#context;
    const request = resolvRequest(container.record);
    if (!existsSync(path) || readFileSync(path, 'utf8') !== networks.resolvConf(request)) return;
    writeFileSync(path, networks.embeddedResolvConf(request).text);
  }

  #event(container: Container, action: string, id: string, name: string, type: string): void {
    this.#context.events.emit('network', action, id, { container: container.id, name, type });
  }
}

function checkChangeable(container: Container): void {
  const { state, hostConfig } = container.record;
  if (state.status === 'removing' || state.status === 'dead' || container.removing) {
    throw new GantryError(
      'conflict',
      `Container ${container.id} is marked for removal and cannot be connected or disconnected to the network`,
    );
  }
  if (hostConfig.NetworkMode?.startsWith('container:')) {
    throw new GantryError(
      'invalid_parameter',
      'container sharing network namespace with another container or host cannot be connected to any other network',
    );
  }
}

/** "host" and "none" go with no other network. Throws invalid_parameter. */
function checkTogether(container: Container, network: NetworkRecord): void {
  const { record } = container;
  const names = Object.keys(record.endpointsConfig);
  if (network.name === 'host' || names.includes('host')) throw hostConflict();
  if ((network.name === 'none' && names.length > 0) || names.includes('none')) {
    throw new GantryError(
      'invalid_parameter',
      'container cannot be connected to multiple networks with one of the networks in private (none) mode',
    );
  }
}

function hostConflict(): GantryError {
  return new GantryError(
    'invalid_parameter',
    'container cannot be disconnected from host network or connected to host network',
  );
}
