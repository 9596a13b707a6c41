import { GantryError, messageOf } from '../../api/errors.ts';
import type { CallOptions } from '../../plugins/plugin-client.ts';
import type { Plugins } from '../../plugins/plugins.ts';
import type { VolumeDriver } from './contract.ts';
import type { LocalDriver } from './local-driver.ts';
import { PluginDriver, VOLUME_SUBSYSTEM } from './plugin-driver.ts';

/** The volume drivers of this engine by name: the local one, and one for each plugin. */
export class VolumeDrivers {
  readonly #local: LocalDriver;
  readonly #plugins: Plugins;
  readonly #drivers = new Map<string, PluginDriver>();

  constructor(local: LocalDriver, plugins: Plugins) {
    this.#local = local;
    this.#plugins = plugins;
  }

  /** Throws not_found for a driver that is not there, and system for a plugin that does not answer or drives something else. */
  async get(name: string, options: CallOptions = {}): Promise<VolumeDriver> {
    if (name === '' || name === this.#local.name) return this.#local;
    try {
      await this.#plugins.get(name, VOLUME_SUBSYSTEM, options);
    } catch (cause) {
      const code = cause instanceof GantryError ? cause.code : 'system';
      throw new GantryError(code, `error looking up volume plugin ${name}: ${messageOf(cause)}`, { cause });
    }
    const driver = this.#drivers.get(name) ?? new PluginDriver(name, this.#plugins);
    this.#drivers.set(name, driver);
    return driver;
  }

  /** Names of those that have been used, local first. */
  names(): string[] {
    return [this.#local.name, ...[...this.#drivers.keys()].sort()];
  }

  /** The drivers of all plugins that are there, answer, and drive volumes. */
  async ofPlugins(): Promise<VolumeDriver[]> {
    const found = await Promise.all(this.#plugins.names().map((name) => this.get(name).catch(() => null)));
    return found.filter((driver) => driver !== null);
  }
}
