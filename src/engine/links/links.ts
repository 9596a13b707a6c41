import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { GantryError, messageOf } from '../../api/errors.ts';
import type { HostConfig } from '../../api/schemas/host-config.ts';
import type { EndpointInfo, LinkRule } from '../../network/contract.ts';
import { linkLines, replaceLinkLines } from '../../network/hosts-file.ts';
import type { ContainerRecord, LinkRecord } from '../container-record.ts';
import type { Container } from '../containers/container.ts';
import type { ContainerIndex } from '../containers/container-index.ts';
import type { EngineContext } from '../context.ts';
import { isUserDefined } from '../networks/endpoint-settings.ts';
import { linkEnvironment, portsOf } from './link-environment.ts';
import { parseLink } from './link-option.ts';

/**
 * Links on the default bridge, which has no name service: a container that has links (the parent) finds others by lines in its hosts file and
 * by variables, and reaches their exposed ports where containers are kept apart. On other networks links are names that only
 * the parent knows: see dnsSettings().
 */
export class Links {
  readonly #context: Pick<EngineContext, 'networks' | 'log'>;
  readonly #index: ContainerIndex;

  constructor(context: Pick<EngineContext, 'networks' | 'log'>, index: ContainerIndex) {
    this.#context = context;
    this.#index = index;
  }

  /** The links that a new container asks for. Throws invalid_parameter for what is no link, and for a target that cannot be one. */
  resolve(hostConfig: HostConfig): LinkRecord[] {
    if (isUserDefined(hostConfig.NetworkMode ?? '')) return [];
    const links = new Map<string, LinkRecord>();
    for (const text of hostConfig.Links ?? []) {
      const { name, alias } = parseLink(text);
      const target = this.#target(name);
      if (target.record.hostConfig.NetworkMode === 'host') {
        throw new GantryError(
          'invalid_parameter',
          "conflicting options: host type networking can't be used with links. This would result in undefined behavior",
        );
      }
      // The first of a name holds, as in Docker.
      if (!links.has(alias)) links.set(alias, { alias, containerId: target.id, name: target.name });
    }
    return [...links.values()];
  }

  /** As inspect shows them: "/target:/parent/alias"; null for none. */
  shown(container: Container): string[] | null {
    const { links = [] } = container.record;
    if (links.length === 0) return null;
    return links.map((link) => `/${this.#nameOf(link)}:/${container.name}/${link.alias}`);
  }

  /** Variables for a container that starts. Throws system, worded as Docker's, when a linked container does not run on the bridge. */
  environment(container: Container): string[] {
    if (!onBridge(container.record)) return [];
    return this.#links(container).flatMap(({ link, target }) => {
      if (target === null || !target.running) {
        const names = `/${this.#nameOf(link)} AS /${container.name}/${link.alias}`;
        throw new GantryError('system', `Cannot link to a non running container: ${names}`);
      }
      if (!onBridge(target.record)) {
        throw new GantryError('system', `container ${target.id} not attached to default bridge network`);
      }
      return variables(container, link, target);
    });
  }

  /** Variables for a process that is started in a container that runs: those of linked containers that run as well. */
  presentEnvironment(container: Container): string[] {
    if (!onBridge(container.record)) return [];
    return this.#links(container).flatMap(({ link, target }) =>
      target === null ? [] : variables(container, link, target),
    );
  }

  /** Lines of the hosts file. */
  hostsLines(container: Container): string[] {
    if (bridgeEndpoint(container.record) === undefined) return [];
    return this.#links(container).flatMap(({ link, target }) => (target === null ? [] : linesOf(link, target)));
  }

  /** A container has come to the bridge, where others may know it by another address: their hosts files follow. */
  moved(target: Container): void {
    if (bridgeEndpoint(target.record) === undefined) return;
    for (const parent of this.#index.linking) {
      for (const link of parent.record.links ?? []) {
        if (link.containerId === target.id) rewrite(parent, link.alias, linesOf(link, target));
      }
    }
  }

  /** A running container with links has come to the bridge. */
  joined(parent: Container): void {
    const path = join(parent.directory, 'hosts');
    const lines = this.hostsLines(parent);
    if (lines.length === 0 || !existsSync(path)) return;
    let text = readFileSync(path, 'utf8');
    for (const { alias } of parent.record.links ?? []) text = replaceLinkLines(text, alias, []);
    writeFileSync(path, `${text}${text.endsWith('\n') ? '' : '\n'}${lines.join('\n')}\n`);
  }

  /** Lets linked containers reach each other where the bridge keeps containers apart, as they run now. Throws system. */
  async allow(): Promise<void> {
    await this.#context.networks.allowLinks([...this.#index.linking].flatMap((parent) => this.#rules(parent)));
  }

  /** The same after what cannot be undone: a failure is logged. */
  async follow(): Promise<void> {
    try {
      await this.allow();
    } catch (error) {
      this.#context.log.warn('cannot change the rules of links', { error: messageOf(error) });
    }
  }

  /** Removes the link that "parent/alias" names. Throws conflict for the name of a container, not_found. */
  async remove(reference: string): Promise<void> {
    const [parentName = '', alias] = reference.replace(/^\//, '').split('/');
    if (alias === undefined) {
      throw new GantryError('conflict', 'Conflict, cannot remove the default link name of the container');
    }
    const parent = this.#index.resolve(parentName);
    await parent.lock.run(async () => {
      const before = parent.record.links ?? [];
      const links = before.filter((link) => link.alias !== alias);
      if (links.length === before.length) throw new GantryError('not_found', `No such container: ${reference}`);
      parent.record.links = links;
      try {
        parent.save();
      } catch (error) {
        parent.record.links = before;
        throw error;
      }
      rewrite(parent, alias, []);
      await this.follow();
    });
  }

  /** A container has been removed: those that link to it are to say what it was called. */
  gone(target: Container): void {
    for (const parent of this.#index.linking) {
      const links = parent.record.links ?? [];
      if (!links.some(({ containerId, name }) => containerId === target.id && name !== target.name)) continue;
      parent.record.links = links.map((link) => ({
        ...link,
        ...(link.containerId === target.id ? { name: target.name } : {}),
      }));
      parent.keep('relaxed');
    }
  }

  /** A container in another's network is that one, as far as links go. */
  #target(name: string): Container {
    for (let reference = name; ; ) {
      let found: Container;
      try {
        found = this.#index.resolve(reference);
      } catch (error) {
        if (!(error instanceof GantryError) || error.code !== 'not_found') throw error;
        // Not as not found: clients would take the image for what is missing.
        throw new GantryError('invalid_parameter', `could not get container for ${reference}: ${error.message}`);
      }
      const mode = found.record.hostConfig.NetworkMode ?? '';
      if (!mode.startsWith('container:')) return found;
      reference = mode.slice('container:'.length);
    }
  }

  #links(parent: Container): { link: LinkRecord; target: Container | null }[] {
    return (parent.record.links ?? []).map((link) => ({ link, target: this.#index.get(link.containerId) }));
  }

  #nameOf(link: LinkRecord): string {
    return this.#index.get(link.containerId)?.name ?? link.name;
  }

  #rules(parent: Container): LinkRule[] {
    const from = bridgeEndpoint(parent.record)?.ipAddress;
    if (from === undefined) return [];
    return this.#links(parent).flatMap(({ target }) => {
      const to = target === null ? undefined : bridgeEndpoint(target.record)?.ipAddress;
      if (to === undefined) return [];
      const ports = portsOf(Object.keys(target?.record.config.ExposedPorts ?? {}));
      return ports.map(({ number, protocol }) => ({ from, to, protocol, port: number }));
    });
  }
}

/** Whether it is on the default bridge, or will be when it starts. */
function onBridge(record: ContainerRecord): boolean {
  return record.endpointsConfig.bridge !== undefined;
}

function bridgeEndpoint(record: ContainerRecord): EndpointInfo | undefined {
  return record.sandbox?.endpoints.find(({ networkName }) => networkName === 'bridge');
}

function variables(parent: Container, link: LinkRecord, target: Container): string[] {
  const endpoint = bridgeEndpoint(target.record);
  if (endpoint === undefined) return [];
  const { Env: env, ExposedPorts: exposed } = target.record.config;
  return linkEnvironment({
    name: `/${parent.name}/${link.alias}`,
    alias: link.alias,
    address: endpoint.ipAddress,
    env: env ?? [],
    exposedPorts: Object.keys(exposed ?? {}),
  });
}

function linesOf({ alias }: LinkRecord, target: Container): string[] {
  const { ipAddress = '', ipv6Address = '' } = bridgeEndpoint(target.record) ?? {};
  return linkLines({
    alias,
    hostname: target.record.config.Hostname ?? '',
    name: target.name,
    addresses: [ipAddress, ipv6Address].filter((address) => address !== ''),
  });
}

/** In place, for the file is bound into the container. */
function rewrite(parent: Container, alias: string, lines: readonly string[]): void {
  const path = join(parent.directory, 'hosts');
  if (parent.record.sandbox === null || !existsSync(path)) return;
  const before = readFileSync(path, 'utf8');
  const text = replaceLinkLines(before, alias, lines);
  if (text !== before) writeFileSync(path, text);
}
