import { readdirSync, readFileSync } from 'node:fs';
import { type Contender, interleave, median, must, request, timeCommand } from './measure.ts';
import { descendants, type Peers } from './peers.ts';

export interface Row {
  name: string;
  figure: number;
  /** Name of the row that this one is compared with; without it, or without that row, it has no ratio. */
  against?: string;
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
}

function clients(root: string, peers: Peers): Client[] {
  const list: Client[] = [
    { name: 'gantry on gantryd', command: [`${root}/bin/gantry`, '-H', `unix://${peers.gantrySocket}`] },
    { name: 'docker on gantryd', command: ['docker', '-H', `unix://${peers.gantrySocket}`] },
  ];
  if (peers.dockerSocket !== null)
    list.push({ name: 'docker on dockerd', command: ['docker', '-H', `unix://${peers.dockerSocket}`] });
  if (peers.podman) list.push({ name: 'podman', command: ['podman'] });
  return list;
}

function timed(name: string, command: string[]): Contender {
  return { name, run: async () => (await must(command)).milliseconds };
}

async function rowsOf(contenders: Contender[], rounds: number, against: string): Promise<Row[]> {
  const figures = await interleave(contenders, rounds);
  return [...figures].map(([name, values]) => ({ name, figure: median(values), against }));
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

/** `count` containers, started eight at a time. */
async function startMany(socket: string, count: number): Promise<string[]> {
  const ids: string[] = [];
  let left = count;
  const worker = async (): Promise<void> => {
    while (left-- > 0) ids.push(await createAndStart(socket));
  };
  await Promise.all(Array.from({ length: 8 }, worker));
  return ids;
}

function engines(peers: Peers): { name: string; socket: string }[] {
  const list = [{ name: 'gantryd', socket: peers.gantrySocket }];
  if (peers.dockerSocket !== null) list.push({ name: 'dockerd', socket: peers.dockerSocket });
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

/** Processes of that program with `dir` in their command line: those of the bench, not of another engine on the host. */
function processesOf(program: string, dir: string): number[] {
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
      let ids: string[] = [];
      const milliseconds = await elapsed(async () => {
        ids = await startMany(socket, 40);
      });
      await Promise.all(ids.map((id) => removeForced(socket, id)));
      return 40_000 / milliseconds;
    });
    return rowsOf(contenders, 3, 'dockerd');
  },
};

const API_ALONE = ' (API alone)';
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
        name: `${name}${API_ALONE}`,
        run: () => elapsed(() => request(socket, 'GET', '/containers/json?all=1')),
      });
    }
    const rows = (await rowsOf(contenders, 15, DOCKERD)).map((row) =>
      row.name.endsWith(API_ALONE) ? { ...row, against: `dockerd${API_ALONE}` } : row,
    );
    for (const [socket, list] of ids) for (const id of list) await removeForced(socket, id);
    return rows;
  },
};

const COUNT = 20;
const STARTS = 160;
/** Milliseconds after which a daemon counts as idle. */
const SETTLED = 3000;
const memoryCase: BenchCase = {
  name: 'memory',
  title: `resident memory (daemon idle, before and after ${STARTS} starts; monitor per container, mean of ${COUNT})`,
  unit: 'MB',
  more: 'worse',
  async measure(_root, peers) {
    const sum = (pids: number[]): number => pids.reduce((total, pid) => total + memory(pid, 'Rss'), 0) / 1024;
    const daemons = (when: string): Row[] => {
      const rows: Row[] = [
        {
          name: `gantryd, ${when}`,
          figure: sum([peers.gantryPid, ...descendants(peers.gantryPid)]),
          against: `dockerd + containerd, ${when}`,
        },
      ];
      if (peers.dockerSocket !== null)
        rows.push({ name: `dockerd + containerd, ${when}`, figure: sum(peers.dockerPids()) });
      return rows;
    };
    await pause(SETTLED);
    const rows = daemons('before');
    const ids = new Map<string, string[]>();
    for (const { socket } of engines(peers)) {
      for (let started = COUNT; started < STARTS; started += COUNT) {
        const list = await startMany(socket, COUNT);
        await Promise.all(list.map((id) => removeForced(socket, id)));
      }
      ids.set(socket, await startMany(socket, COUNT));
    }
    await pause(SETTLED);
    const monitor = (name: string): number => sum(processesOf(name, peers.dir)) / COUNT;
    rows.push({ name: 'gantry-shim', figure: monitor('gantry-shim'), against: 'containerd-shim' });
    if (peers.dockerSocket !== null) rows.push({ name: 'containerd-shim', figure: monitor('containerd-shim') });
    for (const [socket, list] of ids) await Promise.all(list.map((id) => removeForced(socket, id)));
    await pause(SETTLED);
    return [...rows, ...daemons('after')];
  },
};

const MEGABYTES = 100;
const logs: BenchCase = {
  name: 'logs',
  title: `log throughput (${MEGABYTES} MB of 100-byte lines into the json-file log)`,
  unit: 'MB/s',
  more: 'better',
  async measure(_root, peers) {
    const script = `line=$(printf '%099d' 0); yes "$line" | head -c ${MEGABYTES}000000`;
    const contenders = perEngine(peers, async (socket) => {
      // Gantry's defaults; dockerd's know no bound, and the work must be the same.
      const LogConfig = { Type: 'json-file', Config: { 'max-size': '20m', 'max-file': '5' } };
      const id = await create(socket, ['sh', '-c', script], { LogConfig });
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
