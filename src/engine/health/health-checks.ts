import { messageOf } from '../../api/errors.ts';
import { formatTime, nowNs } from '../../api/timestamp.ts';
import type { Container } from '../containers/container.ts';
import { DEFAULT_DETACH_KEYS } from '../containers/detach-keys.ts';
import type { EngineContext } from '../context.ts';
import type { Execs } from '../exec/execs.ts';
import { type HealthSettings, healthSettings } from './health-config.ts';
import { applyProbe, nextProbeIn } from './probe-result.ts';

/** Bytes of a probe's output that are kept. */
const OUTPUT_LIMIT = 4096;
/** Label by which a container asks to be restarted when it turns unhealthy. */
const RESTART_LABEL = 'gantry.restart-on-unhealthy';

interface Watch {
  timer: NodeJS.Timeout | null;
  readonly stop: AbortController;
}

/** Runs the health checks of running containers. */
export class HealthChecks {
  readonly #context: EngineContext;
  readonly #execs: Execs;
  readonly #restart: (container: Container) => Promise<void>;
  readonly #watches = new Map<string, Watch>();

  constructor(context: EngineContext, execs: Execs, restart: (container: Container) => Promise<void>) {
    this.#context = context;
    this.#execs = execs;
    this.#restart = restart;
  }

  /** A fresh start: health begins anew. Without a check the container has none. */
  reset(container: Container): void {
    this.stop(container);
    container.record.state.health =
      healthSettings(container.record.config) === null ? null : { status: 'starting', failingStreak: 0, log: [] };
  }

  /** Begins, or goes on after a pause or a new start of the daemon, from the state that is kept. */
  begin(container: Container): void {
    const settings = healthSettings(container.record.config);
    if (settings === null || this.#watches.has(container.id)) return;
    container.record.state.health ??= { status: 'starting', failingStreak: 0, log: [] };
    const watch: Watch = { timer: null, stop: new AbortController() };
    this.#watches.set(container.id, watch);
    this.#schedule(container, settings, watch);
  }

  /** Ends the checks; a probe that runs is killed. */
  stop(container: Container): void {
    const watch = this.#watches.get(container.id);
    if (watch === undefined) return;
    this.#watches.delete(container.id);
    if (watch.timer !== null) clearTimeout(watch.timer);
    watch.stop.abort();
  }

  #schedule(container: Container, settings: HealthSettings, watch: Watch): void {
    const { state } = container.record;
    const sinceStart = Date.now() - Date.parse(state.startedAt);
    watch.timer = setTimeout(
      () => void this.#probe(container, settings, watch),
      nextProbeIn(state.health!.status, settings, sinceStart),
    );
  }

  async #probe(container: Container, settings: HealthSettings, watch: Watch): Promise<void> {
    const start = nowNs();
    const { exitCode, output } = await this.#run(container, settings, watch);
    if (watch.stop.signal.aborted) return;
    const { state } = container.record;
    const before = state.health!;
    const result = { Start: formatTime(start), End: formatTime(nowNs()), ExitCode: exitCode, Output: output };
    const sinceStart = Number(start / 1_000_000n) - Date.parse(state.startedAt);
    const after = applyProbe(before, result, settings, sinceStart);
    state.health = after;
    container.keep('relaxed');
    this.#schedule(container, settings, watch);
    if (after.status === before.status) return;
    container.event(`health_status: ${after.status}`);
    if (after.status !== 'unhealthy' || container.record.config.Labels?.[RESTART_LABEL] !== 'true') return;
    this.#context.log.info('restarting an unhealthy container', { container: container.id });
    try {
      await this.#restart(container);
    } catch (error) {
      this.#context.log.warn('could not restart an unhealthy container', {
        container: container.id,
        error: messageOf(error),
      });
    }
  }

  async #run(
    container: Container,
    settings: HealthSettings,
    watch: Watch,
  ): Promise<{ exitCode: number; output: string }> {
    try {
      const result = await this.#execs.capture(
        container,
        {
          args: settings.args,
          env: [],
          user: '',
          workingDir: '',
          tty: false,
          privileged: false,
          attachStdin: false,
          attachStdout: true,
          attachStderr: true,
          detachKeys: DEFAULT_DETACH_KEYS,
          consoleSize: null,
        },
        { limit: OUTPUT_LIMIT, timeoutMs: settings.timeoutMs, signal: watch.stop.signal },
      );
      const output = result.truncated ? `${result.output}...` : result.output;
      if (result.exitCode !== null) return { exitCode: result.exitCode, output };
      const late = `Health check exceeded timeout (${goDuration(settings.timeoutMs)})`;
      return { exitCode: -1, output: output === '' ? late : `${late}: ${output}` };
    } catch (error) {
      return { exitCode: -1, output: messageOf(error) };
    }
  }
}

/** A duration as Go prints it ("1m30s", "500ms"): part of a message that people search for. */
function goDuration(milliseconds: number): string {
  if (milliseconds < 1000) return `${milliseconds}ms`;
  const hours = Math.floor(milliseconds / 3_600_000);
  const minutes = Math.floor(milliseconds / 60_000) % 60;
  const seconds = (milliseconds % 60_000) / 1000;
  return `${hours > 0 ? `${hours}h` : ''}${hours + minutes > 0 ? `${minutes}m` : ''}${seconds}s`;
}
