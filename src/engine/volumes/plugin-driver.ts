import { posix } from 'node:path';
import { GantryError, messageOf } from '../../api/errors.ts';
import type { CallOptions } from '../../plugins/plugin-client.ts';
import type { Plugins } from '../../plugins/plugins.ts';
import type { DriverVolume, VolumeDriver } from './contract.ts';

export const VOLUME_SUBSYSTEM = 'VolumeDriver';

/** The volumes of a plugin (Docker's volume plugin protocol). The plugin counts who has mounted what, by the IDs that we give. */
export class PluginDriver implements VolumeDriver {
  readonly name: string;
  readonly #plugins: Plugins;
  #scope: 'local' | 'global' | null = null;

  constructor(name: string, plugins: Plugins) {
    this.name = name;
    this.#plugins = plugins;
  }

  /** Plugins need not say. */
  async scope(): Promise<'local' | 'global'> {
    if (this.#scope !== null) return this.#scope;
    try {
      const { Capabilities } = await this.#call('Capabilities', {});
      this.#scope = (Capabilities as { Scope?: unknown } | null)?.Scope === 'global' ? 'global' : 'local';
    } catch {
      return 'local';
    }
    return this.#scope;
  }

  /** A volume that the plugin has already is taken as it is. */
  async create(name: string, options: Readonly<Record<string, string>>): Promise<void> {
    if ((await this.get(name)) === null) await this.#call('Create', { Name: name, Opts: options }, { retry: true });
  }

  async remove(name: string): Promise<void> {
    await this.#call('Remove', { Name: name });
  }

  /** A plugin has no error of its own for a volume that is not there: whatever it complains about means that. */
  async get(name: string): Promise<DriverVolume | null> {
    const { Volume } = await this.#call('Get', { Name: name }).catch((error: unknown) => {
      if (error instanceof GantryError && error.cause === undefined) return { Volume: null };
      throw error;
    });
    return Volume === null || Volume === undefined ? null : shown(Volume);
  }

  async list(): Promise<(DriverVolume & { name: string })[]> {
    const { Volumes } = await this.#call('List', {});
    if (!Array.isArray(Volumes)) return [];
    return Volumes.map((volume) => ({ ...shown(volume), name: String(volume?.Name ?? '') }));
  }

  async mount(name: string, user: string): Promise<string> {
    const { Mountpoint } = await this.#call('Mount', { Name: name, ID: user }, { retry: true });
    if (typeof Mountpoint === 'string' && posix.isAbsolute(Mountpoint)) return posix.normalize(Mountpoint);
    await this.unmount(name, user);
    throw new GantryError(
      'system',
      `VolumeDriver.Mount: the plugin gave no absolute path: ${JSON.stringify(Mountpoint)}`,
    );
  }

  async unmount(name: string, user: string): Promise<void> {
    await this.#call('Unmount', { Name: name, ID: user });
  }

  async #call(method: string, parameters: object, options: CallOptions = {}): Promise<Record<string, unknown>> {
    const client = await this.#plugins.get(this.name, VOLUME_SUBSYSTEM, options);
    try {
      return await client.call(`${VOLUME_SUBSYSTEM}.${method}`, parameters, options);
    } catch (error) {
      if (!(error instanceof GantryError) || error.cause !== undefined) {
        this.#plugins.forget(this.name);
        throw new GantryError('system', messageOf(error), { cause: error });
      }
      throw error;
    }
  }
}

function shown(volume: { Mountpoint?: unknown; Status?: unknown }): DriverVolume {
  const { Mountpoint, Status } = volume;
  return {
    mountpoint: typeof Mountpoint === 'string' ? Mountpoint : '',
    status: typeof Status === 'object' && Status !== null ? (Status as Record<string, unknown>) : null,
  };
}
