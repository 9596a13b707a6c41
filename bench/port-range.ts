import { type BenchCase, createAndStart, elapsed, engines, pause, type Row, removeForced, rowsOf } from './engines.ts';
import { must } from './measure.ts';

const FIRST_PORT = 20_000;
const PORTS = 10_000;
const ROUNDS = 5;
/** Milliseconds after which the processes that start a container have ended. */
const SETTLED = 300;

/** As `-p 20000-29999:20000-29999`. */
function published(): { host: object; more: object } {
  const ports = Array.from({ length: PORTS }, (_, index) => FIRST_PORT + index);
  const of = (value: (port: number) => unknown) =>
    Object.fromEntries(ports.map((port) => [`${port}/tcp`, value(port)]));
  return {
    host: { PortBindings: of((port) => [{ HostPort: `${port}` }]) },
    more: { ExposedPorts: of(() => ({})) },
  };
}

/** dockerd has no figure here: its 20,000 processes for 10,000 ports are more than a machine should be asked for. */
export const portRange: BenchCase = {
  name: 'port-range',
  title: `a range of ${PORTS} ports published by a container (API), and what ports cost the engine itself`,
  unit: 'ms',
  more: 'worse',
  async measure(root, peers) {
    const [gantryd] = engines(peers);
    const { socket, pids } = gantryd!;
    const { host, more } = published();
    const processes = [0, 0];
    const timed = async (which: 0 | 1, ...container: [hostConfig?: object, more?: object]): Promise<number> => {
      let id = '';
      const milliseconds = await elapsed(async () => {
        id = await createAndStart(socket, undefined, ...container);
      });
      await pause(SETTLED);
      processes[which] = pids().length;
      await removeForced(socket, id);
      return milliseconds;
    };
    const withNone = 'create + start without ports';
    const rows = await rowsOf(
      [
        { name: withNone, run: () => timed(0) },
        { name: `create + start with ${PORTS} ports`, run: () => timed(1, host, more) },
      ],
      ROUNDS,
      withNone,
    );
    const alone = await must(['unshare', '--net', process.execPath, `${root}/bench/ports.ts`]);
    return [
      ...rows,
      { name: 'processes of the engine that the ports add', figure: processes[1]! - processes[0]!, unit: 'processes' },
      ...(JSON.parse(alone.stdout) as Row[]),
    ];
  },
};
