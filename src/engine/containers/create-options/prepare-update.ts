import { GantryError, notSupportedYet } from '../../../api/errors.ts';
import type { HostConfig, PortMap, Resources, RestartPolicy } from '../../../api/schemas/host-config.ts';
import type { HostFacts } from '../../../runtime/spec/host-facts.ts';
import type { ContainerRecord } from '../../container-record.ts';
import { checkResources } from './resource-rules.ts';
import { checkRestartPolicy, isNoRestart } from './restart-policy.ts';

/** Body of ContainerUpdate. */
export type UpdateBody = Resources & {
  RestartPolicy?: RestartPolicy;
  /** Gantry's own: ports to publish and to take back. */
  PublishAdd?: PortMap;
  PublishRemove?: PortMap;
};

export interface PreparedUpdate {
  /** The container's whole new HostConfig. */
  hostConfig: HostConfig;
  /**
   * What changes, for the runtime when the container runs; see buildUpdateResources. Empty for a new restart policy
   * alone.
   */
  changed: HostConfig;
  warnings: string[];
}

/** Fields that a running container can get anew. */
const UPDATABLE = [
  'BlkioWeight',
  'CpuShares',
  'NanoCpus',
  'CpuPeriod',
  'CpuQuota',
  'CpusetCpus',
  'CpusetMems',
  'CpuRealtimePeriod',
  'CpuRealtimeRuntime',
  'Memory',
  'MemorySwap',
  'MemoryReservation',
  'PidsLimit',
] as const;

/** Of those that checkResources() tells of. */
const WARNED = ['CpuCount', 'CpuPercent'];

/**
 * Throws invalid_parameter, conflict for what does not go with the limits the container has, and not_supported for a field that
 * stays as it was created (Docker ignores it).
 */
export function prepareUpdate(record: ContainerRecord, body: UpdateBody, host: HostFacts): PreparedUpdate {
  refuseFixed(body);
  const wanted: HostConfig = structuredClone(body);
  if (body.RestartPolicy !== undefined) checkRestartPolicy(body.RestartPolicy);
  const warnings = checkResources(wanted, host, true);
  const current = record.hostConfig;
  checkAgainst(current, wanted);

  const changed: HostConfig = {};
  // 0 and '' mean "as it is", but a pids limit of 0 takes the limit away.
  for (const key of UPDATABLE) {
    const value = wanted[key];
    const given = key === 'PidsLimit' ? value != null : Boolean(value);
    if (given) Object.assign(changed, { [key]: value });
  }
  const hostConfig: HostConfig = { ...current, ...changed };
  if (body.RestartPolicy?.Name) {
    if (current.AutoRemove === true && !isNoRestart(body.RestartPolicy)) {
      throw conflict('Restart policy cannot be updated because AutoRemove is enabled for the container');
    }
    hostConfig.RestartPolicy = { MaximumRetryCount: 0, ...body.RestartPolicy };
  }
  // The kernel takes a memory limit only together with a swap limit that is at least as large.
  if (changed.Memory !== undefined && changed.MemorySwap === undefined && (current.MemorySwap ?? 0) !== 0) {
    changed.MemorySwap = current.MemorySwap!;
  }
  // And runc a swap limit only with the memory that Docker counts into it.
  if (changed.MemorySwap !== undefined && changed.Memory === undefined && (current.Memory ?? 0) > 0) {
    changed.Memory = current.Memory!;
  }
  return { hostConfig, changed, warnings };
}

/** Clients send all fields, those that they do not mean empty. */
function refuseFixed(body: UpdateBody): void {
  const free: string[] = ['RestartPolicy', 'PublishAdd', 'PublishRemove', ...UPDATABLE, ...WARNED];
  for (const [name, value] of Object.entries(body)) {
    const empty = !value || value === -1 || (Array.isArray(value) && value.length === 0);
    if (!empty && !free.includes(name)) throw notSupportedYet(`changing ${name} of a container`);
  }
}

function checkAgainst(current: HostConfig, wanted: HostConfig): void {
  const set = (value: number | undefined) => (value ?? 0) > 0;
  if (set(wanted.NanoCpus) && set(current.CpuPeriod)) {
    throw conflict('Conflicting options: Nano CPUs cannot be updated as CPU Period has already been set');
  }
  if (set(wanted.NanoCpus) && set(current.CpuQuota)) {
    throw conflict('Conflicting options: Nano CPUs cannot be updated as CPU Quota has already been set');
  }
  if (set(wanted.CpuPeriod) && set(current.NanoCpus)) {
    throw conflict('Conflicting options: CPU Period cannot be updated as NanoCPUs has already been set');
  }
  if (set(wanted.CpuQuota) && set(current.NanoCpus)) {
    throw conflict('Conflicting options: CPU Quota cannot be updated as NanoCPUs has already been set');
  }
  const swap = current.MemorySwap ?? 0;
  if (set(wanted.Memory) && swap !== -1 && wanted.Memory! > swap && !wanted.MemorySwap) {
    throw conflict(
      'Memory limit should be smaller than already set memoryswap limit, update the memoryswap at the same time',
    );
  }
}

function conflict(message: string): GantryError {
  return new GantryError('conflict', message);
}
