import {
  type BenchCase,
  createAndStart,
  createNetwork,
  elapsed,
  engines,
  pause,
  type Row,
  removeForced,
  removeNetwork,
} from './engines.ts';
import { interleave, median } from './measure.ts';

const OWN = 'bench-start';
const ROUNDS = 40;
/** Milliseconds from one container's end to the next one's start. */
const SETTLED = 100;

/** What a start pays for its network: the same start without one is taken off, round by round. */
export const networkStart: BenchCase = {
  name: 'network-start',
  title: 'create + start through the API: without a network, and how much longer with one',
  unit: 'ms',
  more: 'worse',
  async measure(_root, peers) {
    const list = engines(peers);
    for (const { socket } of list) await createNetwork(socket, OWN);
    const contenders = list.flatMap(({ name, socket }) =>
      ['none', 'bridge', OWN].map((network) => ({
        name: `${name} ${network}`,
        run: async () => {
          let id = '';
          const milliseconds = await elapsed(async () => {
            id = await createAndStart(socket, undefined, { NetworkMode: network });
          });
          await removeForced(socket, id);
          // The kernel takes namespaces and interfaces apart when it likes: not in the next one's time.
          await pause(SETTLED);
          return milliseconds;
        },
      })),
    );
    const figures = await interleave(contenders, ROUNDS);
    for (const { socket } of list) await removeNetwork(socket, OWN);
    return list.flatMap(({ name }): Row[] => {
      const without = figures.get(`${name} none`)!;
      const more = (network: string): number =>
        median(figures.get(`${name} ${network}`)!.map((milliseconds, round) => milliseconds - without[round]!));
      return [
        { name: `${name}, --network none`, figure: median(without), against: 'dockerd, --network none' },
        { name: `${name}, default bridge: more`, figure: more('bridge'), against: 'dockerd, default bridge: more' },
        { name: `${name}, own network, names: more`, figure: more(OWN), against: 'dockerd, own network, names: more' },
      ];
    });
  },
};
