/**
 * What publishing ports costs the engine: a range of 10,000, single ports with many others there, and looking after the rules.
 * Run in a network namespace of its own: sudo unshare --net node bench/ports.ts
 */
import { execFileSync } from 'node:child_process';
import type { PortRequest } from '../src/network/ports/contract.ts';
import { PublishedPorts } from '../src/network/ports/published-ports.ts';
import type { Row } from './engines.ts';
import { median } from './measure.ts';

execFileSync('sh', [
  '-ec',
  'ip link set lo up; ip link add br0 type bridge; ip link set br0 up; ip addr add 10.88.0.1/24 dev br0',
]);

const log = { info: () => {}, warn: (message: string) => console.error(message) };
const ports = new PublishedPorts({ table: 'gantry_bench', iptables: true, ip6tables: true, userlandProxy: true }, log);
ports.restore([{ name: 'br0', subnets: ['10.88.0.0/24'] }], []);

const endpoint = (id: string) => ({ id, ipAddress: '10.88.0.2', ipv6Address: '', hostInterface: '', hostBinding: '' });
const request = (hostPort: number, containerPort: number): PortRequest => ({
  containerPort,
  protocol: 'tcp',
  hostIp: '',
  hostPort,
  hostPortEnd: hostPort,
});

const rows: Row[] = [];

function measure(name: string, times: number, work: (round: number) => void): void {
  const durations: number[] = [];
  for (let round = 0; round < times; round++) {
    const start = performance.now();
    work(round);
    durations.push(performance.now() - start);
  }
  rows.push({ name, figure: median(durations) });
}

const range = Array.from({ length: 10_000 }, (_, index) => request(10_000 + index, 10_000 + index));
const shifted = Array.from({ length: 10_000 }, (_, index) => request(10_000 + index, 20_000 + index));
for (const [what, requests] of [
  ['10,000 ports that keep their numbers', range],
  ['10,000 ports with other numbers', shifted],
] as const) {
  measure(`publish ${what}`, 5, () => {
    ports.unpublish('range');
    ports.publish(endpoint('range'), requests);
  });
  ports.unpublish('range');
}

for (const [first, last] of [
  [0, 1],
  [1, 100],
  [100, 1000],
] as const) {
  for (let index = first; index < last; index++) ports.publish(endpoint(`c${index}`), [request(2000 + index, 80)]);
  measure(`publish and take back one port beside ${last}`, 101, () => {
    ports.publish(endpoint('one'), [request(9000, 80)]);
    ports.unpublish('one');
  });
}
measure('look whether the rules are untouched', 101, () => ports.check());
await ports.close({ keepRules: false });
console.log(JSON.stringify(rows));
