import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import type {
  ContainerBlkioStatEntry,
  ContainerBlkioStats,
  ContainerCPUStats,
  ContainerMemoryStats,
  ContainerPidsStats,
} from '../api/schemas/stats.ts';
import { type Cgroups, readCgroupFile, readCgroupNumber, readCgroupTable } from '../linux/cgroup.ts';

/** The parts of the Engine API's ContainerStatsResponse that a cgroup knows. */
export interface CgroupStats {
  pids_stats: ContainerPidsStats;
  blkio_stats: ContainerBlkioStats;
  cpu_stats: ContainerCPUStats;
  memory_stats: ContainerMemoryStats;
}

/** USER_HZ, in which the kernel reports ticks to user space: 100 on every architecture we run on. */
const NS_PER_TICK = 10_000_000;

/** Reads a cgroup's counters. What the host does not account for is left out, as Docker does; a cgroup that is gone gives zeros. */
export function readCgroupStats(cgroups: Cgroups, cgroupsPath: string): CgroupStats {
  const at = (controller: string) => cgroups.directory(controller, cgroupsPath) ?? '/nonexistent';
  const v2 = cgroups.mode === 'v2';
  return {
    pids_stats: readPids(at('pids')),
    blkio_stats: v2 ? readIoV2(at('io')) : readBlkioV1(at('blkio')),
    cpu_stats: { ...(v2 ? readCpuV2(at('cpu')) : readCpuV1(at('cpuacct'), at('cpu'))), ...hostCpu() },
    memory_stats: v2 ? readMemoryV2(at('memory')) : readMemoryV1(at('memory')),
  };
}

/** An unlimited pids.max is left out: 2^64-1, which Docker shows, is no number that JSON from here could carry exactly. */
function readPids(dir: string): ContainerPidsStats {
  const current = readCgroupNumber(path.join(dir, 'pids.current'));
  const limit = readCgroupNumber(path.join(dir, 'pids.max'));
  return { ...(current === null ? {} : { current }), ...(limit === null ? {} : { limit }) };
}

function readCpuV1(cpuacct: string, cpu: string): ContainerCPUStats {
  const ticks = readCgroupTable(path.join(cpuacct, 'cpuacct.stat'));
  const throttling = readCgroupTable(path.join(cpu, 'cpu.stat'));
  const perCpu = readCgroupFile(path.join(cpuacct, 'cpuacct.usage_percpu'))?.trim();
  return {
    cpu_usage: {
      total_usage: readCgroupNumber(path.join(cpuacct, 'cpuacct.usage')) ?? 0,
      ...(perCpu ? { percpu_usage: perCpu.split(/\s+/).map(Number) } : {}),
      usage_in_kernelmode: (ticks.get('system') ?? 0) * NS_PER_TICK,
      usage_in_usermode: (ticks.get('user') ?? 0) * NS_PER_TICK,
    },
    throttling_data: {
      periods: throttling.get('nr_periods') ?? 0,
      throttled_periods: throttling.get('nr_throttled') ?? 0,
      throttled_time: throttling.get('throttled_time') ?? 0,
    },
  };
}

function readCpuV2(dir: string): ContainerCPUStats {
  const stat = readCgroupTable(path.join(dir, 'cpu.stat'));
  const ns = (key: string) => (stat.get(key) ?? 0) * 1000;
  return {
    cpu_usage: {
      total_usage: ns('usage_usec'),
      usage_in_kernelmode: ns('system_usec'),
      usage_in_usermode: ns('user_usec'),
    },
    throttling_data: {
      periods: stat.get('nr_periods') ?? 0,
      throttled_periods: stat.get('nr_throttled') ?? 0,
      throttled_time: ns('throttled_usec'),
    },
  };
}

/** Time of all processors since boot, in ns, without guest time (which user time contains). */
function hostCpu(): { system_cpu_usage: number; online_cpus: number } {
  const lines = fs.readFileSync('/proc/stat', 'utf8').split('\n');
  const ticks = lines[0]!.split(/\s+/).slice(1, 8).map(Number);
  return {
    system_cpu_usage: ticks.reduce((sum, n) => sum + n, 0) * NS_PER_TICK,
    online_cpus: lines.filter((line) => /^cpu\d/.test(line)).length,
  };
}

function readMemoryV1(dir: string): ContainerMemoryStats {
  const usage = readCgroupNumber(path.join(dir, 'memory.usage_in_bytes'));
  if (usage === null) return {};
  return {
    usage,
    max_usage: readCgroupNumber(path.join(dir, 'memory.max_usage_in_bytes')) ?? 0,
    stats: Object.fromEntries(readCgroupTable(path.join(dir, 'memory.stat'))),
    failcnt: readCgroupNumber(path.join(dir, 'memory.failcnt')) ?? 0,
    limit: Math.min(readCgroupNumber(path.join(dir, 'memory.limit_in_bytes')) ?? Infinity, os.totalmem()),
  };
}

function readMemoryV2(dir: string): ContainerMemoryStats {
  const usage = readCgroupNumber(path.join(dir, 'memory.current'));
  if (usage === null) return {};
  const peak = readCgroupNumber(path.join(dir, 'memory.peak'));
  const failcnt = readCgroupTable(path.join(dir, 'memory.events')).get('oom') ?? 0;
  return {
    usage,
    ...(peak === null ? {} : { max_usage: peak }),
    stats: Object.fromEntries(readCgroupTable(path.join(dir, 'memory.stat'))),
    ...(failcnt === 0 ? {} : { failcnt }),
    limit: Math.min(readCgroupNumber(path.join(dir, 'memory.max')) ?? Infinity, os.totalmem()),
  };
}

/** Every field, for what has done no input or output. */
export const NO_IO: ContainerBlkioStats = {
  io_service_bytes_recursive: [],
  io_serviced_recursive: null,
  io_queue_recursive: null,
  io_service_time_recursive: null,
  io_wait_time_recursive: null,
  io_merged_recursive: null,
  io_time_recursive: null,
  sectors_recursive: null,
};

/** blkio.throttle.* is there whatever the I/O scheduler; the plain names only with BFQ or the old CFQ. */
function readBlkioV1(dir: string): ContainerBlkioStats {
  return {
    ...NO_IO,
    io_service_bytes_recursive: blkioEntries(path.join(dir, 'blkio.throttle.io_service_bytes_recursive')),
    io_serviced_recursive: blkioEntries(path.join(dir, 'blkio.throttle.io_serviced_recursive')),
  };
}

/** Lines "MAJOR:MINOR Read N"; the last one, "Total N", is no device's. */
function blkioEntries(file: string): ContainerBlkioStatEntry[] {
  const entries: ContainerBlkioStatEntry[] = [];
  for (const line of (readCgroupFile(file) ?? '').split('\n')) {
    const match = /^(\d+):(\d+) (\w+) (\d+)$/.exec(line);
    if (match === null) continue;
    entries.push({
      major: Number(match[1]),
      minor: Number(match[2]),
      op: match[3]!.toLowerCase(),
      value: Number(match[4]),
    });
  }
  return entries;
}

/** Lines "MAJOR:MINOR rbytes=N wbytes=N rios=N wios=N ...". */
function readIoV2(dir: string): ContainerBlkioStats {
  const bytes: ContainerBlkioStatEntry[] = [];
  const operations: ContainerBlkioStatEntry[] = [];
  for (const line of (readCgroupFile(path.join(dir, 'io.stat')) ?? '').split('\n')) {
    const device = /^(\d+):(\d+) /.exec(line);
    if (device === null) continue;
    const [major, minor] = [Number(device[1]), Number(device[2])];
    const value = (key: string) => Number(new RegExp(`\\b${key}=(\\d+)`).exec(line)?.[1] ?? 0);
    bytes.push(
      { major, minor, op: 'read', value: value('rbytes') },
      { major, minor, op: 'write', value: value('wbytes') },
    );
    operations.push(
      { major, minor, op: 'read', value: value('rios') },
      { major, minor, op: 'write', value: value('wios') },
    );
  }
  return { ...NO_IO, io_service_bytes_recursive: bytes, io_serviced_recursive: operations };
}
