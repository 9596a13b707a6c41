import { randomBytes } from 'node:crypto';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { GantryError, messageOf } from '../../api/errors.ts';
import { MNT_DETACH, mount, umount } from '../../linux/mount.ts';
import type { Sandbox } from '../../network/contract.ts';
import type { Monitor, RuntimeBinary } from '../../runtime/contract.ts';
import { RuntimeError } from '../../runtime/runtime-error.ts';
import { DEFAULT_APPARMOR_PROFILE, ensureAppArmorProfile } from '../../runtime/spec/apparmor-profile.ts';
import { buildSpec, stringifySpec } from '../../runtime/spec/spec.ts';
import { lookupUser } from '../../runtime/spec/user.ts';
import { ensureWorkingDirectory } from '../../runtime/spec/working-directory.ts';
import { noSpace } from '../../storage/durable.ts';
import type { EngineContext } from '../context.ts';
import type { Links } from '../links/links.ts';
import { endpointRequests } from '../networks/endpoint-settings.ts';
import { remotePorts } from '../networks/remote-ports.ts';
import type { Container } from './container.ts';
import { writeContainerFiles } from './container-files.ts';
import type { ContainersDeps } from './contract.ts';
import { notRunning } from './errors.ts';

/**
 * Brings a container's process into being and takes away what it stood on. Everything before the monitor is system calls: the
 * monitor is the only process that a start forks (unless the host has lost our AppArmor profile).
 */
export class Launcher {
  readonly #context: EngineContext;
  readonly #deps: ContainersDeps;
  readonly #links: Links;
  readonly #resolve: (reference: string) => Container;
  /** IDs of the containers whose root file system is mounted for their process. */
  readonly #mounted = new Set<string>();

  constructor(
    context: EngineContext,
    deps: ContainersDeps,
    parts: { links: Links; resolve: (reference: string) => Container },
  ) {
    this.#context = context;
    this.#deps = deps;
    this.#links = parts.links;
    this.#resolve = parts.resolve;
  }

  /** Creates the process and connects the clients that wait for its output; Monitor.start() then runs it. Undoes all when it throws. */
  async create(container: Container): Promise<Monitor> {
    try {
      const monitor = await this.#spawn(container);
      container.monitor = monitor;
      for (const pending of [...container.pendingAttaches]) {
        container.pendingAttaches.delete(pending);
        await pending.connect(monitor);
      }
      return monitor;
    } catch (error) {
      await this.undo(container, error);
      throw noSpace(error, `failed to start container ${container.name}`);
    }
  }

  /**
   * After a start that failed with `error`. A monitor tells of the runtime's errors when it has cleaned up; one that died has not, and a
   * runtime that was killed in create leaves a cgroup that it does not know of afterwards.
   */
  async undo(container: Container, error: unknown): Promise<void> {
    if (!(error instanceof RuntimeError)) await this.forget(container);
    await this.#deps.cgroups.clear(container.cgroupsPath);
    await this.release(container);
  }

  /** Takes over the mounted root file system of a container that an earlier daemon started (Storage.recover has counted it). */
  adopt(container: Container): void {
    this.#mounted.add(container.id);
  }

  /** Takes mounts, network, bundle and what the runtime still knows away. Goes on behind errors, which are logged. */
  async release(container: Container): Promise<void> {
    const { networks, storage, log } = this.#context;
    const { record } = container;
    container.monitor = null;
    const attempt = (what: string, work: () => void) => {
      try {
        work();
      } catch (error) {
        log.warn(`cleaning up a container: ${what}`, { container: container.id, error: messageOf(error) });
      }
    };
    if (record.sandbox !== null) {
      record.addresses = {};
      for (const endpoint of record.sandbox.endpoints) {
        const { networkName, ipAddress, ipv6Address, wayOut } = endpoint;
        if (wayOut !== true) record.addresses[networkName] = { ipAddress, ipv6Address };
        this.#networkEvent(container, 'disconnect', endpoint);
      }
      networks.keepAddresses(container.id, record.addresses);
      record.sandbox = null;
      delete record.publishedPorts;
      await this.#links.follow();
    }
    if (record.plainEndpoint !== undefined) {
      delete record.plainEndpoint;
      this.#plainEvent(container, 'disconnect', record.hostConfig.NetworkMode ?? '');
    }
    // Whatever the record says: a daemon may have been killed between the two.
    try {
      const leaving = networks.releaseSandbox(container.id);
      if (leaving !== undefined) await leaving;
    } catch (error) {
      log.warn('cleaning up a container: network', { container: container.id, error: messageOf(error) });
    }
    attempt('shared memory', () => {
      if (record.hostConfig.IpcMode === 'shareable') umountIfMounted(this.#shmPath(container));
    });
    try {
      await this.#deps.volumes.unmounted(record);
    } catch (error) {
      log.warn('cleaning up a container: volumes', { container: container.id, error: messageOf(error) });
    }
    if (this.#mounted.delete(container.id)) {
      attempt('root file system', () => storage.writable.unmount(container.id));
    }
    attempt('run directory', () => rmSync(container.runDirectory, { recursive: true, force: true }));
  }

  /** Forces the runtime to forget the container, its processes included. For what has no monitor any more. */
  async forget(container: Container): Promise<void> {
    const runtime = this.#context.runtimes.get(container.record.runtime);
    try {
      await runtime?.delete(container.id, true);
    } catch (error) {
      this.#context.log.warn('runtime could not delete a container', {
        container: container.id,
        error: messageOf(error),
      });
    }
  }

  runtimeOf(container: Container): RuntimeBinary {
    const name = container.record.runtime;
    const binary = this.#context.settings.runtimes.get(name);
    if (binary === undefined) {
      throw new GantryError('invalid_parameter', `unknown or invalid runtime name: ${name}`);
    }
    return binary;
  }

  async #spawn(container: Container): Promise<Monitor> {
    const { settings, storage } = this.#context;
    const { record } = container;
    const { hostConfig } = record;
    const runtime = this.runtimeOf(container);
    if ((hostConfig.Init ?? settings.init) && settings.initPath === '') {
      throw new GantryError('system', 'exec: "docker-init": executable file not found in $PATH', {
        hint: 'install tini or catatonit, or name an init program with --init-path',
      });
    }
    const linkEnv = this.#links.environment(container);
    const rootfs = storage.writable.mount(record.id);
    this.#mounted.add(record.id);
    const network = await this.#joinNetwork(container);
    // A container on another's network goes by that one's name.
    const hostname = record.config.Hostname || network.shared?.record.config.Hostname || '';
    const config = { ...record.config, Hostname: hostname, Env: [...linkEnv, ...(record.config.Env ?? [])] };
    const links = this.#links.hostsLines(container);
    const files = writeContainerFiles(this.#context, container, record.sandbox, network.shared, links);
    this.#links.moved(container);
    await this.#links.allow();
    mkdirSync(container.runDirectory, { recursive: true, mode: 0o711 });
    const pid = this.#joined(hostConfig.PidMode, 'PID');
    const ipc = this.#joined(hostConfig.IpcMode, 'IPC');
    if (ipc !== null) checkShareable(ipc);
    if (hostConfig.IpcMode === 'shareable') this.#mountShm(container);
    const user = lookupUser(rootfs, config.User ?? '', hostConfig.GroupAdd ?? []);
    ensureWorkingDirectory(rootfs, config.WorkingDir ?? '');
    const [rows = 0, columns = 0] = hostConfig.ConsoleSize ?? [];
    const consoleSize = rows > 0 && columns > 0 ? { rows, columns } : null;
    const spec = buildSpec({
      id: record.id,
      name: record.name,
      path: record.path,
      args: record.args,
      config,
      hostConfig,
      rootfs,
      user,
      mounts: await this.#deps.volumes.resolve(record),
      files,
      netns: network.netns,
      joined: {
        ...(pid === null ? {} : { pid: pid.record.state.pid }),
        ...(ipc === null ? {} : { ipc: ipc.record.state.pid }),
      },
      shmPath: ipc !== null ? this.#shmPath(ipc) : hostConfig.IpcMode === 'shareable' ? this.#shmPath(container) : null,
      cgroupsPath: container.cgroupsPath,
      consoleSize,
      daemon: {
        seccompProfile: settings.seccompProfile,
        noNewPrivileges: settings.noNewPrivileges,
        defaultUlimits: settings.defaultUlimits,
        init: settings.init,
        initPath: settings.initPath,
        appArmorProfile: DEFAULT_APPARMOR_PROFILE,
      },
      host: this.#deps.hostFacts,
    });
    record.appArmorProfile = spec.process.apparmorProfile ?? '';
    if (record.appArmorProfile === DEFAULT_APPARMOR_PROFILE) await ensureAppArmorProfile(DEFAULT_APPARMOR_PROFILE);
    writeFileSync(join(container.runDirectory, 'config.json'), stringifySpec(spec), { mode: 0o600 });
    return await this.#context.monitors.spawn({
      kind: 'container',
      id: record.id,
      runtime,
      bundle: container.runDirectory,
      dir: container.runDirectory,
      tty: config.Tty === true,
      openStdin: config.OpenStdin === true,
      stdinOnce: config.StdinOnce === true,
      consoleSize,
      log: this.#deps.logDrivers.of(record).sinkFor(record),
      cgroupsPath: container.cgroupsPath,
    });
  }

  async #joinNetwork(container: Container): Promise<{ netns: string | 'host' | null; shared: Container | null }> {
    const { record } = container;
    const mode = record.hostConfig.NetworkMode ?? 'bridge';
    if (mode === 'host') {
      this.#joinPlain(container, mode);
      return { netns: 'host', shared: null };
    }
    if (mode.startsWith('container:')) {
      const other = this.#resolve(mode.slice('container:'.length));
      if (other === container) throw new GantryError('system', 'cannot join own network');
      if (!other.running) {
        throw new GantryError('conflict', `cannot join network of a non running container: ${other.id}`);
      }
      return { netns: `/proc/${other.record.state.pid}/ns/net`, shared: other };
    }
    if (record.config.NetworkDisabled === true) return { netns: null, shared: null };
    const { networks } = this.#context;
    const endpoints = endpointRequests(record, networks.find(mode)?.name ?? mode);
    let sandbox: Sandbox;
    try {
      const { name, config } = record;
      const request = {
        ...{ containerId: container.id, name, hostname: config.Hostname ?? '', endpoints },
        ports: () => remotePorts(record),
      };
      sandbox = networks.asksPlugins(request) ? await networks.openSandbox(request) : networks.createSandbox(request);
    } catch (cause) {
      const code = cause instanceof GantryError ? cause.code : 'system';
      throw new GantryError(code, `failed to set up container networking: ${messageOf(cause)}`, { cause });
    }
    record.sandbox = sandbox;
    if (mode === 'none') this.#joinPlain(container, mode);
    for (const endpoint of sandbox.endpoints) this.#networkEvent(container, 'connect', endpoint);
    return { netns: sandbox.path, shared: null };
  }

  /** The running container whose namespace a mode "container:x" joins; null for other modes. */
  #joined(mode: string | undefined, kind: string): Container | null {
    if (mode === undefined || !mode.startsWith('container:')) return null;
    const other = this.#resolve(mode.slice('container:'.length));
    if (!other.running) {
      throw new GantryError('conflict', `failed to join ${kind} namespace: ${notRunning(other.id).message}`);
    }
    return other;
  }

  #shmPath(container: Container): string {
    return join(container.runDirectory, 'shm');
  }

  #mountShm(container: Container): void {
    const path = this.#shmPath(container);
    mkdirSync(path, { recursive: true, mode: 0o700 });
    const size = container.record.hostConfig.ShmSize || this.#context.settings.defaultShmSize;
    // MS_NOSUID | MS_NODEV | MS_NOEXEC, as on the host's own /dev/shm.
    mount('shm', path, 'tmpfs', 0x2 | 0x4 | 0x8, `mode=1777,size=${size}`);
  }

  /** "host" and "none" have endpoints too, though no interfaces. */
  #joinPlain(container: Container, mode: string): void {
    container.record.plainEndpoint = randomBytes(32).toString('hex');
    this.#plainEvent(container, 'connect', mode);
  }

  #plainEvent(container: Container, action: string, networkName: string): void {
    const networkId = this.#context.networks.find(networkName)?.id ?? '';
    this.#networkEvent(container, action, { networkId, networkName });
  }

  #networkEvent(
    container: Container,
    action: string,
    endpoint: Pick<Sandbox['endpoints'][number], 'networkId' | 'networkName' | 'wayOut'>,
  ): void {
    if (endpoint.wayOut === true) return;
    this.#context.events.emit('network', action, endpoint.networkId, {
      container: container.id,
      name: endpoint.networkName,
      type: this.#context.networks.find(endpoint.networkId)?.driver ?? '',
    });
  }
}

/** A container's shared memory lies outside of it, where another can have it, only in this mode. Throws invalid_parameter. */
function checkShareable(donor: Container): void {
  if (donor.record.hostConfig.IpcMode === 'shareable') return;
  throw new GantryError(
    'invalid_parameter',
    `failed to join IPC namespace: container ${donor.id}: non-shareable IPC (hint: use IpcMode:shareable for the donor container)`,
  );
}

function umountIfMounted(path: string): void {
  try {
    umount(path, MNT_DETACH);
  } catch (error) {
    if (!['EINVAL', 'ENOENT'].includes((error as { code?: string }).code ?? '')) throw error;
  }
}
