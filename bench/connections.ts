import { spawn } from 'node:child_process';
import { type BenchCase, createAndStart, type Engine, engines, pause, type Row, removeForced } from './engines.ts';
import { HOST_ADDRESS } from './host.ts';
import { interleave, median, must } from './measure.ts';
import type { Peers } from './peers.ts';
import { loadProgram, provideTools, TOOLS_IMAGE } from './tools.ts';

const PUBLISHED = [1, 100, 1000];
const FIRST_PORT = 20_000;
const CONTAINER_PORT = 80;
const CONNECTIONS = 20_000;
const ROUNDS = 2;
/** Of a round. */
const SAMPLES = 4;

/** A container that accepts connections, with so many ports of the host that lead to its one. */
function startServer({ socket }: Engine, ports: number): Promise<string> {
  const bindings = Array.from({ length: ports }, (_, index) => ({ HostPort: `${FIRST_PORT + index}` }));
  return createAndStart(
    socket,
    ['load', 'serve', `${CONTAINER_PORT}`],
    { PortBindings: { [`${CONTAINER_PORT}/tcp`]: bindings } },
    { Image: TOOLS_IMAGE, ExposedPorts: { [`${CONTAINER_PORT}/tcp`]: {} } },
  );
}

/** What client, server and kernel can do: the server on the host itself. */
async function withoutEngine(peers: Peers): Promise<Row> {
  const { gantryHost } = peers;
  const [command, ...args] = gantryHost.wrap([loadProgram(peers), 'serve', `${FIRST_PORT}`]);
  // A group of its own: it has children.
  const server = spawn(command!, args, { stdio: 'ignore', detached: true });
  try {
    await pause(200);
    const run = async () => Number((await must(gantryHost.wrapFar(client(peers, 1)))).stdout);
    const figures = await interleave([{ name: '', run }], ROUNDS * SAMPLES);
    return { name: 'no engine: a server on the host', figure: median(figures.get('')!) };
  } finally {
    process.kill(-server.pid!, 'SIGKILL');
  }
}

const client = (peers: Peers, ports: number): string[] =>
  [loadProgram(peers), 'connect', HOST_ADDRESS, FIRST_PORT, ports, CONNECTIONS].map(String);

async function measureWith(peers: Peers, ports: number): Promise<Map<string, number[]>> {
  const list = engines(peers);
  const ids: string[] = [];
  for (const engine of list) ids.push(await startServer(engine, ports));
  const contenders = list.map(({ name, host }) => ({
    name: `${name}, ${ports} published`,
    run: async () => Number((await must(host.wrapFar(client(peers, ports)))).stdout),
  }));
  const figures = await interleave(contenders, SAMPLES);
  for (const [index, { socket }] of list.entries()) await removeForced(socket, ids[index]!);
  return figures;
}

/** The client is on another host, and spreads its connections over all ports. */
export const connections: BenchCase = {
  name: 'connections',
  title: `new connections through published ports, from another host, 8 at a time (${CONNECTIONS} over all ports)`,
  unit: '/s',
  more: 'better',
  async measure(root, peers) {
    await provideTools(root, peers);
    const rows: Row[] = [await withoutEngine(peers)];
    const figures = new Map<string, number[]>();
    // The numbers of ports in turn, too: whether they are alike is the question.
    for (let round = 0; round < ROUNDS; round++) {
      for (const ports of PUBLISHED) {
        for (const [name, values] of await measureWith(peers, ports)) {
          figures.set(name, [...(figures.get(name) ?? []), ...values]);
        }
      }
    }
    for (const [name, values] of figures) {
      rows.push({ name, figure: median(values), against: name.replace(/^[^,]*/, 'dockerd') });
    }
    return rows;
  },
};
