import type { HostConfig } from '../../api/schemas/host-config.ts';
import type { HostDevices } from './devices.ts';
import type { OciResources } from './types.ts';

/** CFS period that --cpus is counted in, microseconds. */
const CPU_PERIOD = 100_000;

/**
 * Limits of the cgroup (config-linux.md, "Control groups"). Values the host cannot enforce were dropped with a warning
 * at create; see engine/containers/create-options. Throws system for block devices that are not there.
 */
export function buildResources(hostConfig: HostConfig, devices: HostDevices): OciResources {
  const resources: OciResources = {};
  const memory = memoryResources(hostConfig);
  if (Object.keys(memory).length > 0) resources.memory = memory;
  const cpu = cpuResources(hostConfig);
  if (Object.keys(cpu).length > 0) resources.cpu = cpu;
  const pids = hostConfig.PidsLimit;
  // A new cgroup has no limit; crun 1.8 cannot write that one.
  if (pids !== undefined && pids !== null && pids > 0) resources.pids = { limit: pids };
  const blockIO = blockIoResources(hostConfig, devices);
  if (Object.keys(blockIO).length > 0) resources.blockIO = blockIO;
  return resources;
}

/** What `docker update` sends to the runtime: as above, but -1 takes a limit away (for pids 0 as well). */
export function buildUpdateResources(hostConfig: HostConfig, devices: HostDevices): OciResources {
  const resources = buildResources(hostConfig, devices);
  if (hostConfig.MemorySwap === -1) resources.memory = { ...resources.memory, swap: -1 };
  if ((hostConfig.CpuQuota ?? 0) < 0) resources.cpu = { ...resources.cpu, quota: -1 };
  if (hostConfig.PidsLimit != null && hostConfig.PidsLimit <= 0) resources.pids = { limit: -1 };
  return resources;
}

function memoryResources(hostConfig: HostConfig): NonNullable<OciResources['memory']> {
  const memory: NonNullable<OciResources['memory']> = {};
  if ((hostConfig.Memory ?? 0) > 0) memory.limit = hostConfig.Memory!;
  if ((hostConfig.MemorySwap ?? 0) > 0) memory.swap = hostConfig.MemorySwap!;
  if ((hostConfig.MemoryReservation ?? 0) > 0) memory.reservation = hostConfig.MemoryReservation!;
  // Absent and -1 both mean: the host's value.
  if (hostConfig.MemorySwappiness !== undefined && hostConfig.MemorySwappiness >= 0) {
    memory.swappiness = hostConfig.MemorySwappiness;
  }
  if (hostConfig.OomKillDisable === true) memory.disableOOMKiller = true;
  return memory;
}

function cpuResources(hostConfig: HostConfig): NonNullable<OciResources['cpu']> {
  const cpu: NonNullable<OciResources['cpu']> = {};
  if ((hostConfig.CpuShares ?? 0) > 0) cpu.shares = hostConfig.CpuShares!;
  if ((hostConfig.NanoCpus ?? 0) > 0) {
    cpu.period = CPU_PERIOD;
    cpu.quota = Math.floor((hostConfig.NanoCpus! * CPU_PERIOD) / 1e9);
  }
  if (hostConfig.CpuPeriod) cpu.period = hostConfig.CpuPeriod;
  // -1 is "no limit", which is what a new cgroup has; crun 1.8 refuses to write it on cgroup v1.
  if ((hostConfig.CpuQuota ?? 0) > 0) cpu.quota = hostConfig.CpuQuota!;
  if (hostConfig.CpuRealtimePeriod) cpu.realtimePeriod = hostConfig.CpuRealtimePeriod;
  if (hostConfig.CpuRealtimeRuntime) cpu.realtimeRuntime = hostConfig.CpuRealtimeRuntime;
  if (hostConfig.CpusetCpus) cpu.cpus = hostConfig.CpusetCpus;
  if (hostConfig.CpusetMems) cpu.mems = hostConfig.CpusetMems;
  return cpu;
}

function blockIoResources(hostConfig: HostConfig, devices: HostDevices): NonNullable<OciResources['blockIO']> {
  const blockIO: NonNullable<OciResources['blockIO']> = {};
  if (hostConfig.BlkioWeight) blockIO.weight = hostConfig.BlkioWeight;
  if (hostConfig.BlkioWeightDevice?.length) {
    blockIO.weightDevice = hostConfig.BlkioWeightDevice.map(({ Path = '', Weight = 0 }) => {
      const { major, minor } = devices.at(Path);
      return { major, minor, weight: Weight };
    });
  }
  for (const [field, key] of THROTTLES) {
    const list = hostConfig[field];
    if (!list?.length) continue;
    blockIO[key] = list.map(({ Path = '', Rate = 0 }) => {
      const { major, minor } = devices.at(Path);
      return { major, minor, rate: Rate };
    });
  }
  return blockIO;
}

const THROTTLES = [
  ['BlkioDeviceReadBps', 'throttleReadBpsDevice'],
  ['BlkioDeviceWriteBps', 'throttleWriteBpsDevice'],
  ['BlkioDeviceReadIOps', 'throttleReadIOPSDevice'],
  ['BlkioDeviceWriteIOps', 'throttleWriteIOPSDevice'],
] as const;
