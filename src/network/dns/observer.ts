import type { NameTable } from './names.ts';
import type { EmbeddedDns } from './server.ts';
import type { Upstream } from './upstream.ts';

/** Of a running container on its networks, what its names depend on. */
export interface NamedSandbox {
  containerId: string;
  /** Path of its network namespace. */
  path: string;
  attachments: readonly NamedAttachment[];
}

export interface NamedAttachment {
  endpoint: {
    networkId: string;
    networkName: string;
    /** "" for an address or gateway that it does not have. */
    ipAddress: string;
    ipv6Address: string;
    gateway: string;
    ipv6Gateway: string;
  };
  /** The default bridge has no names. */
  userDefined: boolean;
  internal: boolean;
  /** What others on the network call it, its name first. */
  names: readonly string[];
}

/** What a container's configuration says about names. */
export interface DnsSettings {
  /** Of makeEmbeddedResolvConf(). */
  upstreams: Upstream[];
  ndotsSet: boolean;
  /** By the name of the network: what it calls others there (--link), alias to name. */
  links: Record<string, Record<string, string>>;
}

/**
 * Keeps names and servers in step with the containers that run. A server is there from the first network with names on, and stays until the
 * container ends, whose resolv.conf names it.
 */
export class DnsObserver {
  readonly #dns: Pick<EmbeddedDns, 'open' | 'close' | 'serves'>;
  readonly #names: Pick<NameTable, 'connect' | 'disconnect'>;
  readonly #settingsOf: (containerId: string) => DnsSettings;

  constructor(
    dns: Pick<EmbeddedDns, 'open' | 'close' | 'serves'>,
    names: Pick<NameTable, 'connect' | 'disconnect'>,
    settingsOf: (containerId: string) => DnsSettings,
  ) {
    this.#dns = dns;
    this.#names = names;
    this.#settingsOf = settingsOf;
  }

  /** The container starts, or was found running. Throws SystemCallError; nothing is left then. */
  opened(sandbox: NamedSandbox): void {
    const named = sandbox.attachments.filter(({ userDefined }) => userDefined);
    if (named.length === 0) return;
    this.#serve(sandbox);
    for (const attachment of named) this.#connect(sandbox, attachment);
  }

  closed(containerId: string): void {
    this.#names.disconnect(containerId);
    this.#dns.close(containerId);
  }

  /** Connected while it runs. Throws SystemCallError, with nothing changed. */
  attached(sandbox: NamedSandbox, attachment: NamedAttachment): void {
    if (attachment.userDefined) this.#serve(sandbox);
    else this.#refresh(sandbox);
    if (attachment.userDefined) this.#connect(sandbox, attachment);
  }

  detached(sandbox: NamedSandbox, attachment: NamedAttachment): void {
    this.#names.disconnect(sandbox.containerId, attachment.endpoint.networkId);
    this.#refresh(sandbox);
  }

  restored(): void {}

  renamed(sandbox: NamedSandbox): void {
    for (const attachment of sandbox.attachments) {
      if (attachment.userDefined) this.#connect(sandbox, attachment);
    }
  }

  gatewayChanged(sandbox: NamedSandbox): void {
    this.#refresh(sandbox);
  }

  #serve(sandbox: NamedSandbox): void {
    const { upstreams, ndotsSet } = this.#settingsOf(sandbox.containerId);
    const external = sandbox.attachments.some(
      ({ internal, endpoint }) => !internal && (endpoint.gateway !== '' || endpoint.ipv6Gateway !== ''),
    );
    this.#dns.open({ id: sandbox.containerId, namespace: sandbox.path, upstreams, ndotsSet, external });
  }

  /** Its way out may be another now. */
  #refresh(sandbox: NamedSandbox): void {
    if (this.#dns.serves(sandbox.containerId)) this.#serve(sandbox);
  }

  #connect({ containerId }: NamedSandbox, { endpoint, names }: NamedAttachment): void {
    this.#names.connect({
      sandboxId: containerId,
      networkId: endpoint.networkId,
      networkName: endpoint.networkName,
      names: [...names],
      links: this.#settingsOf(containerId).links[endpoint.networkName] ?? {},
      addresses: [endpoint.ipAddress, endpoint.ipv6Address].filter((address) => address !== ''),
    });
  }
}
