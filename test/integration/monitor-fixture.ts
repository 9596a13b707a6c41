import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type { Duplex } from 'node:stream';
import { type Cgroups, cgroupPids, detectCgroups, removeEmptyCgroup } from '../../src/linux/cgroup.ts';
import type { ContainerMonitorSpec, LogSink, Monitor, RuntimeBinary } from '../../src/runtime/contract.ts';
import { ShimMonitors } from '../../src/runtime/monitors.ts';

const project = path.join(import.meta.dirname, '../..');
export const PARENT = `/gantry-test-${process.pid}`;

/** A busybox root file system, a monitor factory and a directory a test run, all removed by close(). */
export class MonitorFixture {
  readonly dir = fs.mkdtempSync(path.join(os.tmpdir(), 'gantry-monitor-'));
  readonly cgroups: Cgroups = detectCgroups();
  readonly monitors: ShimMonitors;
  readonly runtime: RuntimeBinary;

  constructor(runtime: string) {
    execFileSync(path.join(project, 'scripts/build-native'));
    const binary = execFileSync('which', [runtime], { encoding: 'utf8' }).trim();
    this.runtime = { name: runtime, path: binary, args: ['--root', path.join(this.dir, 'state')] };
    this.monitors = new ShimMonitors({ shim: path.join(project, 'shim/build/gantry-shim'), cgroups: this.cgroups });
    for (const name of ['bin', 'proc', 'sys', 'dev', 'etc', 'tmp']) {
      fs.mkdirSync(path.join(this.dir, 'rootfs', name), { recursive: true });
    }
    fs.copyFileSync('/usr/bin/busybox', path.join(this.dir, 'rootfs/bin/busybox'));
    for (const name of 'sh true cat echo sleep dd seq kill tty stty yes head wc env'.split(' ')) {
      fs.symlinkSync('busybox', path.join(this.dir, 'rootfs/bin', name));
    }
    fs.writeFileSync(path.join(this.dir, 'rootfs/etc/noexec'), '', { mode: 0o644 });
  }

  /** Writes a bundle and answers the monitor spec for it. `memory`: limit in bytes. */
  spec(args: string[], options: Partial<ContainerMonitorSpec> & { memory?: number } = {}): ContainerMonitorSpec {
    const { memory, ...rest } = options;
    const id = `gt${randomBytes(8).toString('hex')}`;
    const dir = path.join(this.dir, 'run', id);
    fs.mkdirSync(dir, { recursive: true });
    const config = {
      ociVersion: '1.0.2',
      process: {
        ...processObject(args, rest.tty ?? false),
        ...(rest.consoleSize
          ? { consoleSize: { height: rest.consoleSize.rows, width: rest.consoleSize.columns } }
          : {}),
      },
      root: { path: path.join(this.dir, 'rootfs') },
      hostname: 'test',
      mounts: [
        { destination: '/proc', type: 'proc', source: 'proc' },
        { destination: '/dev', type: 'tmpfs', source: 'tmpfs', options: ['mode=755', 'size=65536k'] },
        { destination: '/dev/pts', type: 'devpts', source: 'devpts', options: ['newinstance', 'ptmxmode=0666'] },
      ],
      linux: {
        cgroupsPath: `${PARENT}/${id}`,
        namespaces: ['pid', 'ipc', 'uts', 'mount', 'network'].map((type) => ({ type })),
        resources: { pids: { limit: 200 }, ...(memory ? { memory: { limit: memory, swap: memory } } : {}) },
      },
    };
    fs.writeFileSync(path.join(dir, 'config.json'), JSON.stringify(config));
    return {
      kind: 'container',
      id,
      runtime: this.runtime,
      bundle: dir,
      dir,
      tty: false,
      openStdin: false,
      stdinOnce: false,
      consoleSize: null,
      log: this.log(dir),
      cgroupsPath: `${PARENT}/${id}`,
      ...rest,
    };
  }

  log(dir: string, options: Partial<LogSink> = {}): LogSink {
    const path_ = path.join(dir, 'json.log');
    return {
      format: 'json-file',
      path: path_,
      maxSize: -1,
      maxFiles: 1,
      compress: false,
      attrs: null,
      buffer: null,
      ...options,
    };
  }

  spawnExec(container: ContainerMonitorSpec, args: string[], options: { tty?: boolean; openStdin?: boolean } = {}) {
    const id = `ex${randomBytes(8).toString('hex')}`;
    // Deep enough that the socket's path does not fit into a socket address.
    const dir = path.join(this.dir, 'run', container.id, 'exec-directory-with-a-long-name'.repeat(3), id);
    fs.mkdirSync(dir, { recursive: true });
    const processFile = path.join(dir, 'process.json');
    fs.writeFileSync(processFile, JSON.stringify(processObject(args, options.tty ?? false)));
    return this.monitors.spawn({
      kind: 'exec',
      id,
      containerId: container.id,
      runtime: this.runtime,
      dir,
      processFile,
      tty: options.tty ?? false,
      openStdin: options.openStdin ?? false,
      consoleSize: null,
    });
  }

  /** What should be gone and is not: processes, cgroups, runtime state. */
  leftovers(): string[] {
    const found: string[] = [];
    for (const pid of fs.readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
      const file = `/proc/${pid}/cmdline`;
      const cmdline = fs.existsSync(file) ? fs.readFileSync(file, 'utf8') : '';
      if (cmdline.startsWith('/') && cmdline.includes('gantry-shim') && cmdline.includes(this.dir))
        found.push(`process ${pid}`);
    }
    for (const controller of this.cgroups.controllers) {
      const parent = this.cgroups.directory(controller, PARENT)!;
      if (!fs.existsSync(parent)) continue;
      for (const entry of fs.readdirSync(parent, { withFileTypes: true })) {
        if (entry.isDirectory()) found.push(`cgroup ${controller} ${entry.name}`);
      }
    }
    const state = path.join(this.dir, 'state');
    if (fs.existsSync(state)) found.push(...fs.readdirSync(state).filter((name) => /^(gt|ex)/.test(name)));
    return found;
  }

  close(): void {
    // What a failed test left running would keep the test process alive.
    for (const pid of cgroupPids(this.cgroups, PARENT)) process.kill(pid, 'SIGKILL');
    removeEmptyCgroup(this.cgroups, PARENT);
    fs.rmSync(this.dir, { recursive: true, force: true });
  }
}

function processObject(args: string[], terminal: boolean) {
  return { terminal, user: { uid: 0, gid: 0 }, args, env: ['PATH=/bin', 'TERM=xterm'], cwd: '/' };
}

export const OUTPUT = { stdin: false, stdout: true, stderr: true };
export const ALL = { stdin: true, stdout: true, stderr: true };

/** Everything a client gets. */
export async function readAll(stream: Duplex): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/** Splits Docker's framed stream: text by stream number. */
export function unframe(data: Buffer): { stdout: string; stderr: string } {
  const parts: Record<number, Buffer[]> = { 1: [], 2: [] };
  for (let at = 0; at < data.length; ) {
    const length = data.readUInt32BE(at + 4);
    parts[data[at]!]!.push(data.subarray(at + 8, at + 8 + length));
    at += 8 + length;
  }
  return { stdout: Buffer.concat(parts[1]!).toString(), stderr: Buffer.concat(parts[2]!).toString() };
}

/** Starts, waits for the end, answers exit status and output. */
export async function run(monitor: Monitor) {
  const stream = await monitor.attach(OUTPUT);
  const output = readAll(stream);
  await monitor.start();
  const status = await monitor.exited;
  const data = await output;
  await monitor.closed;
  return { status, data };
}

export interface LogLine {
  log: string;
  stream: string;
  time: string;
  attrs?: Record<string, string>;
}

export function readLog(file: string): LogLine[] {
  return fs
    .readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as LogLine);
}
