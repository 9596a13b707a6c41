import { randomBytes } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readdirSync, readlinkSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { getSystemErrorMessage } from 'node:util';
import { GantryError } from '../../api/errors.ts';
import { SystemCallError } from '../../linux/libc.ts';
import {
  isMountPoint,
  MNT_DETACH,
  MS_BIND,
  MS_RDONLY,
  MS_REMOUNT,
  mount,
  mountSlowly,
  UMOUNT_NOFOLLOW,
  umount,
} from '../../linux/mount.ts';
import { parseMountOptions } from '../../linux/mount-options.ts';
import { noSpace } from '../../storage/durable.ts';
import type { DriverVolume, VolumeDriver } from './contract.ts';
import { checkLocalOptions, mountArguments, needsMount, sizeOf, withoutPassword } from './local-options.ts';
import { VolumeQuotas } from './volume-quotas.ts';

/**
 * Directories `<data-root>/volumes/NAME/_data`. With the options type, device and o something else is mounted there as long as somebody
 * uses it. Whether it is mounted is the kernel's to say: a mount outlives the daemon.
 */
export class LocalDriver implements VolumeDriver {
  readonly name = 'local';
  readonly #root: string;
  readonly #optionsOf: (name: string) => Readonly<Record<string, string>> | null;
  readonly #quotas: VolumeQuotas;
  readonly #users = new Map<string, Set<string>>();

  /** `optionsOf`: those that a volume was created with. */
  constructor(root: string, optionsOf: (name: string) => Readonly<Record<string, string>> | null) {
    this.#root = root;
    this.#optionsOf = optionsOf;
    mkdirSync(root, { recursive: true, mode: 0o701 });
    this.#quotas = new VolumeQuotas(root);
  }

  /** Finishes removals, makes what creations did not come to. Returns the names that were being removed. */
  recover(names: readonly string[]): string[] {
    for (const marker of readdirSync(this.#root).filter((entry) => entry.startsWith('.renaming-'))) {
      const [from, to] = [readlinkSync(join(this.#root, marker)), marker.slice('.renaming-'.length)];
      const moved = existsSync(join(this.#root, to)) && !existsSync(join(this.#root, from));
      if (moved && names.includes(from) && !names.includes(to))
        renameSync(join(this.#root, to), join(this.#root, from));
      rmSync(join(this.#root, marker));
    }
    const leftovers = readdirSync(this.#root).filter((entry) => entry.startsWith('.removed-'));
    for (const entry of leftovers) {
      this.#quotas.release(join(this.#root, entry, '_data'));
      rmSync(join(this.#root, entry), { recursive: true, force: true });
    }
    const started = new Set(leftovers.map((entry) => entry.slice('.removed-'.length, -'-01234567'.length)));
    const removed = names.filter((name) => started.has(name.slice(0, 200)) && !existsSync(join(this.#root, name)));
    for (const name of names) if (!removed.includes(name)) this.#makeDirectory(name);
    return removed;
  }

  /** Unmounts what nobody uses any more. Called when all users are known. */
  settle(names: Iterable<string>): void {
    for (const name of names) if ((this.#users.get(name)?.size ?? 0) === 0) this.#unmount(name);
  }

  scope(): Promise<'local'> {
    return Promise.resolve('local');
  }

  async create(name: string, options: Readonly<Record<string, string>>): Promise<void> {
    const size = sizeOf(options);
    checkLocalOptions(options, size > 0 && this.#quotas.supported);
    try {
      this.#makeDirectory(name);
      if (size > 0) this.#quotas.limit(this.path(name), size);
    } catch (error) {
      rmSync(join(this.#root, name), { recursive: true, force: true });
      throw noSpace(error, `failed to create volume ${name}`);
    }
  }

  async remove(name: string): Promise<void> {
    const directory = join(this.#root, name);
    this.#unmount(name);
    if (!existsSync(directory)) return;
    // What is mounted there belongs to somebody else, and a removal would empty it.
    if (isMountPoint(this.path(name))) {
      throw new GantryError('conflict', `unable to remove volume ${name}: something is mounted on ${this.path(name)}`);
    }
    const removed = join(this.#root, `.removed-${name.slice(0, 200)}-${randomBytes(4).toString('hex')}`);
    renameSync(directory, removed);
    if (sizeOf(this.#optionsOf(name)) > 0) this.#quotas.release(join(removed, '_data'));
    await rm(removed, { recursive: true, force: true });
  }

  /**
   * Moves the directory. `record` notes the new name; a crash before it leaves the old record and a directory that the next start moves
   * back.
   */
  rename(from: string, to: string, record: () => void): void {
    const marker = join(this.#root, `.renaming-${to}`);
    symlinkSync(from, marker);
    try {
      renameSync(join(this.#root, from), join(this.#root, to));
      try {
        record();
      } catch (error) {
        renameSync(join(this.#root, to), join(this.#root, from));
        throw error;
      }
    } finally {
      rmSync(marker);
    }
  }

  async get(name: string): Promise<DriverVolume | null> {
    return existsSync(this.path(name)) ? { mountpoint: this.path(name), status: null } : null;
  }

  async list(): Promise<(DriverVolume & { name: string })[]> {
    const names = readdirSync(this.#root).filter((entry) => !entry.startsWith('.'));
    return names.map((name) => ({ name, mountpoint: this.path(name), status: null }));
  }

  async mount(name: string, user: string): Promise<string> {
    const path = this.path(name);
    const options = this.#optionsOf(name);
    if (options !== null && needsMount(options) && !isMountPoint(path)) await mountAt(path, options);
    // Again, for a directory that recover() has made anew, and to find out that the file system has lost its quotas.
    const size = sizeOf(options);
    if (size > 0) this.#quotas.limit(path, size);
    const users = this.#users.get(name) ?? new Set();
    this.#users.set(name, users.add(user));
    return path;
  }

  async unmount(name: string, user: string): Promise<void> {
    const users = this.#users.get(name);
    users?.delete(user);
    if (users !== undefined && users.size > 0) return;
    this.#users.delete(name);
    this.#unmount(name);
  }

  /** A user that has had it mounted since before the daemon started. */
  adopt(name: string, user: string): void {
    this.#users.set(name, (this.#users.get(name) ?? new Set()).add(user));
  }

  path(name: string): string {
    return join(this.#root, name, '_data');
  }

  #unmount(name: string): void {
    if (!needsMount(this.#optionsOf(name))) return;
    // Detached, so that a shell that stands in it does not keep it; whatever else is mounted on top is not ours.
    if (isMountPoint(this.path(name))) umount(this.path(name), MNT_DETACH | UMOUNT_NOFOLLOW);
  }

  /** The parents keep other users out; the directory itself is whatever the containers make of it. */
  #makeDirectory(name: string): void {
    const data = this.path(name);
    if (existsSync(data)) return;
    mkdirSync(join(this.#root, name), { recursive: true, mode: 0o701 });
    mkdirSync(data);
    chmodSync(data, 0o755);
  }
}

/** Throws system, with the system call in the message as dockerd has it. */
async function mountAt(path: string, options: Readonly<Record<string, string>>): Promise<void> {
  const { type, device, options: text } = await mountArguments(options);
  const { flags, propagation, data } = parseMountOptions(text);
  try {
    // Memory and what is there already let nobody wait.
    if (type === 'tmpfs' || flags & MS_BIND) mount(device, path, type, flags, data);
    else await mountSlowly(device, path, type, flags, data);
  } catch (error) {
    throw mountError(
      error,
      `mount ${device}:${path}, flags: 0x${flags.toString(16)}${data === '' ? '' : `, data: ${data}`}`,
    );
  }
  try {
    // mount(2) takes no other flags along with MS_BIND.
    if (flags & MS_BIND && flags & MS_RDONLY) mount('', path, null, flags | MS_REMOUNT);
    for (const kind of propagation) mount('', path, null, kind);
  } catch (error) {
    umount(path, MNT_DETACH | UMOUNT_NOFOLLOW);
    throw mountError(error, `remount ${path}`);
  }
}

function mountError(error: unknown, what: string): unknown {
  if (!(error instanceof SystemCallError)) return error;
  const why = getSystemErrorMessage(-error.errno);
  return new GantryError('system', `failed to mount local volume: ${withoutPassword(what)}: ${why}`, { cause: error });
}
