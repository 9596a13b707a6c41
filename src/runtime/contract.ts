/**
 * A monitor is a small native process (shim/) that owns one container's or one exec's process: its pty or pipes, its log file,
 * its attach clients, its exit status. It outlives the daemon; the daemon talks to it over a unix socket and can find it again.
 *
 * Life cycle: spawn() -> created (process exists, has not run) -> attach clients may connect -> start() -> running ->
 * exited (output drained, log complete, exit file written) -> closed (runtime state deleted, monitor gone).
 */
import type { Duplex } from 'node:stream';
import type { OciResources } from './spec/types.ts';

export interface RuntimeBinary {
  /** Name users know it by ("crun", "runc", or of --add-runtime). */
  name: string;
  path: string;
  args: string[];
}

export interface LogSink {
  format: 'json-file' | 'local';
  path: string;
  /** Bytes; -1 for no bound. */
  maxSize: number;
  maxFiles: number;
  /** gzip rotated files. */
  compress: boolean;
  /** Ready JSON object text put into each json-file line as "attrs", or null. */
  attrs: string | null;
  /** Bytes kept in memory for a disk that does not keep up, beyond which lines are dropped; null: the process waits for the disk. */
  buffer: number | null;
}

export interface ContainerMonitorSpec {
  kind: 'container';
  id: string;
  runtime: RuntimeBinary;
  /** Directory with config.json. */
  bundle: string;
  /** Directory of this monitor's socket, exit file and pid file; made by the caller, on a tmpfs. */
  dir: string;
  tty: boolean;
  /** Keep the process's stdin open for attach clients; otherwise it is /dev/null. */
  openStdin: boolean;
  /** Close stdin when the first attached client leaves (StdinOnce). */
  stdinOnce: boolean;
  consoleSize: { rows: number; columns: number } | null;
  log: LogSink | null;
  /** Cgroup path as in the spec's linux.cgroupsPath: the monitor reads the OOM counters there at exit. */
  cgroupsPath: string;
}

export interface ExecMonitorSpec {
  kind: 'exec';
  /** Exec ID. */
  id: string;
  containerId: string;
  runtime: RuntimeBinary;
  dir: string;
  /** File with the OCI process object. */
  processFile: string;
  tty: boolean;
  openStdin: boolean;
  consoleSize: { rows: number; columns: number } | null;
}

export type MonitorSpec = ContainerMonitorSpec | ExecMonitorSpec;

export interface ExitStatus {
  /** 0-255; 128+n after signal n. */
  code: number;
  signal: number | null;
  oomKilled: boolean;
  /** Nanoseconds since the epoch. */
  finishedAt: bigint;
}

export interface AttachOptions {
  stdin: boolean;
  stdout: boolean;
  stderr: boolean;
}

export interface Monitor {
  readonly id: string;
  /** Of the container's init (or the exec'd process), in the daemon's pid namespace. */
  readonly pid: number;
  readonly monitorPid: number;
  /** Nanoseconds since the epoch at which start() succeeded; for a monitor found again, read from it. */
  startedAt: bigint | null;
  /**
   * Runs the created process. Rejects with a RuntimeError that carries Docker's exit code (125, 126, 127) and message;
   * the monitor is then gone. An exec's process is started here as well.
   */
  start(): Promise<void>;
  /**
   * A stream whose read side gives the output as Docker's clients want it (8-byte headers, or raw for a tty) and whose write side is stdin; end() is EOF on stdin.
   * Reads end when the process's output has ended.
   */
  attach(options: AttachOptions): Promise<Duplex>;
  /** The same, and the place in the log from which the stream goes on: what is before it there and the stream make up the whole output. */
  attachAtMark(options: AttachOptions): Promise<{ stream: Duplex; mark: LogMark }>;
  resize(rows: number, columns: number): Promise<void>;
  /** Undoes a spawn() that is not to be started after all; resolves when nothing is left of it. */
  abandon(): Promise<void>;
  /**
   * To be called when the process was killed and no exit came: if it is a monitor that does not answer, it is continued or, in the end,
   * killed, and `exited` fires. False when it is the process that has not ended.
   */
  rescue(): Promise<boolean>;
  /** Calls back whenever the kernel kills for want of memory in the container's cgroup. */
  onOom(listener: () => void): void;
  /** Output drained, log complete, exit file written. Never rejects. */
  readonly exited: Promise<ExitStatus>;
  /** Fires with `exited`. For those who may leave before: a promise keeps every callback until it settles. */
  readonly ended: AbortSignal;
  /** The runtime has forgotten the process as well: its directory may go and its name be used again. Never rejects. */
  readonly closed: Promise<void>;
}

/** A place in a container's log. */
export interface LogMark {
  /** Of the file; 0 when the place is not known. */
  inode: bigint;
  /** Bytes of that file. */
  offset: number;
  /** Nanoseconds since the epoch: when the log was there. */
  timeNs: bigint;
}

export interface Monitors {
  spawn(spec: MonitorSpec): Promise<Monitor>;
  /** Finds a monitor that an earlier daemon started; null when it is gone (then see readExit). */
  reconnect(spec: Pick<MonitorSpec, 'id' | 'kind' | 'dir'>): Promise<Monitor | null>;
  /** Exit status left by a monitor that has gone; null when it left none. */
  readExit(dir: string): ExitStatus | null;
}

export interface OciState {
  status: 'creating' | 'created' | 'running' | 'paused' | 'stopped';
  pid: number;
}

/** Calls of an OCI runtime that need no monitor. One per configured runtime; one test suite for all. */
export interface OciRuntime {
  readonly binary: RuntimeBinary;
  version(): Promise<{ version: string; commit: string }>;
  /** null when the runtime does not know the container. */
  state(id: string): Promise<OciState | null>;
  /** Deletes the runtime's state, cgroup included. Never throws for what is gone. */
  delete(id: string, force: boolean): Promise<void>;
  /** `resources`: the OCI linux.resources object with what changes. */
  update(id: string, resources: OciResources): Promise<void>;
}
