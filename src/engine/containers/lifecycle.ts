import { GantryError, messageOf } from '../../api/errors.ts';
import { formatTime, nowNs } from '../../api/timestamp.ts';
import { processStartTime, signalProcess } from '../../linux/pidfd.ts';
import type { ExitStatus, Monitor } from '../../runtime/contract.ts';
import type { EngineContext } from '../context.ts';
import { shouldRestart } from '../restart/restart-policy.ts';
import type { Container } from './container.ts';
import type { ContainerCgroups, StopOptions } from './contract.ts';
import { isRestarting, notRunning } from './errors.ts';
import { startFailure } from './exit-codes.ts';
import type { Launcher } from './launcher.ts';
import { parseSignal, SIGKILL, SIGTERM, stopsForGood } from './signals.ts';
import { move } from './state-machine.ts';

/** Seconds between stop signal and SIGKILL when the container names none. */
const DEFAULT_STOP_TIMEOUT = 10;
/** How long the kernel may take to end a killed process before the user is told. */
const KILL_PATIENCE_MS = 10_000;

/** What a life cycle needs of the launcher. */
export type ProcessLauncher = Pick<Launcher, 'create' | 'release' | 'forget' | 'undo'>;

export interface LifecycleHooks {
  /** A new run is about to begin: health begins anew. */
  starting(container: Container): void;
  /** The container runs, after a start or a pause: health checks go on. */
  started(container: Container): void;
  /** Health checks wait. */
  paused(container: Container): void;
  /** Its process has ended: health checks and execs end. */
  exited(container: Container): void;
  /** --rm: the container has run once and is to go. */
  autoRemove(container: Container): Promise<void>;
}

/** Start, stop, kill, restart and what follows an exit. */
export class Lifecycle {
  /** The daemon goes down and takes the containers with it: no policy starts them again. */
  shuttingDown = false;
  readonly #context: EngineContext;
  readonly #launcher: ProcessLauncher;
  readonly #cgroups: ContainerCgroups;
  readonly #hooks: LifecycleHooks;

  constructor(context: EngineContext, launcher: ProcessLauncher, cgroups: ContainerCgroups, hooks: LifecycleHooks) {
    this.#context = context;
    this.#launcher = launcher;
    this.#cgroups = cgroups;
    this.#hooks = hooks;
  }

  /** Throws not_modified when it runs, conflict when it is paused or being removed, Docker's errors of a failed start. */
  async start(container: Container): Promise<void> {
    await container.lock.run(async () => {
      // Of a container that runs it settles with its exit.
      if (!container.running) await container.settled;
      const { status } = container.record.state;
      if (status === 'paused') {
        throw new GantryError('conflict', 'cannot start a paused container, try unpause instead');
      }
      if (status === 'running') throw new GantryError('not_modified', 'Container is already started');
      if (status === 'removing' || status === 'dead' || container.removing) {
        throw new GantryError('conflict', 'container is marked for removal and cannot be started');
      }
      this.#cancelRestart(container);
      container.record.stoppedByUser = false;
      container.record.restartCount = 0;
      container.backOff.reset();
      await this.#launch(container);
    });
  }

  /** Throws not_modified when it does not run. */
  async stop(container: Container, options: StopOptions): Promise<void> {
    const signal = options.signal === '' ? stopSignalOf(container) : parseSignal(options.signal);
    const timeout = options.timeout ?? stopTimeoutOf(container);
    const running = await container.lock.run(async () => {
      if (container.record.state.status === 'restarting') {
        this.#endRestarting(container);
        container.event('stop');
        return false;
      }
      if (!container.running) throw new GantryError('not_modified', 'Container is already stopped');
      this.#markStopped(container);
      this.#send(container, signal);
      await this.#thaw(container);
      return true;
    });
    if (!running) return;
    // The lock is free meanwhile: a kill must reach a container that does not heed its stop signal.
    if (!(await endsWithin(container, timeout < 0 ? null : timeout * 1000)) && container.running) {
      this.#context.log.info('container did not stop in time, killing it', { container: container.id, timeout });
      this.#send(container, SIGKILL);
      await killed(container);
    }
    await container.settled;
    container.event('stop');
  }

  /** Stops (if it runs) and starts; --rm does not act in between. */
  async restart(container: Container, options: StopOptions): Promise<void> {
    const { status } = container.record.state;
    if (status === 'removing' || status === 'dead') {
      throw new GantryError('conflict', 'container is marked for removal and cannot be started');
    }
    container.restarting = true;
    try {
      await ignoreNotModified(this.stop(container, options));
      await ignoreNotModified(this.start(container));
    } finally {
      container.restarting = false;
    }
    container.event('restart');
  }

  /** Sends a signal to a running container. Throws conflict when it does not run. SIGKILL returns when the process has ended. */
  async kill(container: Container, signalText: string): Promise<void> {
    const signal = signalText === '' ? SIGKILL : parseSignal(signalText);
    await container.lock.run(async () => {
      if (container.record.state.status === 'restarting') {
        this.#endRestarting(container);
        return;
      }
      if (!container.running) throw notRunning(container.id);
      const forGood = stopsForGood(signal, stopSignalOf(container));
      if (forGood) this.#markStopped(container);
      this.#send(container, signal);
      if (forGood) await this.#thaw(container);
    });
    if (signal === SIGKILL) {
      await killed(container);
      await container.settled;
    }
  }

  /** Kills what runs and waits until all of it is gone. The caller holds the lock. */
  async killForRemoval(container: Container): Promise<void> {
    if (container.record.state.status === 'restarting') this.#endRestarting(container);
    if (container.running) {
      this.#markStopped(container);
      this.#send(container, SIGKILL);
      await this.#thaw(container);
      await killed(container);
    }
    await container.settled;
  }

  /** Stops all processes of a running container. Throws conflict when it does not run or is paused. */
  async pause(container: Container): Promise<void> {
    await container.lock.run(async () => {
      const { state } = container.record;
      if (state.status === 'paused') {
        throw new GantryError('conflict', `Container ${container.id} is already paused`);
      }
      if (state.status === 'restarting') throw isRestarting(container.id);
      if (state.status !== 'running') throw notRunning(container.id);
      await this.#cgroups.freeze(container.cgroupsPath);
      // It may have ended meanwhile.
      if (!container.running) throw notRunning(container.id);
      move(state, 'paused');
      container.keep('relaxed');
      container.event('pause');
      this.#hooks.paused(container);
    });
  }

  /** Throws system when it is not paused (dockerd's code for it). */
  async unpause(container: Container): Promise<void> {
    await container.lock.run(async () => {
      if (container.record.state.status !== 'paused') {
        throw new GantryError('system', `Container ${container.id} is not paused`);
      }
      await this.#thaw(container);
    });
  }

  /** Starts a container again at daemon start, or after its policy's delay; a failure is kept in its state and logged. */
  async startByPolicy(container: Container): Promise<void> {
    await container.lock.run(async () => {
      if (!container.running) await container.settled;
      const { status } = container.record.state;
      if (container.removing || this.shuttingDown || !['restarting', 'exited', 'created'].includes(status)) return;
      try {
        await this.#launch(container);
      } catch (error) {
        this.#context.log.warn('a restart policy could not start a container', {
          container: container.id,
          error: messageOf(error),
        });
      }
    });
  }

  /** Follows a process that runs: its exit changes the state, whoever started it. */
  watch(container: Container, monitor: Monitor): void {
    container.monitor = monitor;
    let told = false;
    monitor.onOom(() => {
      told = true;
      container.event('oom');
    });
    container.settled = monitor.exited.then((status) => {
      // The kill came while nobody watched.
      if (status.oomKilled && !told) container.event('oom');
      return this.exited(container, status, monitor.closed);
    });
    // `settled` is awaited by those who care; a failure in between must not end the daemon.
    container.settled.catch((error: unknown) => {
      this.#context.log.error('handling the exit of a container', { container: container.id, error: messageOf(error) });
    });
  }

  /** The process ended while no daemon was there. Restart policies are the caller's affair. */
  async endedMeanwhile(container: Container, status: ExitStatus): Promise<void> {
    this.#recordExit(container, status, false);
    await this.#launcher.release(container);
    container.keep('relaxed');
  }

  /** All that follows the end of a container's process. `closed`: the runtime has forgotten it. */
  async exited(container: Container, status: ExitStatus, closed: Promise<void>): Promise<void> {
    const { record } = container;
    const again =
      !container.restarting &&
      !container.removing &&
      !this.shuttingDown &&
      shouldRestart(record.hostConfig.RestartPolicy, {
        exitCode: status.code,
        stoppedByUser: record.stoppedByUser,
        restartCount: record.restartCount,
      });
    const ranForMs = this.#recordExit(container, status, again);
    await closed;
    // A monitor that was killed leaves no exit file, and the runtime still knows the container.
    if (this.#context.monitors.readExit(container.runDirectory) === null) await this.#launcher.forget(container);
    await this.#launcher.release(container);
    container.keep('relaxed');
    if (again) this.#scheduleRestart(container, ranForMs);
    else if (record.hostConfig.AutoRemove === true && !container.restarting && !container.removing) {
      // Not awaited: the removal waits for this very function to settle.
      void this.#hooks.autoRemove(container);
    }
  }

  /** State, events and waiters of an exit. Returns how long the process ran, ms. */
  #recordExit(container: Container, status: ExitStatus, again: boolean): number {
    const { record } = container;
    const { state } = record;
    const ranForMs = Number(status.finishedAt / 1_000_000n) - Date.parse(state.startedAt);
    state.exitCode = status.code;
    state.oomKilled = status.oomKilled;
    state.finishedAt = formatTime(status.finishedAt);
    state.pid = 0;
    state.pidStartTime = '';
    move(state, again ? 'restarting' : 'exited');
    if (again) record.restartCount++;
    this.#hooks.exited(container);
    // A later start-up finds the exit file when this write is lost with the power.
    container.keep('relaxed');
    container.event('die', {
      execDuration: String(Math.max(0, Math.floor(ranForMs / 1000))),
      exitCode: String(status.code),
    });
    container.waiters.exited({ statusCode: status.code, error: null });
    return ranForMs;
  }

  async #launch(container: Container): Promise<void> {
    const { record } = container;
    const { state } = record;
    try {
      const monitor = await this.#launcher.create(container);
      // From here on a daemon that is killed leaves a process: the next one must know its network.
      container.keep('relaxed');
      try {
        await monitor.start();
      } catch (error) {
        await monitor.closed;
        await this.#launcher.undo(container, error);
        throw error;
      }
      state.pid = monitor.pid;
      state.pidStartTime = processStartTime(monitor.pid) ?? '';
      state.startedAt = formatTime(monitor.startedAt ?? nowNs());
      state.exitCode = 0;
      state.error = '';
      state.oomKilled = false;
      this.#hooks.starting(container);
      move(state, 'running');
      container.keep('relaxed');
      container.event('start');
      this.#hooks.started(container);
      this.watch(container, monitor);
    } catch (cause) {
      const failure = startFailure(cause, 128);
      state.exitCode = failure.exitCode;
      state.error = failure.error.message;
      if (state.status === 'restarting') {
        move(state, 'exited');
        container.waiters.stopped({ statusCode: failure.exitCode, error: state.error });
      }
      container.keep('relaxed');
      container.cancelAttaches();
      // The removal takes the lock that this start holds.
      if (record.hostConfig.AutoRemove === true) void this.#hooks.autoRemove(container);
      throw failure.error;
    }
  }

  #scheduleRestart(container: Container, ranForMs: number): void {
    if (container.record.state.status !== 'restarting') return;
    container.restartTimer = setTimeout(() => {
      container.restartTimer = null;
      void this.startByPolicy(container);
    }, container.backOff.next(ranForMs));
  }

  #cancelRestart(container: Container): void {
    if (container.restartTimer !== null) clearTimeout(container.restartTimer);
    container.restartTimer = null;
  }

  /** A container between two runs is stopped by not starting it again. */
  #endRestarting(container: Container): void {
    this.#cancelRestart(container);
    const { state } = container.record;
    container.record.stoppedByUser = true;
    move(state, 'exited');
    container.keep('durable');
    container.waiters.stopped({ statusCode: state.exitCode, error: null });
    if (container.record.hostConfig.AutoRemove === true && !container.removing && !container.restarting) {
      void this.#hooks.autoRemove(container);
    }
  }

  /** Durable: after a power cut the policy must not start what the user was told is stopped. */
  #markStopped(container: Container): void {
    if (container.record.stoppedByUser || this.shuttingDown || container.restarting) return;
    container.record.stoppedByUser = true;
    container.keep(container.record.hostConfig.RestartPolicy?.Name === 'no' ? 'relaxed' : 'durable');
  }

  /** Lets a paused container run on, so that a signal reaches it; nothing for others. */
  async #thaw(container: Container): Promise<void> {
    if (container.record.state.status !== 'paused') return;
    await this.#cgroups.thaw(container.cgroupsPath);
    if (container.record.state.status !== 'paused') return;
    move(container.record.state, 'running');
    container.keep('relaxed');
    container.event('unpause');
    this.#hooks.started(container);
  }

  #send(container: Container, signal: number): void {
    const { pid, pidStartTime } = container.record.state;
    // False when it has gone already: its exit is on the way.
    signalProcess(pid, pidStartTime, signal);
    container.event('kill', { signal: String(signal) });
  }
}

function stopSignalOf(container: Container): number {
  const own = container.record.config.StopSignal;
  return own === undefined || own === null || own === '' ? SIGTERM : parseSignal(own);
}

/** Seconds between the stop signal and SIGKILL; negative for no limit. */
export function stopTimeoutOf(container: Container): number {
  return container.record.config.StopTimeout ?? DEFAULT_STOP_TIMEOUT;
}

/** Waits for the end of a killed process. Throws system when it sits in the kernel and does not end. */
async function killed(container: Container): Promise<void> {
  if (await endsWithin(container, KILL_PATIENCE_MS)) return;
  if (await container.monitor?.rescue()) return;
  throw new GantryError('system', 'tried to kill container, but did not receive an exit event');
}

/** False when the container's process outlives `milliseconds`; null waits without end. */
async function endsWithin(container: Container, milliseconds: number | null): Promise<boolean> {
  const { monitor } = container;
  if (monitor === null) return true;
  const exited = monitor.exited.then(() => true);
  if (milliseconds === null) return exited;
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(() => resolve(false), milliseconds);
  });
  try {
    return await Promise.race([exited, late]);
  } finally {
    clearTimeout(timer);
  }
}

async function ignoreNotModified(work: Promise<void>): Promise<void> {
  try {
    await work;
  } catch (error) {
    if (!(error instanceof GantryError && error.code === 'not_modified')) throw error;
  }
}
