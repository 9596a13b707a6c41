import type { ContainerStatsResponse } from '../../api/schemas/stats.ts';
import { bytesSize, humanSize } from '../../api/units.ts';
import type { Listing, Row } from '../format/rows.ts';
import { shortId } from './text.ts';

/** `docker stats`. */
export const STATS_LISTING: Listing = {
  headers: {
    Container: 'CONTAINER',
    ID: 'CONTAINER ID',
    Name: 'NAME',
    CPUPerc: 'CPU %',
    MemUsage: 'MEM USAGE / LIMIT',
    MemPerc: 'MEM %',
    NetIO: 'NET I/O',
    BlockIO: 'BLOCK I/O',
    PIDs: 'PIDS',
  },
  table: 'table {{.ID}}\t{{.Name}}\t{{.CPUPerc}}\t{{.MemUsage}}\t{{.MemPerc}}\t{{.NetIO}}\t{{.BlockIO}}\t{{.PIDs}}',
  quiet: 'ID',
  type: '*container.statsContext',
};

/** Share of one processor since the sample before, in percent: 100 is one processor full. */
export function cpuPercent(stats: ContainerStatsResponse): number {
  const now = stats.cpu_stats;
  const before = stats.precpu_stats;
  const used = (now?.cpu_usage?.total_usage ?? 0) - (before?.cpu_usage?.total_usage ?? 0);
  const system = (now?.system_cpu_usage ?? 0) - (before?.system_cpu_usage ?? 0);
  const online = now?.online_cpus || now?.cpu_usage?.percpu_usage?.length || 1;
  return used > 0 && system > 0 ? (used / system) * online * 100 : 0;
}

/** Memory in use less the page cache that can go: v1 total_inactive_file, v2 inactive_file. */
export function memoryUsed(stats: ContainerStatsResponse): number {
  const memory = stats.memory_stats;
  const usage = memory?.usage ?? 0;
  const detail = (memory?.stats ?? {}) as Record<string, number | null | undefined>;
  const cache = detail.total_inactive_file ?? detail.inactive_file ?? 0;
  return cache < usage ? usage - cache : usage;
}

function blockIo(stats: ContainerStatsResponse): { read: number; write: number } {
  let read = 0;
  let write = 0;
  for (const entry of stats.blkio_stats?.io_service_bytes_recursive ?? []) {
    const op = entry.op?.toLowerCase();
    if (op === 'read') read += entry.value ?? 0;
    else if (op === 'write') write += entry.value ?? 0;
  }
  return { read, write };
}

/** `stats` null: the container does not run or has not answered yet. */
export function statsRow(
  container: { asked: string; id: string; name: string },
  stats: ContainerStatsResponse | null,
  truncate: boolean,
): Row {
  const base = {
    Container: container.asked,
    ID: truncate ? shortId(container.id) : container.id,
    Name: container.name,
  };
  if (stats === null) {
    return { ...base, CPUPerc: '--', MemUsage: '-- / --', MemPerc: '--', NetIO: '--', BlockIO: '--', PIDs: '--' };
  }
  const used = memoryUsed(stats);
  const limit = stats.memory_stats?.limit ?? 0;
  const networks = Object.values(stats.networks ?? {}) as { rx_bytes?: number; tx_bytes?: number }[];
  const received = networks.reduce((sum, network) => sum + (network.rx_bytes ?? 0), 0);
  const sent = networks.reduce((sum, network) => sum + (network.tx_bytes ?? 0), 0);
  const { read, write } = blockIo(stats);
  return {
    ...base,
    CPUPerc: `${cpuPercent(stats).toFixed(2)}%`,
    MemUsage: `${bytesSize(used)} / ${bytesSize(limit)}`,
    MemPerc: `${(limit === 0 ? 0 : (used / limit) * 100).toFixed(2)}%`,
    NetIO: `${humanSize(received, 3)} / ${humanSize(sent, 3)}`,
    BlockIO: `${humanSize(read, 3)} / ${humanSize(write, 3)}`,
    PIDs: String(stats.pids_stats?.current ?? 0),
  };
}
