import {
  type BenchCase,
  createAndStart,
  createNetwork,
  type Engine,
  eightAtATime,
  elapsed,
  engines,
  MONITORS,
  megabytes,
  pause,
  processesOf,
  type Row,
  removeForced,
  removeNetwork,
} from './engines.ts';
import { request } from './measure.ts';

const NETWORKS = 50;
const CONTAINERS = 200;
/** Milliseconds after which a daemon counts as idle. */
const SETTLED = 3000;

const networkName = (index: number): string => `bench-${index % NETWORKS}`;

async function fill({ name, socket, pids }: Engine, dir: string): Promise<Row[]> {
  const made = await elapsed(async () => {
    for (let index = 0; index < NETWORKS; index++) await createNetwork(socket, networkName(index));
  });
  let ids: string[] = [];
  const started = await elapsed(async () => {
    ids = await eightAtATime(CONTAINERS, (index) =>
      createAndStart(socket, undefined, { NetworkMode: networkName(index) }),
    );
  });
  const { ContainersRunning: running } = JSON.parse(await request(socket, 'GET', '/info'));
  if (running !== CONTAINERS) throw new Error(`${running} of ${CONTAINERS} containers run on ${name}`);
  await pause(SETTLED);
  const monitors = processesOf(MONITORS[name], dir);
  const memory = megabytes(pids());
  const together = memory + megabytes(monitors);
  const processes = pids().length + monitors.length;
  const removed = await elapsed(() => eightAtATime(CONTAINERS, (index) => removeForced(socket, ids[index]!)));
  const unmade = await elapsed(async () => {
    for (let index = 0; index < NETWORKS; index++) await removeNetwork(socket, networkName(index));
  });
  return [
    [`make ${NETWORKS} networks`, made / 1000, 's'],
    [`create + start ${CONTAINERS} containers`, started / 1000, 's'],
    [`stop and remove ${CONTAINERS} containers`, removed / 1000, 's'],
    [`remove ${NETWORKS} networks`, unmade / 1000, 's'],
    ['memory of the daemon', memory, 'MB'],
    ['memory of daemon and monitors', together, 'MB'],
    ['processes of daemon and monitors', processes, 'processes'],
  ].map(([what, figure, unit]) => ({
    name: `${name}, ${what}`,
    figure: Number(figure),
    unit: String(unit),
    against: `dockerd, ${what}`,
  }));
}

export const manyNetworks: BenchCase = {
  name: 'many-networks',
  title: `${CONTAINERS} containers on ${NETWORKS} networks, starts and stops at concurrency 8 (API)`,
  unit: 's',
  more: 'worse',
  async measure(_root, peers) {
    const rows: Row[] = [];
    for (const engine of engines(peers)) rows.push(...(await fill(engine, peers.dir)));
    return rows;
  },
};
