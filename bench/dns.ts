import {
  type BenchCase,
  createAndStart,
  createNetwork,
  engines,
  output,
  type Row,
  removeForced,
  removeNetwork,
} from './engines.ts';
import { interleave, median } from './measure.ts';
import { provideTools, TOOLS_IMAGE } from './tools.ts';

const NETWORK = 'bench-names';
const CONTAINERS = 10;
const NAMES = Array.from({ length: 1000 }, (_, index) => `service-${index}`);
const SERVER = '127.0.0.11';
const ROUNDS = 5;
/** Queries under way, and how many in all. */
const LOADS = [
  { window: 16, queries: 100_000 },
  { window: 1, queries: 10_000 },
];

/** Containers that have all the names together, as aliases. */
async function startNamed(socket: string): Promise<string[]> {
  await createNetwork(socket, NETWORK);
  const ids: string[] = [];
  for (let index = 0; index < CONTAINERS; index++) {
    const Aliases = NAMES.filter((_, name) => name % CONTAINERS === index);
    const more = { NetworkingConfig: { EndpointsConfig: { [NETWORK]: { Aliases } } } };
    ids.push(await createAndStart(socket, undefined, { NetworkMode: NETWORK }, more));
  }
  return ids;
}

export const dns: BenchCase = {
  name: 'dns',
  title: `embedded DNS, ${NAMES.length} names on one network, from within a container (UDP)`,
  unit: 'queries/s',
  more: 'better',
  async measure(root, peers) {
    await provideTools(root, peers);
    const list = engines(peers);
    const named: string[][] = [];
    for (const { socket } of list) named.push(await startNamed(socket));
    const tails = new Map<string, number[]>();
    const contenders = LOADS.flatMap(({ window, queries }) =>
      list.map(({ name, socket }) => ({
        name: `${name}, ${window} at a time`,
        run: async () => {
          const command = ['load', 'dns', SERVER, `${queries}`, `${window}`, ...NAMES];
          const printed = await output(socket, command, { NetworkMode: NETWORK }, { Image: TOOLS_IMAGE });
          const [perSecond, , tail] = printed.trim().split(' ').map(Number);
          const key = `${name}, ${window} at a time, p99`;
          tails.set(key, [...(tails.get(key) ?? []), tail!]);
          return perSecond!;
        },
      })),
    );
    const figures = await interleave(contenders, ROUNDS);
    for (const [index, { socket }] of list.entries()) {
      for (const id of named[index]!) await removeForced(socket, id);
      await removeNetwork(socket, NETWORK);
    }
    const against = (name: string): string => name.replace(/^[^,]*/, 'dockerd');
    const rows = [...figures].map(([name, values]): Row => ({ name, figure: median(values), against: against(name) }));
    for (const [name, values] of tails) {
      // The warm-up is not among the figures either.
      const figure = median(values.slice(1));
      rows.push({ name, figure, against: against(name), unit: 'µs', more: 'worse' });
    }
    return rows;
  },
};
