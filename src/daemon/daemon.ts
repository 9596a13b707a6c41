import { mkdirSync, writeFileSync } from 'node:fs';
import { setGlobalProxyFromEnv } from 'node:http';
import { constants, hostname } from 'node:os';
import { join } from 'node:path';
import { messageOf } from '../api/errors.ts';
import { limitMallocArenas, trimMalloc } from '../linux/memory.ts';
import { sdNotify } from '../linux/sd-notify.ts';
import { unblockSignal } from '../linux/signal-mask.ts';
import { composeEngine, type Engine } from './compose.ts';
import type { DaemonConfig } from './config/daemon-config.ts';
import type { Values } from './config/options.ts';
import { ApiServer } from './http/server.ts';
import { IdleMemory } from './idle-memory.ts';
import { type Listeners, listen } from './listeners.ts';
import type { DaemonLog } from './logger.ts';
import { openApiRoutes } from './openapi/routes.ts';
import { lockDataRoot, takePidFile } from './pidfile.ts';
import { PRODUCT } from './product.ts';
import { reload } from './reload.ts';
import { tlsOptions } from './tls.ts';

/** Milliseconds that requests under way are given when the daemon stops. */
const CLOSE_GRACE = 2000;
/** Seconds beyond the stop timeout of the slowest container. */
const STOP_GRACE = 5;
/** Of the main thread, and of all others. */
const MALLOC_ARENAS = 2;
/** Signals after which the daemon no longer waits for an orderly end (dockerd's count). */
const FORCE_AFTER = 3;

/**
 * One running daemon. start() acquires in an order that run backwards is a clean stop: pid file, data root, engine, sockets. Sockets
 * come last, so that nobody is answered before everything that a crash left is in order again.
 */
export class Daemon {
  readonly #flags: Values;
  readonly #log: DaemonLog;
  #config: DaemonConfig;
  #engine: Engine | null = null;
  #server: ApiServer | null = null;
  #listeners: Listeners | null = null;
  readonly #undo: (() => void)[] = [];
  #signals = 0;
  readonly #notifySocket: string;

  constructor(flags: Values, config: DaemonConfig, log: DaemonLog) {
    this.#flags = flags;
    this.#config = config;
    this.#log = log;
    this.#notifySocket = process.env.NOTIFY_SOCKET ?? '';
    // It is this process's alone: a runtime that finds it hands it on to the container and waits for that to be ready.
    delete process.env.NOTIFY_SOCKET;
  }

  /** Resolves when the API is served. Throws Error, with everything undone, when the daemon cannot start. */
  async start(): Promise<void> {
    try {
      await this.#start();
    } catch (error) {
      await this.#release();
      throw error;
    }
  }

  async #start(): Promise<void> {
    // An arena a thread, each full of holes, holds 5 MB after an unpacked layer.
    limitMallocArenas(MALLOC_ARENAS);
    const config = this.#config;
    mkdirSync(config.string('data-root'), { recursive: true, mode: 0o710 });
    mkdirSync(config.string('exec-root'), { recursive: true, mode: 0o755 });
    if (config.string('pidfile') !== '') this.#undo.push(takePidFile(config.string('pidfile')));
    this.#undo.push(lockDataRoot(config.string('data-root')));
    const tls = tlsOptions(config);
    setGlobalProxyFromEnv({
      HTTP_PROXY: config.string('http-proxy'),
      HTTPS_PROXY: config.string('https-proxy'),
      NO_PROXY: config.string('no-proxy'),
    });
    this.#trapSignals();
    this.#engine = await composeEngine(config, this.#log);
    const { routes } = this.#engine;
    const idle = new IdleMemory({ resident: () => process.memoryUsage.rss(), release: releaseMemory });
    this.#undo.push(() => idle.close());
    const server = new ApiServer({
      routes: [...routes, ...openApiRoutes(routes, PRODUCT.version)],
      log: this.#log,
      version: PRODUCT.version,
      onActivity: idle.touch,
    });
    this.#server = server;
    this.#listeners = await listen({
      config,
      tls,
      log: this.#log,
      createServer: (options) => server.createServer(options),
    });
    this.#log.info('Daemon has completed initialization');
    this.#notify(`READY=1\nSTATUS=Listening on ${this.#listeners.addresses.join(', ')}`);
  }

  #trapSignals(): void {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => this.#onStopSignal(signal));
    process.on('SIGQUIT', () => {
      process.stderr.write(`SIGQUIT: quit\n${describeProcess()}\n`);
      process.exit(2);
    });
    process.on('SIGUSR1', () => this.#dumpState());
    unblockSignal(constants.signals.SIGUSR1);
    process.on('SIGHUP', () => this.#onReload());
    // What is left of a request whose promise nobody waits for concerns that request alone; the state store is transactional.
    process.on('unhandledRejection', (error) => this.#log.error(`Unhandled rejection: ${stackOf(error)}`));
    process.on('uncaughtException', (error) => this.#log.error(`Uncaught exception: ${stackOf(error)}`));
  }

  #onStopSignal(signal: string): void {
    this.#signals++;
    if (this.#signals >= FORCE_AFTER) {
      this.#log.warn(`Forcing shutdown without cleanup: ${this.#signals} interrupts received`);
      process.exit(128 + (signal === 'SIGINT' ? 2 : 15));
    }
    if (this.#signals > 1) return;
    this.#log.info(`Processing signal '${signal === 'SIGINT' ? 'interrupt' : 'terminated'}'`);
    void this.stop().then(() => process.exit(0));
  }

  /** What dockerd does with its goroutines' stacks: here what the one thread does, and which handles it waits for. */
  #dumpState(): void {
    const time = new Date().toISOString().replace(/[:.]/g, '');
    const path = join(this.#config.string('exec-root'), `process-report-${time}.json`);
    try {
      writeFileSync(path, describeProcess(), { mode: 0o600 });
      this.#log.info(`Process report written to ${path}`);
    } catch (error) {
      this.#log.error(`cannot write a process report: ${messageOf(error)}`);
    }
  }

  #onReload(): void {
    if (this.#engine === null) return;
    this.#log.info('Got signal to reload configuration');
    try {
      this.#config = reload(this.#flags, this.#config, this.#engine.context, this.#log);
    } catch (error) {
      this.#log.error(messageOf(error));
    }
  }

  /** Ends the API and lets everything go; containers run on unless the configuration says otherwise. Never throws. */
  async stop(): Promise<void> {
    this.#notify('STOPPING=1');
    // Orderly, but not for ever: an operation that hangs must not keep the host from going down.
    const seconds = this.#shutdownSeconds();
    if (seconds !== null) {
      setTimeout(
        () => {
          this.#log.error('Force shutdown daemon');
          process.exit(1);
        },
        seconds * 1000 + CLOSE_GRACE,
      ).unref();
    }
    await this.#release();
    this.#log.info('Daemon shutdown complete', { host: hostname() });
  }

  /** The configured time, longer when a container that is to be stopped may take longer (dockerd's rule); null: no limit. */
  #shutdownSeconds(): number | null {
    const configured = this.#config.number('shutdown-timeout');
    if (configured < 0) return null;
    if (!this.#config.bool('stop-containers-on-shutdown')) return configured;
    const needed = this.#engine === null ? 0 : this.#engine.longestStop();
    return needed === null ? null : Math.max(configured, needed + STOP_GRACE);
  }

  async #release(): Promise<void> {
    const attempt = async (what: string, step: () => void | Promise<void>) => {
      try {
        await step();
      } catch (error) {
        this.#log.error(`${what}: ${messageOf(error)}`);
      }
    };
    await attempt('closing the API', async () => this.#server?.close(CLOSE_GRACE));
    await attempt('removing sockets', () => this.#listeners?.remove());
    await attempt('closing the engine', async () => this.#engine?.close());
    for (const step of this.#undo.reverse()) await attempt('releasing', step);
  }

  #notify(state: string): void {
    if (this.#notifySocket === '') return;
    try {
      sdNotify(this.#notifySocket, state);
    } catch (error) {
      this.#log.warn(`cannot notify the service manager: ${messageOf(error)}`);
    }
  }
}

/** bin/gantryd exposes the collector; a daemon that runs without it keeps what V8 keeps. */
function releaseMemory(): void {
  // The one flavour in which V8 gives its pool of emptied pages back as well.
  globalThis.gc?.({ type: 'major', execution: 'sync', flavor: 'last-resort' });
  trimMalloc();
}

/** Node's diagnostic report as JSON: stack, heap, event loop handles; not the environment, which may hold secrets. */
function describeProcess(): string {
  // Node's own excludeEnv leaves it in the parts about workers.
  return JSON.stringify(
    process.report.getReport(),
    (key, value) => (key === 'environmentVariables' ? undefined : value),
    1,
  );
}

function stackOf(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
