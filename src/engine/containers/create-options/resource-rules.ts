import { GantryError } from '../../../api/errors.ts';
import type { HostConfig } from '../../../api/schemas/host-config.ts';
import { countList, type HostFacts } from '../../../runtime/spec/host-facts.ts';

const invalid = (message: string) => new GantryError('invalid_parameter', message);

const MINIMUM_MEMORY = 6 * 1024 * 1024;

/**
 * Checks the limits against the host, dropping (with the warning that clients show) what its kernel cannot enforce.
 * Changes `resources`. `update`: a swap limit without a memory limit is fine, the container may have one already.
 * Throws invalid_parameter.
 */
export function checkResources(resources: HostConfig, host: HostFacts, update: boolean): string[] {
  const warnings: string[] = [];
  checkMemory(resources, host, update, warnings);
  checkCpu(resources, host, warnings);
  checkCpuset(resources, host, warnings);
  checkBlockIo(resources, host, warnings);
  return warnings;
}

function checkMemory(resources: HostConfig, host: HostFacts, update: boolean, warnings: string[]): void {
  const { features } = host;
  if (resources.MemorySwappiness === -1) delete resources.MemorySwappiness;
  const memory = () => resources.Memory ?? 0;
  const swap = () => resources.MemorySwap ?? 0;

  if (memory() !== 0 && memory() < MINIMUM_MEMORY) throw invalid('Minimum memory limit allowed is 6MB');
  if (memory() > 0 && !features.memory) {
    warnings.push(
      'Your kernel does not support memory limit capabilities or the cgroup is not mounted. Limitation discarded.',
    );
    resources.Memory = 0;
    resources.MemorySwap = -1;
  }
  if (memory() > 0 && swap() !== -1 && !features.swap) {
    warnings.push(
      'Your kernel does not support swap limit capabilities or the cgroup is not mounted. Memory limited without swap.',
    );
    resources.MemorySwap = -1;
  }
  if (memory() > 0 && swap() > 0 && swap() < memory()) {
    throw invalid('Minimum memoryswap limit should be larger than memory limit, see usage');
  }
  if (memory() === 0 && swap() > 0 && !update) {
    throw invalid('You should always set the Memory limit when using Memoryswap limit, see usage');
  }
  const swappiness = resources.MemorySwappiness;
  if (swappiness !== undefined) {
    if (!features.swappiness) {
      warnings.push(
        'Your kernel does not support memory swappiness capabilities or the cgroup is not mounted. Memory swappiness discarded.',
      );
      delete resources.MemorySwappiness;
    } else if (swappiness < 0 || swappiness > 100) {
      throw invalid(`Invalid value: ${swappiness}, valid memory swappiness range is 0-100`);
    }
  }
  const reservation = resources.MemoryReservation ?? 0;
  if (reservation > 0 && !features.reservation) {
    warnings.push(
      'Your kernel does not support memory soft limit capabilities or the cgroup is not mounted. Limitation discarded.',
    );
    resources.MemoryReservation = 0;
  } else if (reservation > 0) {
    if (reservation < MINIMUM_MEMORY) throw invalid('Minimum memory reservation allowed is 6MB');
    if (memory() > 0 && memory() < reservation) {
      throw invalid('Minimum memory limit can not be less than memory reservation limit, see usage');
    }
  }
  if (resources.OomKillDisable !== undefined && !features.oomKillDisable) {
    if (resources.OomKillDisable) {
      warnings.push('Your kernel does not support OomKillDisable. OomKillDisable discarded.');
    }
    delete resources.OomKillDisable;
  }
  if (resources.OomKillDisable === true && memory() === 0) {
    warnings.push(
      'OOM killer is disabled for the container, but no memory limit is set, this can result in the system running out of resources.',
    );
  }
  if (resources.PidsLimit != null && !features.pids) {
    if (resources.PidsLimit > 0) {
      warnings.push(
        'Your kernel does not support PIDs limit capabilities or the cgroup is not mounted. PIDs limit discarded.',
      );
    }
    delete resources.PidsLimit;
  }
}

function checkCpu(resources: HostConfig, host: HostFacts, warnings: string[]): void {
  const { features, cpuCount } = host;
  const nano = resources.NanoCpus ?? 0;
  if (nano > 0 && (resources.CpuPeriod ?? 0) > 0) {
    throw invalid('Conflicting options: Nano CPUs and CPU Period cannot both be set');
  }
  if (nano > 0 && (resources.CpuQuota ?? 0) > 0) {
    throw invalid('Conflicting options: Nano CPUs and CPU Quota cannot both be set');
  }
  if (nano > 0 && !features.cpuCfs) {
    throw invalid(
      'NanoCPUs can not be set, as your kernel does not support CPU CFS scheduler or the cgroup is not mounted',
    );
  }
  if (nano < 0 || nano > cpuCount * 1e9) {
    throw invalid(`range of CPUs is from 0.01 to ${cpuCount}.00, as there are only ${cpuCount} CPUs available`);
  }
  if ((resources.CpuShares ?? 0) < 0) throw invalid('invalid CPU shares: shares must not be negative');
  if ((resources.CpuShares ?? 0) > 0 && !features.cpuShares) {
    warnings.push('Your kernel does not support CPU shares or the cgroup is not mounted. Shares discarded.');
    resources.CpuShares = 0;
  }
  if ((resources.CpuPeriod || resources.CpuQuota) && !features.cpuCfs) {
    warnings.push('Your kernel does not support CPU CFS scheduler. CPU period/quota discarded.');
    resources.CpuPeriod = 0;
    resources.CpuQuota = 0;
  }
  const period = resources.CpuPeriod ?? 0;
  if (period !== 0 && (period < 1000 || period > 1_000_000)) {
    throw invalid('CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)');
  }
  const quota = resources.CpuQuota ?? 0;
  if (quota > 0 && quota < 1000) throw invalid('CPU cfs quota can not be less than 1ms (i.e. 1000)');
  if ((resources.CpuCount ?? 0) > 0) {
    warnings.push('linux does not support CPU count. Count discarded.');
    resources.CpuCount = 0;
  }
  if ((resources.CpuPercent ?? 0) > 0) {
    warnings.push('linux does not support CPU percent. Percent discarded.');
    resources.CpuPercent = 0;
  }
  const rtPeriod = resources.CpuRealtimePeriod ?? 0;
  const rtRuntime = resources.CpuRealtimeRuntime ?? 0;
  if ((rtPeriod !== 0 || rtRuntime !== 0) && !features.cpuRealtime) {
    throw invalid('kernel does not support CPU real-time scheduler');
  }
  if (rtPeriod !== 0 && rtRuntime !== 0 && rtRuntime > rtPeriod) {
    throw invalid('cpu real-time runtime cannot be higher than cpu real-time period');
  }
}

function checkCpuset(resources: HostConfig, host: HostFacts, warnings: string[]): void {
  if ((resources.CpusetCpus || resources.CpusetMems) && !host.features.cpuset) {
    warnings.push('Your kernel does not support cpuset or the cgroup is not mounted. Cpuset discarded.');
    resources.CpusetCpus = '';
    resources.CpusetMems = '';
  }
  checkList(resources.CpusetCpus ?? '', host.cpus, 'cpuset cpus', 'CPUs');
  checkList(resources.CpusetMems ?? '', host.mems, 'cpuset mems', 'memory nodes');
}

function checkList(list: string, available: string, field: string, things: string): void {
  if (list === '') return;
  const wanted = parseList(list);
  if (wanted === null) throw invalid(`Invalid value ${list} for ${field}`);
  const there = parseList(available) ?? new Set<number>();
  if ([...wanted].some((number) => !there.has(number))) {
    throw invalid(`Requested ${things} are not available - requested ${list}, available: ${available}`);
  }
}

/** Numbers of "0-3,7"; null when it is not of that form or absurdly long. */
function parseList(list: string): Set<number> | null {
  if (!/^\d{1,4}(-\d{1,4})?(,\d{1,4}(-\d{1,4})?)*$/.test(list) || countList(list) > 8192) return null;
  const numbers = new Set<number>();
  for (const part of list.split(',')) {
    const [from, to] = part.split('-').map(Number);
    if (to !== undefined && to < from!) return null;
    for (let number = from!; number <= (to ?? from!); number++) numbers.add(number);
  }
  return numbers;
}

function checkBlockIo(resources: HostConfig, host: HostFacts, warnings: string[]): void {
  const { features } = host;
  const weight = resources.BlkioWeight ?? 0;
  if (weight > 0 && !features.blkioWeight) {
    warnings.push('Your kernel does not support Block I/O weight or the cgroup is not mounted. Weight discarded.');
    resources.BlkioWeight = 0;
  } else if (weight !== 0 && (weight < 10 || weight > 1000)) {
    throw invalid('Range of blkio weight is from 10 to 1000');
  }
  if ((resources.IOMaximumBandwidth ?? 0) !== 0 || (resources.IOMaximumIOps ?? 0) !== 0) {
    throw invalid('Invalid QoS settings: linux does not support Maximum IO Bandwidth or Maximum IO IOps');
  }
  if (resources.BlkioWeightDevice?.length && !features.blkioWeightDevice) {
    warnings.push(
      'Your kernel does not support Block I/O weight_device or the cgroup is not mounted. Weight-device discarded.',
    );
    resources.BlkioWeightDevice = [];
  }
  for (const [field, kind, direction] of THROTTLES) {
    if (!resources[field]?.length || features.blkioThrottle) continue;
    warnings.push(
      `Your kernel does not support ${kind} Block ${kind === 'BPS' ? 'I/O ' : ''}${direction} limit or the cgroup is not mounted. Block I/O ${kind} ${direction} limit discarded.`,
    );
    resources[field] = [];
  }
}

const THROTTLES = [
  ['BlkioDeviceReadBps', 'BPS', 'read'],
  ['BlkioDeviceWriteBps', 'BPS', 'write'],
  ['BlkioDeviceReadIOps', 'IOPS', 'read'],
  ['BlkioDeviceWriteIOps', 'IOPS', 'write'],
] as const;
