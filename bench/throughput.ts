import {
  type BenchCase,
  createAndStart,
  createNetwork,
  type Engine,
  engines,
  output,
  type Row,
  removeForced,
  removeNetwork,
} from './engines.ts';
import { HOST_ADDRESS, HOST_ADDRESS6 } from './host.ts';
import { type Contender, interleave, median, must } from './measure.ts';
import { provideTools, TOOLS_IMAGE } from './tools.ts';

const NETWORK = 'bench-throughput';
const SUBNET = '10.215.0.0/24';
const SERVER = { ip: '10.215.0.2', ip6: 'fd00:215::2' };
const PORT = 5201;
const SECONDS = 1;
const ROUNDS = 9;

const client = (address: string): string[] => ['iperf3', '-J', '-c', address, '-p', `${PORT}`, '-t', `${SECONDS}`];

function gigabits(report: string): number {
  return JSON.parse(report).end.sum_received.bits_per_second / 1e9;
}

/** One server on a network with both families, its port published; clients of every kind. */
function contenders({ name, socket, host }: Engine): Contender[] {
  const inContainer = (address: string) => () =>
    output(socket, client(address), { NetworkMode: NETWORK }, { Image: TOOLS_IMAGE });
  const outside = (command: string[]) => async () => (await must(command)).stdout;
  const ways: [string, () => Promise<string>][] = [
    ['container to container', inContainer(SERVER.ip)],
    ['container to container, IPv6', inContainer(SERVER.ip6)],
    ['published port, from another host', outside(host.wrapFar(client(HOST_ADDRESS)))],
    ['published port, from another host, IPv6', outside(host.wrapFar(client(HOST_ADDRESS6)))],
    ["published port, from the host's own address", outside(host.wrap(client(HOST_ADDRESS)))],
  ];
  return ways.map(([way, run]) => ({ name: `${name}, ${way}`, run: async () => gigabits(await run()) }));
}

async function startServer(socket: string): Promise<string> {
  await createNetwork(socket, NETWORK, {
    EnableIPv6: true,
    IPAM: { Config: [{ Subnet: SUBNET }, { Subnet: 'fd00:215::/64' }] },
  });
  return createAndStart(
    socket,
    ['iperf3', '-s', '-p', `${PORT}`],
    { NetworkMode: NETWORK, PortBindings: { [`${PORT}/tcp`]: [{ HostPort: `${PORT}` }] } },
    {
      Image: TOOLS_IMAGE,
      ExposedPorts: { [`${PORT}/tcp`]: {} },
      NetworkingConfig: {
        EndpointsConfig: { [NETWORK]: { IPAMConfig: { IPv4Address: SERVER.ip, IPv6Address: SERVER.ip6 } } },
      },
    },
  );
}

export const throughput: BenchCase = {
  name: 'throughput',
  title: 'throughput (iperf3, one TCP stream)',
  unit: 'Gbit/s',
  more: 'better',
  async measure(root, peers) {
    await provideTools(root, peers);
    const list = engines(peers);
    const servers: string[] = [];
    for (const { socket } of list) servers.push(await startServer(socket));
    // Way by way, the engines in turn.
    const perEngine = list.map(contenders);
    const inTurn = perEngine[0]!.flatMap((_, way) => perEngine.map((ways) => ways[way]!));
    const figures = await interleave(inTurn, ROUNDS);
    for (const [index, { socket }] of list.entries()) {
      await removeForced(socket, servers[index]!);
      await removeNetwork(socket, NETWORK);
    }
    return [...figures].map(
      ([name, values]): Row => ({
        name,
        figure: median(values),
        against: name.replace(/^[^,]*/, 'dockerd'),
      }),
    );
  },
};
