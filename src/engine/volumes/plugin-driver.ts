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
      const { Scope } = (Capabilities ?? {}) as { Scope?: unknown };
      this.#scope = String(Scope).toLowerCase() === 'global' ? 'global' : 'local';
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
    // One that gives another volume than the one it was asked for does not have that one.
    if (Volume === null || Volume === undefined || ((Volume as { Name?: unknown }).Name ?? name) !== name) return null;
    const volume = shown(Volume);
    if (volume.mountpoint !== '') return volume;
    // Some say where a volume is only when they are asked for that.
    const { Mountpoint } = await this.#call('Path', { Name: name }).catch(() => ({ Mountpoint: '' }));
    return { ...volume, mountpoint: typeof Mountpoint === 'string' ? Mountpoint : '' };
  }

  async list(): Promise<(DriverVolume & { name: string })[]> {
    const { Volumes } = await this.#call('List', {});
    if (Volumes === undefined || Volumes === null) return [];
    // Nothing is forgotten for an answer that makes no sense.
    if (!Array.isArray(Volumes))
      throw new GantryError('system', 'VolumeDriver.List: the plugin gave no list of volumes');
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
