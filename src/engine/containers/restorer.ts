import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { messageOf } from '../../api/errors.ts';
import { formatTime, nowNs } from '../../api/timestamp.ts';
import { processStartTime } from '../../linux/pidfd.ts';
import type { LiveSandbox } from '../../network/contract.ts';
import type { ExitStatus, Monitor } from '../../runtime/contract.ts';
import type { ContainerRecord } from '../container-record.ts';
import type { EngineContext } from '../context.ts';
import type { HealthChecks } from '../health/health-checks.ts';
import type { Links } from '../links/links.ts';
import { storedNetworks } from '../networks/network-records.ts';
import { startsWithDaemon } from '../restart/restart-policy.ts';
import { Container } from './container.ts';
import type { ContainerIndex } from './container-index.ts';
import type { ContainerCgroups, ContainerVolumes } from './contract.ts';
import type { Launcher } from './launcher.ts';
import type { Lifecycle } from './lifecycle.ts';
import { networkNameOf } from './network-view.ts';
import type { Remover } from './remover.ts';
import { move } from './state-machine.ts';

/** Exit code of a process whose end nobody saw (the machine went down). */
const UNKNOWN_EXIT = 255;
/** Containers that restart policies start at the same time when the daemon starts. */
const STARTS_AT_ONCE = 8;

export interface RestorerParts {
  index: ContainerIndex;
  launcher: Launcher;
  links: Links;
  lifecycle: Lifecycle;
  remover: Remover;
  health: HealthChecks;
  cgroups: Pick<ContainerCgroups, 'frozen'>;
  volumes: Pick<ContainerVolumes, 'adopt' | 'settle'>;
}

/** Brings what the state store says and what the host shows together again, after whatever ended the last daemon. */
export class Restorer {
  readonly #context: EngineContext;
  readonly #parts: RestorerParts;

  constructor(context: EngineContext, parts: RestorerParts) {
    this.#context = context;
    this.#parts = parts;
  }

  /** Reads all records, oldest first. */
  load(): void {
    const records = this.#context.store
      .all('SELECT record FROM container')
      .map((row) => JSON.parse(row.record!) as ContainerRecord)
      .sort((a, b) => (a.created < b.created ? -1 : 1));
    for (const record of records) {
      listNetworks(record);
      this.#parts.index.add(new Container(this.#context, record));
    }
  }

  /**
   * Finds the monitors of running containers, then lets storage and network clear away what belongs to no one, then ends what has
   * ended meanwhile and removes what was half removed. Nothing is started here; see startByPolicy().
   */
  async reconcile(): Promise<void> {
    const { settings, storage, networks, log } = this.#context;
    const { index, launcher, lifecycle } = this.#parts;
    mkdirSync(join(settings.execRoot, 'containers'), { recursive: true, mode: 0o711 });
    mkdirSync(join(settings.execRoot, 'execs'), { recursive: true, mode: 0o700 });
    const found = new Map<Container, Monitor>();
    await eachOf(index.all(), STARTS_AT_ONCE, async (container) => {
      const monitor = await this.#findMonitor(container);
      if (monitor !== null) found.set(container, monitor);
    });
    await storage.recover(new Set([...found.keys()].map((container) => container.id)));
    await this.#parts.links.allow();
    await networks.init(storedNetworks(this.#context.store), [...found.keys()].map(liveSandbox));
    for (const { id, record } of index.all()) networks.keepAddresses(id, record.addresses ?? {});
    // All of them, before the first that has ended lets go of a volume that others have.
    for (const container of index.all()) {
      if (found.has(container) || container.running) this.#parts.volumes.adopt(container.record);
    }
    for (const container of index.all()) {
      try {
        const monitor = found.get(container);
        if (monitor === undefined) await this.#settle(container);
        else {
          launcher.adopt(container);
          this.#adopt(container, monitor);
          lifecycle.watch(container, monitor);
          if (container.record.state.status === 'running') this.#parts.health.begin(container);
        }
      } catch (error) {
        log.error('restoring a container', { container: container.id, error: messageOf(error) });
      }
    }
    this.#parts.volumes.settle();
    await this.#removeUnknown();
    this.#clearExecs();
  }

  /** Starts what restart policies want to run. */
  async startByPolicy(): Promise<void> {
    const wanted = this.#parts.index.all().filter((container) => {
      const { status, startedAt } = container.record.state;
      if (status !== 'exited' && status !== 'restarting') return false;
      if (startedAt.startsWith('0001')) return false;
      const { hostConfig, stoppedByUser, restartCount, state } = container.record;
      return startsWithDaemon(hostConfig.RestartPolicy, {
        exitCode: state.exitCode,
        stoppedByUser,
        restartCount,
      });
    });
    // Older ones first: a container is there before those that link to it, which wait for its start.
    const started = new Map<string, Promise<void>>();
    await eachOf(wanted, STARTS_AT_ONCE, (container) => {
      const linked = (container.record.links ?? []).map(({ containerId }) => started.get(containerId));
      const start = Promise.all(linked).then(() => this.#parts.lifecycle.startByPolicy(container));
      started.set(container.id, start);
      return start;
    });
  }

  /** The monitor of a process that runs; one whose process was created and never started is ended. */
  async #findMonitor(container: Container): Promise<Monitor | null> {
    if (!existsSync(container.runDirectory)) return null;
    const monitor = await this.#context.monitors.reconnect({
      id: container.id,
      kind: 'container',
      dir: container.runDirectory,
    });
    if (monitor === null || monitor.startedAt !== null) return monitor;
    await this.#parts.launcher.forget(container);
    await monitor.closed;
    return null;
  }

  #adopt(container: Container, monitor: Monitor): void {
    const { state } = container.record;
    container.monitor = monitor;
    // The last daemon was killed between start() and the record of it.
    if (!container.running) {
      if (state.status === 'removing' || state.status === 'dead') state.status = 'exited';
      move(state, 'running');
      state.startedAt = formatTime(monitor.startedAt ?? nowNs());
    }
    // It was killed between pause() or unpause() and the record of it: a signal does not reach a process that stands still.
    const frozen = this.#parts.cgroups.frozen(container.cgroupsPath);
    if (frozen !== (state.status === 'paused')) move(state, frozen ? 'paused' : 'running');
    state.pid = monitor.pid;
    state.pidStartTime = processStartTime(monitor.pid) ?? '';
    container.keep('relaxed');
  }

  /** A container without a process: ends it if it ran, and takes away what it stood on. */
  async #settle(container: Container): Promise<void> {
    const { launcher, lifecycle, remover } = this.#parts;
    const { record } = container;
    const { state } = record;
    const layerThere = this.#context.storage.writable.exists(container.id);
    if (container.running) {
      const status = this.#context.monitors.readExit(container.runDirectory) ?? unknownExit();
      await launcher.forget(container);
      // Policies start it in startByPolicy(), once everything is in its place.
      await lifecycle.endedMeanwhile(container, status);
    } else if (existsSync(container.runDirectory)) {
      await launcher.forget(container);
      await launcher.release(container);
    }
    record.sandbox = null;
    delete record.plainEndpoint;
    delete record.publishedPorts;
    if (state.status === 'restarting') move(state, 'exited');
    if (state.status === 'removing' || state.status === 'dead' || !layerThere) {
      if (state.status !== 'removing' && state.status !== 'dead') {
        this.#context.log.warn('removing a container that has lost its root file system', { container: container.id });
      }
      await remover.finish(container, false);
    } else if (record.hostConfig.AutoRemove === true && state.status === 'exited') {
      await remover.finish(container, true);
    } else container.keep('relaxed');
  }

  /** Layers, directories and runtime state of containers that are in no record. */
  async #removeUnknown(): Promise<void> {
    const { settings, storage, runtimes, log } = this.#context;
    const { index } = this.#parts;
    for (const id of storage.writable.list()) {
      if (index.get(id) !== null) continue;
      log.info('removing the layer of a container that was never completed', { container: id });
      await storage.writable.remove(id);
    }
    const containers = join(settings.dataRoot, 'containers');
    for (const id of existsSync(containers) ? readdirSync(containers) : []) {
      if (index.get(id) === null) rmSync(join(containers, id), { recursive: true, force: true });
    }
    const running = join(settings.execRoot, 'containers');
    for (const id of readdirSync(running)) {
      if (index.get(id) !== null) continue;
      for (const runtime of runtimes.values()) await runtime.delete(id, true);
      rmSync(join(running, id), { recursive: true, force: true });
    }
  }

  /** Execs are forgotten with their daemon; those that still run are their monitor's, whose directory goes when it ends. */
  /** Not waited for: an exec that was being made in a container that stands still is made when that goes on. */
  #clearExecs(): void {
    const directory = join(this.#context.settings.execRoot, 'execs');
    for (const id of readdirSync(directory)) {
      const dir = join(directory, id);
      this.#context.monitors
        .reconnect({ id, kind: 'exec', dir })
        .then((monitor) => monitor?.closed)
        .then(() => rmSync(dir, { recursive: true, force: true }))
        .catch((error) => this.#context.log.warn('clearing an exec', { exec: id, error: messageOf(error) }));
    }
  }
}

function liveSandbox(container: Container): LiveSandbox {
  const { sandbox, endpointsConfig, config } = container.record;
  return {
    containerId: container.id,
    name: container.name,
    hostname: config.Hostname ?? '',
    endpoints: sandbox?.endpoints ?? [],
    aliases: Object.fromEntries(Object.entries(endpointsConfig).map(([name, { Aliases }]) => [name, Aliases ?? []])),
  };
}

/** Records of earlier versions do not name the network of the container's mode. */
function listNetworks(record: ContainerRecord): void {
  const own = networkNameOf(record);
  if (record.networksListed === true || own === null) return;
  record.endpointsConfig[own] ??= {};
  record.networksListed = true;
}

function unknownExit(): ExitStatus {
  return { code: UNKNOWN_EXIT, signal: null, oomKilled: false, finishedAt: nowNs() };
}

/** Runs `work` for all items, so many at a time. */
export async function eachOf<T>(items: T[], atOnce: number, work: (item: T) => Promise<void>): Promise<void> {
  const queue = items.values();
  const worker = async () => {
    for (const item of queue) await work(item);
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, items.length) }, worker));
}
