import { spawn } from 'node:child_process';
import fs from 'node:fs';
import type net from 'node:net';
import path from 'node:path';
import { GantryError } from '../api/errors.ts';
import type { Cgroups } from '../linux/cgroup.ts';
import type { ExitStatus, LogSink, Monitor, MonitorSpec, Monitors } from './contract.ts';
import { readExit, ShimMonitor } from './monitor.ts';
import { connectMonitor } from './monitor-connection.ts';
import { answerOf } from './silent-monitor.ts';

/** What a monitor on a busy host may take to answer an earlier daemon's successor. */
const SILENCE_MS = 10_000;

export interface MonitorsOptions {
  /** The gantry-shim program. */
  shim: string;
  cgroups: Cgroups;
}

/** Starts and finds the native monitors of shim/ (see shim/PROTOCOL.md). */
export class ShimMonitors implements Monitors {
  readonly #options: MonitorsOptions;

  constructor(options: MonitorsOptions) {
    this.#options = options;
  }

  /** Throws RuntimeError when the runtime cannot create the container, GantryError('system') when there is no shim. */
  async spawn(spec: MonitorSpec): Promise<Monitor> {
    // Leftovers of an earlier run of the same container would be taken for this one's.
    for (const name of ['exit', 'started', 'pid', 'runtime.log']) fs.rmSync(path.join(spec.dir, name), { force: true });
    const child = spawn(this.#options.shim, shimArguments(spec, this.#options.cgroups), {
      detached: true,
      stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
    });
    child.unref();
    const failed = new Promise<never>((_, reject) => {
      child.once('error', (error) =>
        reject(
          new GantryError('system', `cannot run the monitor ${this.#options.shim}: ${error.message}`, { cause: error }),
        ),
      );
    });
    const monitor = new ShimMonitor(
      {
        id: spec.id,
        kind: spec.kind,
        dir: spec.dir,
        commandFile: spec.kind === 'exec' ? spec.processFile : path.join(spec.bundle, 'config.json'),
      },
      child.stdio[3] as net.Socket,
    );
    await Promise.race([monitor.created, failed]);
    return monitor;
  }

  async reconnect(key: Pick<MonitorSpec, 'id' | 'kind' | 'dir'>): Promise<Monitor | null> {
    let control: net.Socket;
    try {
      control = await connectMonitor(key.dir, Buffer.from('C\0'));
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? '';
      if (['ENOENT', 'ECONNREFUSED', 'ECONNRESET', 'EPIPE'].includes(code)) return null;
      throw error;
    }
    const monitor = new ShimMonitor(key, control);
    try {
      // Of one that was killed for its silence the runtime still knows the container: the caller ends it.
      if (!(await answerOf(key.dir, monitor.reported, SILENCE_MS))) control.destroy();
      const ordered = await monitor.reported;
      if (ordered && monitor.startedAt === null) await monitor.started();
    } catch {
      return null; // gone, or its start failed, while we asked
    }
    if (monitor.startedAt !== null) return monitor;
    // Its daemon died between create and start: it undoes itself.
    await monitor.closed;
    return null;
  }

  readExit(dir: string): ExitStatus | null {
    return readExit(dir);
  }
}

function shimArguments(spec: MonitorSpec, cgroups: Cgroups): string[] {
  const args = ['--kind', spec.kind, '--dir', spec.dir, '--runtime', spec.runtime.path];
  for (const argument of spec.runtime.args) args.push('--runtime-arg', argument);
  if (spec.tty) args.push('--tty');
  if (spec.openStdin) args.push('--stdin');
  if (spec.consoleSize !== null) args.push('--size', `${spec.consoleSize.rows}x${spec.consoleSize.columns}`);
  if (spec.kind === 'exec') {
    args.push('--id', spec.containerId, '--process', spec.processFile);
    // An exec has one client, whose end of input is the command's (Engine API, ExecStart).
    if (spec.openStdin) args.push('--stdin-once');
    return args;
  }
  args.push('--id', spec.id, '--bundle', spec.bundle);
  if (spec.stdinOnce) args.push('--stdin-once');
  if (cgroups.unifiedHoldsControllers) args.push('--hide-unified');
  const memory = cgroups.directory('memory', spec.cgroupsPath);
  if (memory !== null) {
    args.push('--oom-file', path.join(memory, cgroups.mode === 'v2' ? 'memory.events' : 'memory.oom_control'));
  }
  if (spec.log !== null) args.push(...logArguments(spec.log));
  return args;
}

function logArguments(log: LogSink): string[] {
  return [
    ...['--log-format', log.format, '--log-path', log.path],
    ...['--log-max-size', String(log.maxSize), '--log-max-files', String(log.maxFiles)],
    ...(log.compress ? ['--log-compress'] : []),
    ...(log.buffer === null ? [] : ['--log-buffer', String(log.buffer)]),
    ...(log.attrs === null ? [] : ['--log-attrs', log.attrs]),
  ];
}
