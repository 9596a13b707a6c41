/**
 * A gantryd of a test's own: its own roots, socket, bridge and subnet, nothing shared with what else runs on the host.
 * The bundle is used, as users do; it is built when it is missing.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const LAUNCHER = join(ROOT, 'bin/gantryd');
/** Generous: an emulated machine takes twenty times as long. */
const START_TIMEOUT_MS = 90_000;

export interface TestDaemonOptions {
  /** Beside those that keep the daemon apart from others. */
  flags?: string[];
  env?: Record<string, string>;
  /** A program, with its arguments, that runs the daemon's command line. */
  through?: string[];
  /** Written to the daemon's own daemon.json. */
  config?: object;
  /** The data root is a small disk (ext4 on a loop device) with flags of mkfs such as -N for the inodes. */
  dataDisk?: { megabytes: number; mkfs?: string[]; type?: 'ext4' | 'xfs'; mountOptions?: string };
}

export interface Answer {
  status: number;
  headers: http.IncomingHttpHeaders;
  text: string;
  /** The parsed body; null when there is none. */
  // biome-ignore lint/suspicious/noExplicitAny: tests look into many shapes
  json: any;
}

export interface RequestOptions {
  headers?: Record<string, string>;
  /** Sent as it is; objects given as `body` are sent as JSON. */
  raw?: string | Buffer | NodeJS.ReadableStream;
}

export interface TestDaemon {
  readonly socket: string;
  /** Directory that holds data root, exec root, socket and configuration. */
  readonly directory: string;
  readonly bridge: string;
  /** First three octets of the subnet, e.g. "10.213.17". */
  readonly subnet: string;
  readonly pid: number;
  request(method: string, path: string, body?: unknown, options?: RequestOptions): Promise<Answer>;
  /** Takes a connection over; `upgrade: false` for Docker's older bare form. Resolves with the raw stream after the response head. */
  hijack(path: string, body?: unknown, options?: { upgrade?: boolean }): Promise<{ head: string; stream: net.Socket }>;
  /** What the daemon has logged. */
  logs(): string;
  signal(name: NodeJS.Signals): void;
  /** Dies without a chance to clean up; containers run on. */
  kill9(): Promise<void>;
  /** Starts again on the same roots, after kill9() or stop(). */
  start(): Promise<void>;
  /** Ends in order; containers run on. Returns the exit code. */
  stop(): Promise<number | null>;
  /** Removes all containers, stops, and takes away directory, mounts and bridge. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** Starts a daemon and waits until it answers. Throws with its log when it does not. */
export async function startDaemon(options: TestDaemonOptions = {}): Promise<TestDaemon> {
  if (!existsSync(join(ROOT, 'dist/gantryd.js'))) execFileSync(process.execPath, [join(ROOT, 'scripts/build.ts')]);
  const daemon = new RunningDaemon(options);
  try {
    await daemon.start();
  } catch (error) {
    await daemon[Symbol.asyncDispose]();
    throw error;
  }
  return daemon;
}

class RunningDaemon implements TestDaemon {
  readonly directory: string;
  readonly socket: string;
  readonly bridge: string;
  readonly subnet: string;
  readonly #options: TestDaemonOptions;
  #child: ChildProcess | null = null;
  #log = '';

  constructor(options: TestDaemonOptions) {
    this.#options = options;
    this.directory = mkdtempSync(join(tmpdir(), 'gantryd-'));
    this.socket = join(this.directory, 'gantry.sock');
    const number = freeSubnet();
    this.subnet = `10.213.${number}`;
    this.bridge = `gt${process.pid % 100_000}x${number}`;
    if (options.dataDisk !== undefined) this.#mountDisk(options.dataDisk);
  }

  #mountDisk(disk: NonNullable<TestDaemonOptions['dataDisk']>): void {
    const { megabytes, type = 'ext4', mkfs = [], mountOptions = 'loop' } = disk;
    // Not every machine has somebody who loads it when it is needed.
    if (!existsSync('/dev/loop-control')) tryRun('modprobe', ['loop']);
    const [image, data] = [join(this.directory, 'disk'), join(this.directory, 'data')];
    writeFileSync(image, '');
    truncateSync(image, megabytes << 20);
    mkdirSync(data);
    execFileSync(`mkfs.${type}`, ['-q', ...(type === 'ext4' ? ['-m', '0'] : []), ...mkfs, image]);
    execFileSync('mount', ['-o', mountOptions, image, data]);
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  async start(): Promise<void> {
    const config = join(this.directory, 'daemon.json');
    if (!existsSync(config)) writeFileSync(config, JSON.stringify(this.#options.config ?? {}));
    const flags = [
      ...['--data-root', join(this.directory, 'data'), '--exec-root', join(this.directory, 'run')],
      ...['--pidfile', join(this.directory, 'pid'), '-H', `unix://${this.socket}`, '--config-file', config],
      // A machine that routes nothing yet is to stay as open as it was.
      '--ip-forward-no-drop',
      ...['--bridge', this.bridge, '--bip', `${this.subnet}.1/24`],
      ...(this.#options.flags ?? []),
    ];
    const earlier = this.#log.length;
    const [program, ...args] = [...(this.#options.through ?? []), LAUNCHER, ...flags];
    const child = spawn(program!, args, {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...process.env, ...this.#options.env },
    });
    this.#child = child;
    child.stderr!.on('data', (chunk) => {
      this.#log += chunk;
    });
    const deadline = Date.now() + START_TIMEOUT_MS;
    for (;;) {
      if (child.exitCode !== null || child.signalCode !== null || Date.now() > deadline) {
        child.kill('SIGKILL');
        throw new Error(`gantryd did not start:\n${this.#log}`);
      }
      if (this.#log.includes('Daemon has completed initialization', earlier)) return;
      await sleep(5);
    }
  }

  request(method: string, path: string, body?: unknown, options: RequestOptions = {}): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const payload = options.raw ?? (body === undefined ? undefined : JSON.stringify(body));
      const headers: Record<string, string> = { ...options.headers };
      if (body !== undefined) headers['Content-Type'] = 'application/json';
      if (typeof payload === 'string') headers['Content-Length'] = String(Buffer.byteLength(payload));
      const request = http.request({ socketPath: this.socket, method, path, headers, agent: false }, (response) => {
        let text = '';
        response.setEncoding('utf8');
        response.on('data', (chunk) => {
          text += chunk;
        });
        response.on('error', reject);
        response.on('end', () => {
          const type = response.headers['content-type'] ?? '';
          const parsed = type.includes('json') && text.trim() !== '' ? safeParse(text) : null;
          resolve({ status: response.statusCode ?? 0, headers: response.headers, text, json: parsed });
        });
      });
      request.on('error', reject);
      if (payload !== undefined && typeof payload === 'object' && 'pipe' in payload) payload.pipe(request);
      else request.end(payload);
    });
  }

  hijack(path: string, body?: unknown, { upgrade = true } = {}): Promise<{ head: string; stream: net.Socket }> {
    return new Promise((resolve, reject) => {
      const text = body === undefined ? '' : JSON.stringify(body);
      const stream = net.connect({ path: this.socket, allowHalfOpen: true });
      stream.on('error', reject);
      stream.write(
        [
          `POST ${path} HTTP/1.1`,
          'Host: docker',
          ...(upgrade ? ['Connection: Upgrade', 'Upgrade: tcp'] : []),
          ...(text === '' ? [] : ['Content-Type: application/json']),
          `Content-Length: ${Buffer.byteLength(text)}`,
          '',
          text,
        ].join('\r\n'),
      );
      let seen = Buffer.alloc(0);
      const onData = (chunk: Buffer) => {
        seen = Buffer.concat([seen, chunk]);
        const end = seen.indexOf('\r\n\r\n');
        if (end < 0) return;
        stream.off('data', onData);
        stream.pause();
        if (seen.length > end + 4) stream.unshift(seen.subarray(end + 4));
        resolve({ head: seen.subarray(0, end).toString(), stream });
      };
      stream.on('data', onData);
      stream.once('close', () => reject(new Error(`connection closed after: ${seen}`)));
    });
  }

  logs(): string {
    return this.#log;
  }

  signal(name: NodeJS.Signals): void {
    this.#child?.kill(name);
  }

  async kill9(): Promise<void> {
    await this.#end('SIGKILL');
  }

  async stop(): Promise<number | null> {
    return await this.#end('SIGTERM');
  }

  async #end(signal: NodeJS.Signals): Promise<number | null> {
    const child = this.#child;
    this.#child = null;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return child?.exitCode ?? null;
    const exited = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)));
    child.kill(signal);
    return await exited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { exitCode = null, signalCode = null } = this.#child ?? {};
    if (exitCode !== null || signalCode !== null) {
      const end = this.#log.split('\n').slice(-20).join('\n');
      process.stderr.write(`gantryd had ended by itself (${signalCode ?? exitCode}):\n${end}\n`);
    }
    if (this.#child !== null && exitCode === null && signalCode === null) {
      const list = await this.request('GET', '/containers/json?all=1').catch(() => null);
      for (const { Id } of Array.isArray(list?.json) ? list.json : []) {
        await this.request('DELETE', `/containers/${Id}?force=1&v=1`).catch(() => null);
      }
    }
    await this.stop();
    // Deepest first; what a failed test left mounted must not be deleted through the mount.
    const mounts = readFileSync('/proc/self/mountinfo', 'utf8')
      .split('\n')
      .map((line) => line.split(' ')[4] ?? '')
      .filter((path) => path.startsWith(`${this.directory}/`));
    for (const path of mounts.reverse()) tryRun('umount', ['-l', path]);
    tryRun('ip', ['link', 'delete', this.bridge]);
    for (const kind of ['', 'ports_']) tryRun('nft', ['delete', 'table', 'inet', `gantry_${kind}${this.bridge}`]);
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** A third octet of 10.213.0.0/16 that no interface of the host has. */
function freeSubnet(): number {
  const used = execFileSync('ip', ['-4', '-o', 'addr'], { encoding: 'utf8' });
  for (let tries = 0; tries < 1000; tries++) {
    const number = 1 + Math.floor(Math.random() * 253);
    if (!used.includes(` 10.213.${number}.`)) return number;
  }
  throw new Error('no free subnet in 10.213.0.0/16');
}

function safeParse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // A stream of JSON objects, or text that only claims to be JSON: tests read `text`.
    return null;
  }
}

function tryRun(command: string, args: string[]): void {
  try {
    execFileSync(command, args, { stdio: 'ignore' });
  } catch {
    // Nothing to take away.
  }
}
