import { connections } from './connections.ts';
import { dns } from './dns.ts';
import {
  type BenchCase,
  create,
  createAndStart,
  elapsed,
  engines,
  megabytes,
  pause,
  perEngine,
  processesOf,
  type Row,
  removeForced,
  rowsOf,
  start,
  startMany,
} from './engines.ts';
import { manyNetworks } from './many-networks.ts';
import { type Contender, must, request, timeCommand } from './measure.ts';
import { networkStart } from './network-start.ts';
import type { Peers } from './peers.ts';
import { portRange } from './port-range.ts';
import { throughput } from './throughput.ts';

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

const DOCKERD = 'docker on dockerd';

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
    const names = { gantryd: 'gantryd', dockerd: 'dockerd + containerd' };
    const daemons = (when: string): Row[] =>
      engines(peers).map(({ name, pids }) => ({
        name: `${names[name]}, ${when}`,
        figure: megabytes(pids()),
        against: `${names.dockerd}, ${when}`,
      }));
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
    const monitor = (name: string): number => megabytes(processesOf(name, peers.dir)) / COUNT;
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

export const CASES: readonly BenchCase[] = [
  run,
  exec,
  api,
  burst,
  ps,
  memoryCase,
  logs,
  stop,
  networkStart,
  manyNetworks,
  throughput,
  connections,
  dns,
  portRange,
];
