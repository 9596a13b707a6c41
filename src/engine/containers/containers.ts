import type { Duplex } from 'node:stream';
import { GantryError, messageOf } from '../../api/errors.ts';
import type { Filters } from '../../api/filters.ts';
import type { ContainerInspectResponse, ContainerSummary } from '../../api/schemas/container.ts';
import type { ContainerStatsResponse } from '../../api/schemas/stats.ts';
import { DEFAULT_APPARMOR_PROFILE, ensureAppArmorProfile } from '../../runtime/spec/apparmor-profile.ts';
import type { ContainerRecord } from '../container-record.ts';
import type { EngineContext } from '../context.ts';
import { Execs } from '../exec/execs.ts';
import { HealthChecks } from '../health/health-checks.ts';
import { Links } from '../links/links.ts';
import type { PruneOptions } from '../prune-options.ts';
import { type AttachRequest, attach } from './attach.ts';
import type { Container } from './container.ts';
import { ContainerIndex } from './container-index.ts';
import type { ContainersDeps, CreateRequest, ListOptions, RemoveOptions, StopOptions } from './contract.ts';
import type { UpdateBody } from './create-options/prepare-update.ts';
import { Creator } from './creator.ts';
import { notRunning } from './errors.ts';
import { inspectContainer } from './inspect.ts';
import { Launcher } from './launcher.ts';
import { Lifecycle, stopTimeoutOf } from './lifecycle.ts';
import { type ListDeps, listContainers, pruneCandidates, sizesOf } from './list.ts';
import { type LogsRequest, readLogs } from './read-logs.ts';
import { Remover } from './remover.ts';
import { rename } from './rename.ts';
import { eachOf, Restorer } from './restorer.ts';
import { stats } from './stats.ts';
import { type ProcessTable, top } from './top.ts';
import { update } from './update.ts';
import type { WaitCondition, WaitResult } from './wait-list.ts';

export type { ContainersDeps } from './contract.ts';

/** All containers of the engine and what can be done with them (Engine API, tags "Container" and "Exec"). */
export class Containers {
  readonly execs: Execs;
  readonly links: Links;
  readonly #context: EngineContext;
  readonly #deps: ContainersDeps;
  readonly #index = new ContainerIndex();
  readonly #creator: Creator;
  readonly #lifecycle: Lifecycle;
  readonly #remover: Remover;
  readonly #health: HealthChecks;
  readonly #restorer: Restorer;

  /** Reads the records; restore() is to follow before anything else. */
  constructor(context: EngineContext, deps: ContainersDeps) {
    this.#context = context;
    this.#deps = deps;
    const index = this.#index;
    const links = new Links(context, index);
    this.links = links;
    const launcher = new Launcher(context, deps, { links, resolve: (reference) => index.resolve(reference) });
    this.execs = new Execs(context, {
      runtimeOf: (container) => launcher.runtimeOf(container),
      hostFacts: deps.hostFacts,
      cgroups: deps.cgroups,
      linkEnvironment: (container) => links.presentEnvironment(container),
    });
    this.#health = new HealthChecks(context, this.execs, (container) =>
      this.#lifecycle.restart(container, { signal: '', timeout: null }),
    );
    this.#lifecycle = new Lifecycle(context, launcher, deps.cgroups, {
      starting: (container) => this.#health.reset(container),
      started: (container) => this.#health.begin(container),
      paused: (container) => this.#health.stop(container),
      exited: (container) => {
        this.#health.stop(container);
        this.execs.dropUnstarted(container);
      },
      autoRemove: (container) => this.#remover.autoRemove(container),
    });
    const parts = { index, launcher, links, lifecycle: this.#lifecycle, health: this.#health, execs: this.execs };
    this.#remover = new Remover(context, deps, parts);
    this.#creator = new Creator(context, deps, { index, links });
    this.#restorer = new Restorer(context, {
      ...parts,
      remover: this.#remover,
      cgroups: deps.cgroups,
      volumes: deps.volumes,
    });
    this.#restorer.load();
  }

  /** By full ID, name (with or without its slash) or unambiguous ID prefix, in this order. Throws not_found `No such container: x`. */
  resolve(reference: string): Container {
    return this.#index.resolve(reference);
  }

  /** All of them, oldest first. */
  all(): Container[] {
    return this.#index.all();
  }

  /** Records of all containers, those included that are just being made: what they stand on is in use. */
  records(): ContainerRecord[] {
    return [...this.#index.all(), ...this.#index.creating].map((container) => container.record);
  }

  async create(request: CreateRequest): Promise<{ Id: string; Warnings: string[] }> {
    const { container, warnings } = await this.#creator.create(request);
    return { Id: container.id, Warnings: warnings };
  }

  start(container: Container): Promise<void> {
    this.#deps.cgroups.warm();
    return this.#lifecycle.start(container);
  }

  stop(container: Container, options: StopOptions): Promise<void> {
    return this.#lifecycle.stop(container, options);
  }

  restart(container: Container, options: StopOptions): Promise<void> {
    return this.#lifecycle.restart(container, options);
  }

  kill(container: Container, signal: string): Promise<void> {
    return this.#lifecycle.kill(container, signal);
  }

  pause(container: Container): Promise<void> {
    return this.#lifecycle.pause(container);
  }

  unpause(container: Container): Promise<void> {
    return this.#lifecycle.unpause(container);
  }

  async rename(container: Container, name: string): Promise<void> {
    await rename(container, name, this.#index);
    this.#context.networks.rename(container.id, container.name);
  }

  /** Returns warnings. */
  update(container: Container, body: UpdateBody): Promise<string[]> {
    return update(container, body, this.#context, this.#deps);
  }

  remove(container: Container, options: RemoveOptions, reference?: string): Promise<void> {
    return this.#remover.remove(container, options, reference);
  }

  /** Registered when it returns; see WaitList. */
  wait(container: Container, condition: WaitCondition, signal?: AbortSignal): Promise<WaitResult> {
    const { state } = container.record;
    if (condition === 'not-running' && !container.running && state.status !== 'restarting') {
      return Promise.resolve({ statusCode: state.exitCode, error: state.error === '' ? null : state.error });
    }
    return container.waiters.add(condition, signal);
  }

  list(options: ListOptions): Promise<ContainerSummary[]> {
    return listContainers(this.#index.all(), options, this.#listDeps());
  }

  async inspect(container: Container, options: { size: boolean }): Promise<ContainerInspectResponse> {
    const { record } = container;
    return inspectContainer(container, {
      context: this.#context,
      networkIds: (name) => this.#networkId(name),
      logPath: this.#deps.logDrivers.of(record).logPath(record),
      links: this.links.shown(container),
      sizes: options.size ? await sizesOf(container, this.#listDeps()) : null,
    });
  }

  top(container: Container, psArgs: string): Promise<ProcessTable> {
    return top(container, psArgs, this.#deps.cgroups);
  }

  stats(
    container: Container,
    options: { stream: boolean; oneShot: boolean; signal: AbortSignal },
  ): AsyncGenerator<ContainerStatsResponse> {
    return stats(container, options, { context: this.#context, cgroups: this.#deps.cgroups });
  }

  /** See attach(): `open` takes the client's connection over. */
  attach(container: Container, request: AttachRequest, open: () => Duplex | Promise<Duplex>): Promise<void> {
    return attach(container, request, open, { context: this.#context, logDrivers: this.#deps.logDrivers });
  }

  /**
   * What the container has put out. `follow`: goes on until its process has ended and the log is complete; at once for one that
   * does not run. Throws not_supported when its log driver keeps nothing.
   */
  logs(container: Container, request: Omit<LogsRequest, 'follow'> & { follow: boolean }): AsyncGenerator<Buffer, void> {
    const follow = request.follow ? (container.monitor?.ended ?? null) : null;
    return readLogs(container.record, this.#deps.logDrivers, { ...request, follow });
  }

  /** Throws conflict when it does not run. */
  async resize(container: Container, rows: number, columns: number): Promise<void> {
    if (!container.running || container.monitor === null) throw notRunning(container.id);
    await container.monitor.resize(rows, columns);
    container.event('resize', { height: String(rows), width: String(columns) });
  }

  /** Removes what does not run and matches. */
  async prune(
    filters: Filters,
    options: Pick<PruneOptions, 'dryRun'>,
  ): Promise<{ ContainersDeleted: string[] | null; SpaceReclaimed: number }> {
    const deleted: string[] = [];
    let reclaimed = 0;
    for (const container of pruneCandidates(this.#index.all(), filters)) {
      const size = await this.#context.storage.writable.size(container.id);
      try {
        if (!options.dryRun) await this.#remover.remove(container, { force: false, volumes: false, link: false });
      } catch (error) {
        // Started, or removed by somebody else, meanwhile.
        if (error instanceof GantryError && error.code === 'conflict') continue;
        throw error;
      }
      deleted.push(container.id);
      reclaimed += size;
    }
    if (!options.dryRun) this.#context.events.emit('container', 'prune', '', { reclaimed: String(reclaimed) });
    return { ContainersDeleted: deleted.length === 0 ? null : deleted, SpaceReclaimed: reclaimed };
  }

  /**
   * At daemon start: finds running containers again, reconciles what a crash left (storage and network included), resumes restart
   * policies. Resolves when all is in its place and what policies start has been started: who waits for the daemon finds it there.
   */
  async restore(): Promise<void> {
    if (this.#deps.hostFacts.apparmor) {
      // Containers that are not confined by it can do without; a start that needs it says why it fails.
      await ensureAppArmorProfile(DEFAULT_APPARMOR_PROFILE).catch((error) => this.#context.log.error(messageOf(error)));
    }
    await this.#deps.volumes.recover(this.records());
    await this.#restorer.reconcile();
    await this.#restorer.startByPolicy();
  }

  /** Seconds that stopping the running containers may take by their own timeouts; null when one waits without end. */
  longestStop(): number | null {
    const timeouts = this.all()
      .filter((container) => container.running)
      .map((container) => stopTimeoutOf(container));
    return timeouts.some((seconds) => seconds < 0) ? null : Math.max(0, ...timeouts);
  }

  /** At daemon stop: containers live on unless `stopContainers`. */
  async shutdown(options: { stopContainers: boolean }): Promise<void> {
    this.#lifecycle.shuttingDown = true;
    for (const container of this.all()) {
      this.#health.stop(container);
      if (container.restartTimer !== null) clearTimeout(container.restartTimer);
    }
    if (!options.stopContainers) return;
    const running = this.all().filter((container) => container.running);
    await eachOf(running, running.length, async (container) => {
      try {
        await this.#lifecycle.stop(container, { signal: '', timeout: null });
      } catch (error) {
        if (!(error instanceof GantryError && error.code === 'not_modified')) throw error;
      }
    });
  }

  #listDeps(): ListDeps {
    return {
      context: this.#context,
      images: this.#deps.images,
      networkIds: (name) => this.#networkId(name),
      resolve: (reference) => this.#index.resolve(reference),
      names: (container) => this.#index.namesOf(container),
    };
  }

  #networkId(name: string): string {
    return this.#context.networks.find(name)?.id ?? '';
  }
}
