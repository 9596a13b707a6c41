import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { GantryError, messageOf } from '../../api/errors.ts';
import type { Monitor } from '../../runtime/contract.ts';
import type { HostFacts } from '../../runtime/spec/host-facts.ts';
import { buildProcess } from '../../runtime/spec/process.ts';
import { stringifySpec } from '../../runtime/spec/spec.ts';
import type { OciSpec } from '../../runtime/spec/types.ts';
import { lookupUser } from '../../runtime/spec/user.ts';
import { bridge, closeClient } from '../containers/bridge.ts';
import type { Container } from '../containers/container.ts';
import type { ContainerCgroups } from '../containers/contract.ts';
import { isPaused, isRestarting, notRunning } from '../containers/errors.ts';
import { startFailure } from '../containers/exit-codes.ts';
import { Framer, frame, STDOUT, Unframer } from '../containers/frames.ts';
import type { EngineContext } from '../context.ts';
import { Exec, type ExecConfig } from './exec.ts';
import { ExecRegistry } from './exec-registry.ts';

export interface ExecsDeps {
  runtimeOf(container: Container): import('../../runtime/contract.ts').RuntimeBinary;
  hostFacts: HostFacts;
  cgroups: Pick<ContainerCgroups, 'warm'>;
  /** Variables of the containers that are linked. */
  linkEnvironment(container: Container): string[];
}

export interface ExecStartOptions {
  /** Whether the client expects a terminal's raw output; the exec's own setting decides what the process gets. */
  tty: boolean;
  consoleSize: { rows: number; columns: number } | null;
  /** Takes the client's connection over; null to start detached. */
  open: (() => Duplex) | null;
}

/** Commands run in containers that run already (Engine API, tag "Exec"). */
export class Execs {
  readonly #context: EngineContext;
  readonly #deps: ExecsDeps;
  readonly #execs = new ExecRegistry();

  constructor(context: EngineContext, deps: ExecsDeps) {
    this.#context = context;
    this.#deps = deps;
  }

  /** Throws not_found `No such exec instance: x`. */
  get(id: string): Exec {
    const exec = this.#execs.get(id);
    if (exec === undefined) throw new GantryError('not_found', `No such exec instance: ${id}`);
    return exec;
  }

  /**
   * `reference`: what the client calls the container. Throws conflict when the container does not run, invalid_parameter without a
   * command.
   */
  create(container: Container, config: ExecConfig, reference = container.id): Exec {
    checkRunning(container, reference);
    if (config.args.length === 0 || config.args[0] === '') {
      throw new GantryError('invalid_parameter', 'No exec command specified');
    }
    this.#deps.cgroups.warm();
    const exec = new Exec(randomBytes(32).toString('hex'), container, config);
    this.#execs.add(exec);
    container.execIds.add(exec.id);
    container.event(`exec_create: ${exec.commandText}`, { execID: exec.id });
    return exec;
  }

  /**
   * Runs the command. With a client: resolves when it is served, and a command that cannot start is told in the stream, as Docker
   * does; without: resolves when the command runs, throws when it cannot. Throws conflict when it has run or the container does not.
   */
  async start(exec: Exec, options: ExecStartOptions): Promise<void> {
    if (exec.status === 'exited') {
      throw new GantryError('conflict', `Error: Exec command ${exec.id} has already run`);
    }
    if (exec.status === 'running') {
      throw new GantryError('conflict', `Error: Exec command ${exec.id} is already running`);
    }
    checkRunning(exec.container, exec.container.id);
    exec.status = 'running';
    if (options.consoleSize !== null) exec.config.consoleSize = options.consoleSize;
    if (options.open === null) {
      const monitor = await this.#spawn(exec);
      await this.#run(exec, monitor);
      return;
    }
    const client = options.open();
    client.on('error', () => {});
    try {
      const monitor = await this.#spawn(exec);
      const stream = await this.#attached(exec, monitor);
      const { recorded } = await this.#run(exec, monitor);
      const detached = await bridge(client, stream, {
        stdin: exec.config.attachStdin,
        endOfInput: exec.config.tty ? 'ignore' : 'forward',
        detachKeys: exec.config.tty && exec.config.attachStdin ? exec.config.detachKeys : null,
        // Clients ask for the exit code as soon as they see the end of the output.
        ended: recorded,
        ...transformOf(exec, options.tty),
      });
      if (detached) exec.container.event('exec_detach', { execID: exec.id });
    } catch (error) {
      const text = Buffer.from(`${messageOf(error)}\r\n`);
      client.write(options.tty ? text : frame(STDOUT, text));
      closeClient(client);
    }
  }

  /**
   * Runs a command for the engine itself and waits for its end: its output, both streams in order, cut at `limit` bytes. After
   * `timeoutMs` it is killed and the exit code is null.
   */
  async capture(
    container: Container,
    config: ExecConfig,
    options: { limit: number; timeoutMs: number; signal: AbortSignal },
  ): Promise<{ exitCode: number | null; output: string; truncated: boolean }> {
    const exec = this.create(container, config);
    exec.status = 'running';
    const monitor = await this.#spawn(exec);
    const stream = await this.#attached(exec, monitor);
    const chunks: Buffer[] = [];
    let length = 0;
    let truncated = false;
    const output = stream.pipe(new Unframer());
    output.on('data', (chunk: Buffer) => {
      const room = options.limit - length;
      if (chunk.length > room) truncated = true;
      if (room > 0) {
        chunks.push(chunk.subarray(0, room));
        length += Math.min(room, chunk.length);
      }
    });
    const drained = new Promise<void>((resolve) => output.once('end', resolve).once('close', resolve));
    stream.once('error', () => output.end()).once('close', () => output.end());
    let killed = false;
    const kill = () => {
      killed = true;
      signalProcess(monitor.pid, 9);
    };
    await this.#run(exec, monitor);
    const timer = setTimeout(kill, options.timeoutMs);
    options.signal.addEventListener('abort', kill, { once: true });
    try {
      const status = await monitor.exited;
      // A child of a killed probe may hold the pipes open for ever.
      if (killed) stream.destroy();
      await drained;
      const text = Buffer.concat(chunks).toString('utf8');
      return { exitCode: killed ? null : status.code, output: text, truncated };
    } finally {
      clearTimeout(timer);
      options.signal.removeEventListener('abort', kill);
    }
  }

  /** Throws conflict when it does not run. */
  async resize(exec: Exec, rows: number, columns: number): Promise<void> {
    if (exec.status !== 'running') throw new GantryError('conflict', `exec ${exec.id} is not running`);
    // Between the start request and the process there is no terminal yet: it is made in this size.
    if (exec.monitor === null) exec.config.consoleSize = { rows, columns };
    else await exec.monitor.resize(rows, columns);
  }

  /** The API's view; field order as dockerd's. */
  inspect(exec: Exec): Record<string, unknown> {
    const { config } = exec;
    const [entrypoint = '', ...args] = config.args;
    return {
      ID: exec.id,
      Running: exec.status === 'running',
      ExitCode: exec.exitCode,
      ProcessConfig: {
        tty: config.tty,
        entrypoint,
        arguments: args,
        privileged: config.privileged,
        ...(config.user === '' ? {} : { user: config.user }),
      },
      OpenStdin: config.attachStdin,
      OpenStderr: config.attachStderr,
      OpenStdout: config.attachStdout,
      CanRemove: exec.status === 'exited',
      ContainerID: exec.container.id,
      DetachKeys: config.detachKeys.toString('base64'),
      Pid: exec.pid,
    };
  }

  /** Execs that were created and never started end with their container's process. */
  dropUnstarted(container: Container): void {
    for (const id of container.execIds) {
      if (this.#execs.get(id)?.status !== 'created') continue;
      this.#execs.remove(id);
      container.execIds.delete(id);
    }
  }

  /** Forgets all execs of a container that is removed. */
  forget(container: Container): void {
    this.#execs.removeAllOf(container);
    container.execIds.clear();
  }

  async #spawn(exec: Exec): Promise<Monitor> {
    const { container, config } = exec;
    const dir = this.#directory(exec.id);
    const asked = config.consoleSize;
    try {
      const spec = JSON.parse(readFileSync(join(container.runDirectory, 'config.json'), 'utf8')) as OciSpec;
      const { hostConfig } = container.record;
      const processFile = join(dir, 'process.json');
      mkdirSync(dir, { recursive: true, mode: 0o700 });
      const process = buildProcess({
        container: spec.process,
        containerEnv: [...this.#deps.linkEnvironment(container), ...(container.record.config.Env ?? [])],
        hostname: container.record.config.Hostname ?? '',
        args: config.args,
        env: config.env,
        workingDir: config.workingDir,
        tty: config.tty,
        privileged: config.privileged,
        user: config.user === '' ? null : lookupUser(spec.root.path, config.user, hostConfig.GroupAdd ?? []),
        consoleSize: config.consoleSize,
        available: this.#deps.hostFacts.capabilities,
      });
      writeFileSync(processFile, stringifySpec(process), { mode: 0o600 });
      exec.monitor = await this.#context.monitors.spawn({
        kind: 'exec',
        id: exec.id,
        containerId: container.id,
        runtime: this.#deps.runtimeOf(container),
        dir,
        processFile,
        tty: config.tty,
        openStdin: config.attachStdin,
        consoleSize: config.consoleSize,
      });
      // A client that asked while the process was being made has its size before the process runs.
      const size = config.consoleSize;
      if (size !== null && size !== asked) await exec.monitor.resize(size.rows, size.columns);
      return exec.monitor;
    } catch (error) {
      throw this.#failed(exec, error);
    }
  }

  /** The streams of a created process; when there are none it is not started at all. */
  async #attached(exec: Exec, monitor: Monitor): Promise<Duplex> {
    const { attachStdin, attachStdout, attachStderr } = exec.config;
    try {
      return await monitor.attach({ stdin: attachStdin, stdout: attachStdout, stderr: attachStderr });
    } catch (error) {
      await monitor.abandon();
      throw this.#failed(exec, error);
    }
  }

  /** Runs the command. What it returns settles when the exit is recorded; it is wrapped, as awaiting #run() must not await the exit. */
  async #run(exec: Exec, monitor: Monitor): Promise<{ recorded: Promise<void> }> {
    try {
      await monitor.start();
    } catch (error) {
      throw this.#failed(exec, error);
    }
    exec.pid = monitor.pid;
    exec.container.event(`exec_start: ${exec.commandText}`, { execID: exec.id });
    const recorded = monitor.exited.then((status) => {
      this.#ended(exec, status.code);
      exec.container.event('exec_die', { execID: exec.id, exitCode: String(status.code) });
    });
    void Promise.all([recorded, monitor.closed]).then(() =>
      rmSync(this.#directory(exec.id), { recursive: true, force: true }),
    );
    return { recorded };
  }

  /** Ends an exec whose command never ran. */
  #failed(exec: Exec, cause: unknown): GantryError {
    const failure = startFailure(cause, 126);
    this.#ended(exec, failure.exitCode);
    rmSync(this.#directory(exec.id), { recursive: true, force: true });
    return failure.error;
  }

  #ended(exec: Exec, exitCode: number): void {
    exec.status = 'exited';
    exec.exitCode = exitCode;
    exec.monitor = null;
    exec.container.execIds.delete(exec.id);
    this.#execs.ended(exec);
  }

  #directory(id: string): string {
    return join(this.#context.settings.execRoot, 'execs', id);
  }
}

function checkRunning(container: Container, reference: string): void {
  const { status } = container.record.state;
  if (status === 'paused') throw isPaused(reference);
  if (status === 'restarting') throw isRestarting(container.id);
  if (status !== 'running') throw notRunning(container.id);
}

/** Docker frames by what the start request says of a terminal, whatever the exec was created with. */
function transformOf(exec: Exec, clientTty: boolean): { transform?: Duplex } {
  if (clientTty === exec.config.tty) return {};
  return { transform: clientTty ? new Unframer() : new Framer(STDOUT) };
}

function signalProcess(pid: number, signal: number): void {
  try {
    process.kill(pid, signal);
  } catch (error) {
    if ((error as { code?: string }).code !== 'ESRCH') throw error;
  }
}
