import { setTimeout as sleep } from 'node:timers/promises';
import { GantryError } from '../api/errors.ts';
import { findPlugin, PLUGIN_PATHS, type PluginPaths, pluginNames } from './plugin-address.ts';
import { type CallOptions, type Patience, PluginClient, RETRY_MS } from './plugin-client.ts';

/** A plugin that has said what it implements. */
interface Active {
  client: PluginClient;
  implements: readonly string[];
}

/** Docker's legacy plugins: processes of their own that are found by name, asked once what they implement, and called over HTTP. */
export class Plugins {
  readonly #paths: PluginPaths;
  readonly #patience: Patience;
  readonly #active = new Map<string, Active>();

  constructor({ paths = PLUGIN_PATHS, ...patience }: { paths?: PluginPaths } & Patience = {}) {
    this.#paths = paths;
    this.#patience = patience;
  }

  /** Names of the plugins that are there, whatever they implement. */
  names(): string[] {
    return pluginNames(this.#paths);
  }

  /** Finds and activates it. Throws not_found, and system when it cannot be reached or implements something else. */
  async get(name: string, subsystem: string, options: CallOptions = {}): Promise<PluginClient> {
    if (options.appear === true) await this.#appeared(name);
    const active = this.#active.get(name) ?? (await this.#activate(name, options));
    if (!active.implements.includes(subsystem)) {
      throw new GantryError('system', 'plugin does not implement the requested driver');
    }
    return active.client;
  }

  /** It is looked for and activated anew at the next use: it may have moved. */
  forget(name: string): void {
    this.#active.delete(name);
  }

  /** Waits until it is there, as long as for one that does not listen. */
  async #appeared(name: string): Promise<void> {
    const until = performance.now() + (this.#patience.retryMs ?? RETRY_MS);
    for (let wait = 500; ; wait *= 2) {
      if (this.#active.has(name) || findPlugin(name, this.#paths) !== null) return;
      if (performance.now() + wait > until) return;
      await sleep(wait);
    }
  }

  async #activate(name: string, options: CallOptions): Promise<Active> {
    const address = findPlugin(name, this.#paths);
    if (address === null) throw new GantryError('not_found', `plugin ${JSON.stringify(name)} not found`);
    const client = new PluginClient(address, this.#patience);
    const manifest = await client.call('Plugin.Activate', null, options);
    const implemented = Array.isArray(manifest.Implements) ? manifest.Implements.map(String) : [];
    const active = { client, implements: implemented };
    this.#active.set(name, active);
    return active;
  }
}
