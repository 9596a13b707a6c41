import { existsSync, readFileSync } from 'node:fs';
import { type Contender, interleave, median, must, request, timeCommand } from './measure.ts';
import { descendants, type Peers } from './peers.ts';

export interface Row {
  name: string;
  figure: number;
  /** The peer that ratios are taken against. */
  base?: boolean;
}

export interface BenchCase {
  name: string;
  title: string;
  unit: string;
  more: 'better' | 'worse';
  measure(root: string, peers: Peers): Promise<Row[]>;
}

/** An engine and the command that drives it. */
interface Client {
  name: string;
  command: string[];
  base?: boolean;
}

function clients(root: string, peers: Peers): Client[] {
  const list: Client[] = [
    { name: 'gantry on gantryd', command: [`${root}/bin/gantry`, '-H', `unix://${peers.gantrySocket}`] },
    { name: 'docker on gantryd', command: ['docker', '-H', `unix://${peers.gantrySocket}`] },
  ];
  if (peers.dockerSocket !== null)
    list.push({ name: 'docker on dockerd', command: ['docker', '-H', `unix://${peers.dockerSocket}`], base: true });
  if (peers.podman) list.push({ name: 'podman', command: ['podman'] });
  return list;
}

function timed(name: string, command: string[]): Contender {
  return { name, run: async () => (await must(command)).milliseconds };
}

async function rowsOf(contenders: Contender[], rounds: number, base: string | undefined): Promise<Row[]> {
  const figures = await interleave(contenders, rounds);
  return [...figures].map(([name, values]) => ({ name, figure: median(values), base: name === base }));
}

const DOCKERD = 'docker on dockerd';

/** A container of one engine by its API; one that sleeps unless told otherwise. */
async function create(socket: string, cmd: string[] = ['sleep', '600'], hostConfig: object = {}): Promise<string> {
  const body = { Image: 'busybox:latest', Cmd: cmd, HostConfig: hostConfig };
  return JSON.parse(await request(socket, 'POST', '/containers/create', body)).Id;
}

const start = (socket: string, id: string): Promise<string> => request(socket, 'POST', `/containers/${id}/start`);

async function createAndStart(socket: string): Promise<string> {
  const id = await create(socket);
  await start(socket, id);
  return id;
}

function engines(peers: Peers): { name: string; socket: string; base?: boolean }[] {
  const list: { name: string; socket: string; base?: boolean }[] = [{ name: 'gantryd', socket: peers.gantrySocket }];
  if (peers.dockerSocket !== null) list.push({ name: 'dockerd', socket: peers.dockerSocket, base: true });
  return list;
}

/** Each engine as a contender. */
function perEngine(peers: Peers, run: (socket: string) => Promise<number>): Contender[] {
  return engines(peers).map(({ name, socket }) => ({ name, run: () => run(socket) }));
}

/** Milliseconds that the work takes. */
async function elapsed(work: () => Promise<unknown>): Promise<number> {
  const started = process.hrtime.bigint();
  await work();
  return Number(process.hrtime.bigint() - started) / 1e6;
}

const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

const removeForced = (socket: string, id: string): Promise<string> =>
  request(socket, 'DELETE', `/containers/${id}?force=1&v=1`);

async function bareCreateStart(runtime: string, peers: Peers): Promise<number> {
  const id = `gantry-bench-${process.hrtime.bigint()}`;
  const milliseconds = await elapsed(async () => {
    // Its standard streams become the container's, which outlives it: a shell gives it none of ours.
    await must(['sh', '-c', `exec ${runtime} create --bundle "$0" "$1" </dev/null >/dev/null 2>&1`, peers.bundle, id]);
    await must([runtime, 'start', id]);
  });
  await must([runtime, 'delete', '--force', id]);
  return milliseconds;
}

/** Kilobytes of one field of /proc/PID/smaps_rollup ("Rss", "Pss"). */
function memory(pid: number, field: string): number {
  try {
    const line = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8').match(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm'));
    return Number(line?.[1] ?? 0);
  } catch {
    return 0;
  }
}

function named(pids: number[], name: string): number[] {
  return pids.filter(
    (pid) => existsSync(`/proc/${pid}/comm`) && readFileSync(`/proc/${pid}/comm`, 'utf8').startsWith(name),
  );
}

function allPids(): number[] {
  return descendants(1).concat(descendants(process.pid));
}

const run: BenchCase = {
  name: 'run',
  title: 'run --rm busybox true',
  unit: 'ms',
  more: 'worse',
  async measure(root, peers) {
    const contenders = clients(root, peers).map(({ name, command }) =>
      timed(name, [...command, 'run', '--rm', 'busybox', 'true']),
    );
    for (const runtime of peers.runtimes)
      contenders.push(timed(`${runtime} run`, [runtime, 'run', '--bundle', peers.bundle, `gantry-bench-${runtime}`]));
    return rowsOf(contenders, 15, DOCKERD);
  },
};

const exec: BenchCase = {
  name: 'exec',
  title: 'exec true in a running container',
  unit: 'ms',
  more: 'worse',
  async measure(root, peers) {
    const list = clients(root, peers);
    const names = new Set<string>();
    for (const { name, command } of list) {
      const engine = name.split(' on ').at(-1)!;
      if (!names.has(engine))
        await must([...command, 'run', '-d', '--name', 'gantry-bench-exec', 'busybox', 'sleep', '600']);
      names.add(engine);
    }
    const rows = await rowsOf(
      list.map(({ name, command }) => timed(name, [...command, 'exec', 'gantry-bench-exec', 'true'])),
      15,
      DOCKERD,
    );
    for (const { command } of list) await timeCommand([...command, 'rm', '-f', 'gantry-bench-exec']);
    return rows;
  },
};

const api: BenchCase = {
  name: 'api',
  title: 'create + start through the API alone',
  unit: 'ms',
  more: 'worse',
  async measure(_root, peers) {
    const contenders = perEngine(peers, async (socket) => {
      let id = '';
      const milliseconds = await elapsed(async () => {
        id = await createAndStart(socket);
      });
      await removeForced(socket, id);
      return milliseconds;
    });
    for (const runtime of peers.runtimes)
      contenders.push({ name: `${runtime} create + start`, run: () => bareCreateStart(runtime, peers) });
    return rowsOf(contenders, 20, 'crun create + start');
  },
};

const burst: BenchCase = {
  name: 'burst',
  title: '40 starts at concurrency 8 (API)',
  unit: 'starts/s',
  more: 'better',
  async measure(_root, peers) {
    const contenders = perEngine(peers, async (socket) => {
      const ids: string[] = [];
      let left = 40;
      const worker = async () => {
        while (left-- > 0) ids.push(await createAndStart(socket));
      };
      const milliseconds = await elapsed(() => Promise.all(Array.from({ length: 8 }, worker)));
      await Promise.all(ids.map((id) => removeForced(socket, id)));
      return 40_000 / milliseconds;
    });
    return rowsOf(contenders, 3, 'dockerd');
  },
};

const ps: BenchCase = {
  name: 'ps',
  title: 'ps -a with 200 containers',
  unit: 'ms',
  more: 'worse',
  async measure(root, peers) {
    const ids = new Map<string, string[]>();
    for (const { socket } of engines(peers)) {
      const list: string[] = [];
      for (let index = 0; index < 200; index++) list.push(await create(socket));
      ids.set(socket, list);
    }
    const contenders = clients(root, peers)
      .filter(({ name }) => name !== 'podman')
      .map(({ name, command }) => timed(name, [...command, 'ps', '-a']));
    for (const { name, socket } of engines(peers)) {
      contenders.push({
        name: `${name} (API alone)`,
        run: () => elapsed(() => request(socket, 'GET', '/containers/json?all=1')),
      });
    }
    const rows = await rowsOf(contenders, 15, DOCKERD);
    for (const [socket, list] of ids) for (const id of list) await removeForced(socket, id);
    return rows;
  },
};

const COUNT = 20;
const memoryCase: BenchCase = {
  name: 'memory',
  title: `resident memory (daemon idle; monitor per container, mean of ${COUNT})`,
  unit: 'MB',
  more: 'worse',
  async measure(_root, peers) {
    const ids = new Map<string, string[]>();
    for (const { socket } of engines(peers))
      ids.set(socket, await Promise.all(Array.from({ length: COUNT }, () => createAndStart(socket))));
    await pause(3000);
    const rows: Row[] = [];
    const per = (name: string, pids: number[], field: string): number =>
      named(pids, name).reduce((sum, pid) => sum + memory(pid, field), 0) / COUNT / 1024;
    const everything = [...new Set(allPids())];
    rows.push({ name: 'gantry-shim (RSS)', figure: per('gantry-shim', everything, 'Rss') });
    if (peers.dockerSocket !== null)
      rows.push({ name: 'containerd-shim (RSS)', figure: per('containerd-shim', everything, 'Rss') });
    for (const [socket, list] of ids) await Promise.all(list.map((id) => removeForced(socket, id)));
    await pause(3000);
    const daemon =
      [peers.gantryPid, ...descendants(peers.gantryPid)].reduce((sum, pid) => sum + memory(pid, 'Rss'), 0) / 1024;
    rows.push({ name: 'gantryd (RSS)', figure: daemon });
    if (peers.dockerSocket !== null) {
      rows.push({
        name: 'dockerd + containerd (RSS)',
        figure: peers.dockerPids().reduce((sum, pid) => sum + memory(pid, 'Rss'), 0) / 1024,
        base: true,
      });
    }
    return rows;
  },
};

const MEGABYTES = 100;
const logs: BenchCase = {
  name: 'logs',
  title: `log throughput (${MEGABYTES} MB of 100-byte lines into the json-file log)`,
  unit: 'MB/s',
  more: 'better',
  async measure(_root, peers) {
    const script = `i=0; line=$(printf '%099d' 0); yes "$line" | head -c ${MEGABYTES}000000`;
    const contenders = perEngine(peers, async (socket) => {
      const id = await create(socket, ['sh', '-c', script], { LogConfig: { Type: 'json-file', Config: {} } });
      const milliseconds = await elapsed(async () => {
        await start(socket, id);
        await request(socket, 'POST', `/containers/${id}/wait`);
      });
      await removeForced(socket, id);
      return (MEGABYTES * 1000) / milliseconds;
    });
    return rowsOf(contenders, 3, 'dockerd');
  },
};

const stop: BenchCase = {
  name: 'stop',
  title: 'stop (PID 1 ends at TERM), then rm (API)',
  unit: 'ms',
  more: 'worse',
  async measure(_root, peers) {
    const contenders = perEngine(peers, async (socket) => {
      const id = await create(socket, ['sh', '-c', 'trap "exit 0" TERM; while :; do sleep 0.01; done']);
      await start(socket, id);
      await pause(300);
      return elapsed(async () => {
        await request(socket, 'POST', `/containers/${id}/stop?t=10`);
        await request(socket, 'DELETE', `/containers/${id}`);
      });
    });
    return rowsOf(contenders, 10, 'dockerd');
  },
};

export const CASES: readonly BenchCase[] = [run, exec, api, burst, ps, memoryCase, logs, stop];
