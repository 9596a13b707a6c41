import { isIP } from 'node:net';
import { addressBytes, canonicalAddress } from './address.ts';

export interface Addresses {
  /** 4 bytes each. */
  ipv4: Uint8Array[];
  /** 16 bytes each. */
  ipv6: Uint8Array[];
}

/** What the embedded DNS server asks about containers. Names come in lower case, without the final dot. */
export interface Names {
  /** The addresses that a name has for a sandbox; undefined when it is none of ours there, so that somebody else may know it. */
  lookup(sandboxId: string, name: string): Addresses | undefined;
  /** The name behind an address of the sandbox's networks, with the network's name: "web.front". */
  reverse(sandboxId: string, address: string): string | undefined;
}

/** One sandbox on one network. */
export interface NamedEndpoint {
  sandboxId: string;
  networkId: string;
  networkName: string;
  /** What others on the network call it: its name first, which stands for its addresses as well, then aliases and the short id. */
  names: string[];
  /** What this sandbox alone calls others on the network (--link): alias to name. */
  links: Record<string, string>;
  addresses: string[];
}

interface Entry {
  endpoint: NamedEndpoint;
  addresses: Addresses;
  /** In lower case. */
  links: Map<string, string>;
}

interface Network {
  /** In lower case. */
  name: string;
  byName: Map<string, Entry[]>;
  byAddress: Map<string, Entry>;
}

/**
 * The names on all networks. A name that several containers have on a network stands for the addresses of all of them. Lookups do not
 * grow with the number of containers or networks, but with those the asking sandbox is on.
 */
export class NameTable implements Names {
  readonly #networks = new Map<string, Network>();
  /** The endpoints of each sandbox by network, in the order in which they are searched. */
  readonly #sandboxes = new Map<string, Map<string, Entry>>();

  /** Makes an endpoint known, or changes it: a second call for the same sandbox and network replaces the first. */
  connect(endpoint: NamedEndpoint): void {
    this.#withdraw(endpoint.sandboxId, endpoint.networkId);
    const entry: Entry = {
      endpoint,
      addresses: bytesOf(endpoint.addresses),
      links: new Map(Object.entries(endpoint.links).map(([alias, name]) => [alias.toLowerCase(), name.toLowerCase()])),
    };
    const network = this.#networks.get(endpoint.networkId) ?? { name: '', byName: new Map(), byAddress: new Map() };
    network.name = endpoint.networkName.toLowerCase();
    this.#networks.set(endpoint.networkId, network);
    for (const name of namesOf(entry)) network.byName.set(name, [...(network.byName.get(name) ?? []), entry]);
    for (const address of endpoint.addresses) network.byAddress.set(canonicalAddress(address), entry);
    const own = this.#sandboxes.get(endpoint.sandboxId) ?? new Map<string, Entry>();
    // Set in place when it is there, so that a change does not alter the order.
    this.#sandboxes.set(endpoint.sandboxId, own.set(endpoint.networkId, entry));
  }

  /** Forgets a sandbox on one network, or on all. */
  disconnect(sandboxId: string, networkId?: string): void {
    const own = this.#sandboxes.get(sandboxId);
    for (const id of networkId === undefined ? [...(own?.keys() ?? [])] : [networkId]) {
      this.#withdraw(sandboxId, id);
      own?.delete(id);
    }
    if (own?.size === 0) this.#sandboxes.delete(sandboxId);
  }

  /** As libnetwork: "a.b.c" is that very name on any network of the sandbox, or "a.b" on network "c", or "a" on network "b.c". */
  lookup(sandboxId: string, name: string): Addresses | undefined {
    const own = this.#sandboxes.get(sandboxId);
    if (own === undefined) return undefined;
    let found = this.#lookupOn(own, name);
    for (let dot = name.lastIndexOf('.'); found === undefined && dot > 0; dot = name.lastIndexOf('.', dot - 1)) {
      found = this.#lookupOn(own, name.slice(0, dot), name.slice(dot + 1));
    }
    return found;
  }

  reverse(sandboxId: string, address: string): string | undefined {
    for (const networkId of this.#sandboxes.get(sandboxId)?.keys() ?? []) {
      const endpoint = this.#networks.get(networkId)?.byAddress.get(address)?.endpoint;
      const name = endpoint?.names[0];
      if (name !== undefined) return `${name}.${endpoint!.networkName}`;
    }
    return undefined;
  }

  #lookupOn(own: Map<string, Entry>, name: string, networkName?: string): Addresses | undefined {
    // The sandbox's own names for others go before theirs, on all its networks.
    for (const [id, { links }] of own) {
      const target = links.get(name);
      const network = target === undefined ? undefined : this.#networks.get(id);
      if (network === undefined || (networkName !== undefined && network.name !== networkName)) continue;
      const found = network.byName.get(target!);
      if (found !== undefined) return merged(found);
    }
    for (const [id, { links }] of own) {
      const network = this.#networks.get(id);
      if (network === undefined || (networkName !== undefined && network.name !== networkName)) continue;
      const found = links.has(name) ? undefined : network.byName.get(name);
      if (found !== undefined) return merged(found);
    }
    return undefined;
  }

  #withdraw(sandboxId: string, networkId: string): void {
    const entry = this.#sandboxes.get(sandboxId)?.get(networkId);
    const network = this.#networks.get(networkId);
    if (entry === undefined || network === undefined) return;
    for (const name of namesOf(entry)) {
      const others = network.byName.get(name)?.filter((other) => other !== entry) ?? [];
      if (others.length > 0) network.byName.set(name, others);
      else network.byName.delete(name);
    }
    for (const address of entry.endpoint.addresses.map(canonicalAddress)) {
      if (network.byAddress.get(address) === entry) network.byAddress.delete(address);
    }
    if (network.byName.size === 0 && network.byAddress.size === 0) this.#networks.delete(networkId);
  }
}

function namesOf(entry: Entry): Set<string> {
  return new Set(entry.endpoint.names.map((name) => name.toLowerCase()));
}

function bytesOf(addresses: string[]): Addresses {
  const all = (family: number): Uint8Array[] =>
    addresses.filter((address) => isIP(address) === family).flatMap((address) => addressBytes(address) ?? []);
  return { ipv4: all(4), ipv6: all(6) };
}

function merged(entries: Entry[]): Addresses {
  if (entries.length === 1) return entries[0]!.addresses;
  return {
    ipv4: entries.flatMap(({ addresses }) => addresses.ipv4),
    ipv6: entries.flatMap(({ addresses }) => addresses.ipv6),
  };
}
