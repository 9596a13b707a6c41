import type { ContainerStatsResponse } from '../../api/schemas/stats.ts';
import { formatTime, nowNs } from '../../api/timestamp.ts';
import { NO_IO } from '../../runtime/stats.ts';
import type { EngineContext } from '../context.ts';
import type { Container } from './container.ts';
import type { ContainerCgroups } from './contract.ts';
import { NEVER } from './status-text.ts';

type CpuStats = NonNullable<ContainerStatsResponse['cpu_stats']>;

const INTERVAL_MS = 1000;

const NO_CPU: CpuStats = {
  cpu_usage: { total_usage: 0, usage_in_kernelmode: 0, usage_in_usermode: 0 },
  throttling_data: { periods: 0, throttled_periods: 0, throttled_time: 0 },
};

export interface StatsDeps {
  context: EngineContext;
  cgroups: ContainerCgroups;
}

/**
 * Samples of a container's usage, one a second, each with the CPU figures of the one before. Not running: one sample of zeros per second when streaming,
 * so that clients that watch a stopped container go on, one alone otherwise. `oneShot`: the first sample at once, with nothing to compare it to; without it a
 * single sample waits for a second one. Ends with the removal of the container or when `signal` aborts.
 */
export async function* stats(
  container: Container,
  options: { stream: boolean; oneShot: boolean; signal: AbortSignal },
  deps: StatsDeps,
): AsyncGenerator<ContainerStatsResponse> {
  let previous: { cpu: CpuStats; read: string } | null = null;
  if (!options.stream && !container.running) {
    yield emptyStats(container);
    return;
  }
  for (let first = true; ; first = false) {
    if (options.signal.aborted || container.record.state.status === 'removing') return;
    const sample: ContainerStatsResponse = container.running
      ? sampleOf(container, deps, previous)
      : emptyStats(container);
    previous = container.running ? { cpu: sample.cpu_stats!, read: sample.read! } : null;
    // Docker lets a lone sample pass so that the client has a difference to compute percentages from.
    const skipped = first && !options.stream && !options.oneShot;
    if (!skipped) yield sample;
    if (!options.stream && !skipped) return;
    await pause(INTERVAL_MS, options.signal);
  }
}

function sampleOf(
  container: Container,
  deps: StatsDeps,
  previous: { cpu: CpuStats; read: string } | null,
): ContainerStatsResponse {
  const { pids_stats, blkio_stats, cpu_stats, memory_stats } = deps.cgroups.stats(container.cgroupsPath);
  const networks = container.record.sandbox === null ? {} : deps.context.networks.counters(container.id);
  return {
    name: `/${container.name}`,
    id: container.id,
    read: formatTime(nowNs()),
    preread: previous?.read ?? NEVER,
    pids_stats,
    blkio_stats,
    num_procs: 0,
    storage_stats: {},
    cpu_stats,
    precpu_stats: previous?.cpu ?? NO_CPU,
    memory_stats,
    ...(Object.keys(networks).length > 0 ? { networks } : {}),
  };
}

function emptyStats(container: Container): ContainerStatsResponse {
  return {
    name: `/${container.name}`,
    id: container.id,
    read: NEVER,
    preread: NEVER,
    pids_stats: {},
    blkio_stats: { ...NO_IO, io_service_bytes_recursive: null } as unknown as ContainerStatsResponse['blkio_stats'] &
      object,
    num_procs: 0,
    storage_stats: {},
    cpu_stats: NO_CPU,
    precpu_stats: NO_CPU,
    memory_stats: {},
  };
}

function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const over = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', over);
      resolve();
    };
    const timer = setTimeout(over, milliseconds);
    signal.addEventListener('abort', over, { once: true });
  });
}
