import fs from 'node:fs';
import type net from 'node:net';
import path from 'node:path';
import type { Duplex } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { GantryError } from '../api/errors.ts';
import { nowNs } from '../api/timestamp.ts';
import { processStartTime, signalProcess } from '../linux/pidfd.ts';
import type { AttachOptions, ExitStatus, LogMark, Monitor, MonitorSpec } from './contract.ts';
import { connectMonitor, encodeFrame, type Frame, FrameReader, readExactly } from './monitor-connection.ts';
import { lastRuntimeError, RuntimeError, type RuntimeStage, runtimeFailure } from './runtime-error.ts';
import { answerOf } from './silent-monitor.ts';

/** What the monitor of a container or exec is told apart by. */
export type MonitorKey = Pick<MonitorSpec, 'id' | 'kind' | 'dir'> & { commandFile?: string };

/** What a monitor that was asked for long is given before it is continued, and before it is killed. */
const RESCUE_MS = 1000;

const HELLO_STDIN = 1;
const HELLO_STDOUT = 2;
const HELLO_STDERR = 4;
const HELLO_MARK = 8;
/** Bytes of a mark: inode, offset, time. */
const MARK_LENGTH = 24;

/** The daemon's end of one shim: follows the frames on its control connection. */
export class ShimMonitor implements Monitor {
  readonly id: string;
  readonly exited: Promise<ExitStatus>;
  readonly ended: AbortSignal;
  readonly closed: Promise<void>;
  /** Settles with the first report: created, or why not. */
  readonly created: Promise<void>;
  /** Of a connection to a running shim: resolves when it has said all that was missed; true when start() was called before. */
  readonly reported: Promise<boolean>;
  pid = 0;
  monitorPid = 0;
  startedAt: bigint | null = null;

  readonly #key: MonitorKey;
  readonly #control: net.Socket;
  readonly #created = Promise.withResolvers<void>();
  readonly #reported = Promise.withResolvers<boolean>();
  readonly #started = Promise.withResolvers<void>();
  readonly #exited = Promise.withResolvers<ExitStatus>();
  readonly #ended = new AbortController();
  readonly #closed = Promise.withResolvers<void>();
  readonly #oomListeners: (() => void)[] = [];
  /** Killed before anybody listened: the report may come in one piece with the start's. */
  #oomUnheard = false;
  #processStartTime: string | null = null;
  #exitKnown = false;
  #failed = false;

  constructor(key: MonitorKey, control: net.Socket) {
    this.id = key.id;
    this.#key = key;
    this.#control = control;
    this.created = this.#created.promise;
    this.reported = this.#reported.promise;
    this.exited = this.#exited.promise;
    this.ended = this.#ended.signal;
    this.closed = this.#closed.promise;
    // Each of them may end with nobody waiting for it.
    for (const promise of [this.created, this.reported, this.#started.promise, this.exited]) promise.catch(() => {});
    const frames = new FrameReader();
    control.on('data', (chunk) => {
      for (const frame of frames.push(chunk as Buffer)) this.#receive(frame);
    });
    control.on('error', () => {}); // 'close' follows
    control.on('close', () => void this.#gone());
  }

  async start(): Promise<void> {
    this.#control.write(encodeFrame('S'));
    await this.#started.promise;
  }

  /** Settles when a start() of an earlier daemon has come to its end. */
  started(): Promise<void> {
    return this.#started.promise;
  }

  async abandon(): Promise<void> {
    this.#control.write(encodeFrame('A'));
    await this.closed;
  }

  async rescue(): Promise<boolean> {
    if (this.#processStartTime !== null && isAlive(this.pid, this.#processStartTime)) return false;
    if (!(await answerOf(this.#key.dir, this.exited, RESCUE_MS))) this.#control.destroy();
    await this.exited;
    return true;
  }

  onOom(listener: () => void): void {
    this.#oomListeners.push(listener);
    // Not before the start, which the caller is about to tell of.
    if (this.#oomUnheard) setImmediate(listener);
    this.#oomUnheard = false;
  }

  async attach(options: AttachOptions): Promise<Duplex> {
    return await this.#connect(options, 0);
  }

  async attachAtMark(options: AttachOptions): Promise<{ stream: Duplex; mark: LogMark }> {
    const stream = await this.#connect(options, HELLO_MARK);
    const bytes = await readExactly(stream, MARK_LENGTH);
    const mark = {
      inode: bytes.readBigUInt64BE(0),
      offset: Number(bytes.readBigUInt64BE(8)),
      timeNs: bytes.readBigUInt64BE(16),
    };
    return { stream, mark };
  }

  async #connect(options: AttachOptions, more: number): Promise<Duplex> {
    const flags =
      (options.stdin ? HELLO_STDIN : 0) |
      (options.stdout ? HELLO_STDOUT : 0) |
      (options.stderr ? HELLO_STDERR : 0) |
      more;
    const socket = await connectMonitor(this.#key.dir, Buffer.from([0x41, flags]));
    // The shim closes when all output is delivered. A write after that fails, which is no news to anybody.
    socket.on('error', () => {});
    socket.once('end', () => socket.end());
    return socket;
  }

  async resize(rows: number, columns: number): Promise<void> {
    if (!this.#control.writable) return;
    this.#control.write(encodeFrame('R', `${rows} ${columns}`));
  }

  #receive({ type, payload }: Frame): void {
    const words = payload.split(' ');
    switch (type) {
      case 'C':
        this.monitorPid = Number(words[0]);
        this.#setPid(Number(words[1]));
        this.#created.resolve();
        break;
      case 'S':
        this.#setPid(Number(words[0]));
        this.startedAt = BigInt(words[1]!);
        this.#started.resolve();
        break;
      case 'F':
        this.#fail(payload);
        break;
      case 'O':
        if (this.#oomListeners.length === 0) this.#oomUnheard = true;
        for (const listener of this.#oomListeners) listener();
        break;
      case 'E':
        this.#settleExit(parseExit(payload));
        break;
      case 'R':
        this.#reported.resolve(payload === '1');
        break;
      case 'D':
        this.#control.destroy();
        break;
    }
  }

  #setPid(pid: number): void {
    this.pid = pid;
    this.#processStartTime = processStartTime(pid);
  }

  #settleExit(status: ExitStatus): void {
    this.#exitKnown = true;
    this.#exited.resolve(status);
    this.#ended.abort();
    this.#started.reject(
      new GantryError('system', `${this.#key.kind} ${this.id} ended with status ${status.code} before it was started`),
    );
  }

  #fail(payload: string): void {
    const newline = payload.indexOf('\n');
    const stage = payload.slice(0, newline);
    const said = payload.slice(newline + 1).trim();
    this.#failed = true;
    let error: GantryError;
    if (stage === 'setup') {
      error = new GantryError('system', `cannot set up the monitor of ${this.#key.kind} ${this.id}: ${said}`);
    } else {
      const text = lastRuntimeError(readText(path.join(this.#key.dir, 'runtime.log'))) ?? said;
      const failure = runtimeFailure(text, stage as RuntimeStage, commandOf(this.#key.commandFile));
      error = new RuntimeError(failure.exitCode, failure.message);
    }
    this.#created.reject(error);
    this.#started.reject(error);
    // The shim holds its attach clients open until this connection closes: whoever waits for start() comes first.
    setImmediate(() => this.#control.end());
  }

  /** The connection has ended: all is told, or the shim was killed. */
  async #gone(): Promise<void> {
    const error = new GantryError('system', `the monitor of ${this.#key.kind} ${this.id} ended unexpectedly`);
    this.#created.reject(error);
    this.#reported.reject(error);
    if (!this.#exitKnown && !this.#failed) {
      const left = readExit(this.#key.dir);
      if (left !== null) this.#settleExit(left);
      else if (this.pid > 0) this.#settleExit(await this.#killOrphan());
      // Never started: there is no exit to tell of, but nobody shall wait for one.
      else this.#settleExit({ code: 137, signal: 9, oomKilled: false, finishedAt: nowNs() });
    }
    this.#started.reject(error);
    this.#closed.resolve();
  }

  /** Without its monitor a process has no log and no exit status: it is ended, as any engine does that loses one. */
  async #killOrphan(): Promise<ExitStatus> {
    const startTime = this.#processStartTime;
    if (startTime !== null) {
      signalProcess(this.pid, startTime, 'SIGKILL');
      for (let i = 0; i < 200 && isAlive(this.pid, startTime); i++) await sleep(10);
    }
    return { code: 137, signal: 9, oomKilled: false, finishedAt: nowNs() };
  }
}

function isAlive(pid: number, startTime: string): boolean {
  return processStartTime(pid) === startTime && !/^State:\s+Z/m.test(readText(`/proc/${pid}/status`));
}

/** "code signal oom finished-ns", as in the exit file and the EXIT frame. */
function parseExit(text: string): ExitStatus {
  const [code, signal, oom, finishedAt] = text.trim().split(' ');
  return {
    code: Number(code),
    signal: signal === '0' ? null : Number(signal),
    oomKilled: oom === '1',
    finishedAt: BigInt(finishedAt ?? 0),
  };
}

/** The exit status that a monitor left in its directory; null when there is none. */
export function readExit(dir: string): ExitStatus | null {
  const text = readText(path.join(dir, 'exit'));
  return text === '' ? null : parseExit(text);
}

function readText(file: string): string {
  try {
    return fs.readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}

/** First word of the command in an OCI config.json or process file, for messages; '' when it cannot be read. */
function commandOf(file: string | undefined): string {
  try {
    const json = JSON.parse(readText(file ?? '')) as { args?: string[]; process?: { args?: string[] } };
    return (json.process ?? json).args?.[0] ?? '';
  } catch {
    return '';
  }
}
