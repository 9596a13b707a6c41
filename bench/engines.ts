import { readdirSync, readFileSync } from 'node:fs';
import type { Host } from './host.ts';
import { type Contender, interleave, median, request } from './measure.ts';
import { descendants, type Peers } from './peers.ts';

export interface Row {
  name: string;
  figure: number;
  /** Name of the row that this one is compared with; without it, or without that row, it has no ratio. */
  against?: string;
  /** Of a row that is unlike its case. */
  unit?: string;
  more?: BenchCase['more'];
}

export interface BenchCase {
  name: string;
  title: string;
  unit: string;
  more: 'better' | 'worse';
  measure(root: string, peers: Peers): Promise<Row[]>;
}

/** An engine that runs, and the network it runs in. */
export interface Engine {
  name: 'gantryd' | 'dockerd';
  socket: string;
  host: Host;
  /** Processes of the engine itself: no monitors. */
  pids(): number[];
}

/** The programs that watch over one container each. */
export const MONITORS = { gantryd: 'gantry-shim', dockerd: 'containerd-shim' };

export function engines(peers: Peers): Engine[] {
  const { gantryPid } = peers;
  const list: Engine[] = [
    {
      name: 'gantryd',
      socket: peers.gantrySocket,
      host: peers.gantryHost,
      // Its monitors are its children, dockerd's are not.
      pids: () => [gantryPid, ...descendants(gantryPid, MONITORS.gantryd)],
    },
  ];
  if (peers.dockerSocket !== null)
    list.push({ name: 'dockerd', socket: peers.dockerSocket, host: peers.dockerHost, pids: () => peers.dockerPids() });
  return list;
}

export async function rowsOf(contenders: Contender[], rounds: number, against: string): Promise<Row[]> {
  const figures = await interleave(contenders, rounds);
  return [...figures].map(([name, values]) => ({ name, figure: median(values), against }));
}

/** A container of one engine by its API; one that sleeps unless told otherwise. `more`: of the request's body. */
export async function create(
  socket: string,
  cmd: string[] = ['sleep', '600'],
  hostConfig: object = {},
  more: object = {},
): Promise<string> {
  const body = { Image: 'busybox:latest', Cmd: cmd, HostConfig: hostConfig, ...more };
  return JSON.parse(await request(socket, 'POST', '/containers/create', body)).Id;
}

export const start = (socket: string, id: string): Promise<string> =>
  request(socket, 'POST', `/containers/${id}/start`);

export async function createAndStart(...container: Parameters<typeof create>): Promise<string> {
  const [socket] = container;
  const id = await create(...container);
  await start(socket, id);
  return id;
}

/** Does the work for 0 to `count` - 1, eight at a time. */
export async function eightAtATime<T>(count: number, work: (index: number) => Promise<T>): Promise<T[]> {
  const results: T[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < count) {
      const index = next++;
      results[index] = await work(index);
    }
  };
  await Promise.all(Array.from({ length: 8 }, worker));
  return results;
}

/** `count` containers, started eight at a time. */
export function startMany(socket: string, count: number): Promise<string[]> {
  return eightAtATime(count, () => createAndStart(socket));
}

/** Runs a container to its end and returns what it printed. Throws when it fails. */
export async function output(
  socket: string,
  cmd: string[],
  hostConfig: object = {},
  more: object = {},
): Promise<string> {
  // With a terminal the log comes as it is, without frames.
  const id = await create(socket, cmd, hostConfig, { Tty: true, ...more });
  try {
    await start(socket, id);
    const { StatusCode } = JSON.parse(await request(socket, 'POST', `/containers/${id}/wait`));
    const printed = await request(socket, 'GET', `/containers/${id}/logs?stdout=1`);
    if (StatusCode !== 0) throw new Error(`${cmd.join(' ').slice(0, 100)} ended with ${StatusCode}: ${printed}`);
    return printed;
  } finally {
    await removeForced(socket, id);
  }
}

/** Returns its ID. */
export async function createNetwork(socket: string, name: string, more: object = {}): Promise<string> {
  const body = { Name: name, CheckDuplicate: true, ...more };
  return JSON.parse(await request(socket, 'POST', '/networks/create', body)).Id;
}

export const removeNetwork = (socket: string, name: string): Promise<string> =>
  request(socket, 'DELETE', `/networks/${name}`);

/** Each engine as a contender. */
export function perEngine(peers: Peers, run: (socket: string) => Promise<number>): Contender[] {
  return engines(peers).map(({ name, socket }) => ({ name, run: () => run(socket) }));
}

/** Milliseconds that the work takes. */
export async function elapsed(work: () => Promise<unknown>): Promise<number> {
  const started = process.hrtime.bigint();
  await work();
  return Number(process.hrtime.bigint() - started) / 1e6;
}

export const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

export const removeForced = (socket: string, id: string): Promise<string> =>
  request(socket, 'DELETE', `/containers/${id}?force=1&v=1`);

/** Resident memory of the processes together, in MB. */
export function megabytes(pids: readonly number[]): number {
  const kilobytes = (pid: number): number => {
    try {
      return Number(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8').match(/^Rss:\s+(\d+) kB/m)?.[1] ?? 0);
    } catch {
      return 0; // gone meanwhile
    }
  };
  return pids.reduce((total, pid) => total + kilobytes(pid), 0) / 1024;
}

/** Processes of that program with `dir` in their command line: those of the bench, not of another engine on the host. */
export function processesOf(program: string, dir: string): number[] {
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return pids.map(Number).filter((pid) => {
    try {
      const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
      return words.split('\0')[0]!.split('/').at(-1)!.startsWith(program) && words.includes(dir);
    } catch {
      return false; // gone meanwhile
    }
  });
}
