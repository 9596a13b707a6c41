import { isIP } from 'node:net';
import { posix } from 'node:path';
import { GantryError, notSupportedYet } from '../../../api/errors.ts';
import type { ContainerConfig } from '../../../api/schemas/container.ts';
import type { HostConfig } from '../../../api/schemas/host-config.ts';
import { portRequests } from '../../../network/ports/port-request.ts';
import { normalizeCapabilities } from '../../../runtime/spec/capabilities.ts';
import { parseDeviceRule } from '../../../runtime/spec/devices.ts';
import type { HostFacts } from '../../../runtime/spec/host-facts.ts';
import { tmpfsOptions } from '../../../runtime/spec/mounts.ts';
import { RLIMIT_NAMES } from '../../../runtime/spec/rlimits.ts';
import { checkRestartPolicy, isNoRestart } from './restart-policy.ts';

const invalid = (message: string) => new GantryError('invalid_parameter', message);

/** Checks what needs nothing but the request itself. Throws invalid_parameter. */
export function checkHostConfig(hostConfig: HostConfig, host: HostFacts): void {
  if (hostConfig.AutoRemove === true && !isNoRestart(hostConfig.RestartPolicy)) {
    throw invalid("can't create 'AutoRemove' container with restart policy");
  }
  checkRestartPolicy(hostConfig.RestartPolicy ?? {});
  normalizeCapabilities(hostConfig.CapAdd ?? [], host.capabilities);
  normalizeCapabilities(hostConfig.CapDrop ?? [], host.capabilities);
  const isolation = hostConfig.Isolation ?? '';
  if (isolation !== '' && isolation !== 'default') throw invalid(`invalid isolation '${isolation}' on linux`);
  if (Object.keys(hostConfig.Annotations ?? {}).includes('')) {
    throw invalid('invalid Annotations: the empty string is not permitted as an annotation key');
  }
  const score = hostConfig.OomScoreAdj ?? 0;
  if (score < -1000 || score > 1000) {
    throw invalid(`Invalid value ${score}, range for oom score adj is [-1000, 1000]`);
  }
  for (const entry of hostConfig.ExtraHosts ?? []) checkExtraHost(entry);
  for (const address of hostConfig.Dns ?? []) {
    if (isIP(address) === 0) throw invalid(`${address} is not an ip address`);
  }
  for (const rule of hostConfig.DeviceCgroupRules ?? []) parseDeviceRule(rule);
  checkUlimits(hostConfig);
  checkDevices(hostConfig);
  for (const [destination, options] of Object.entries(hostConfig.Tmpfs ?? {})) {
    if (posix.normalize(destination) === '/') throw invalid("invalid specification: destination can't be '/'");
    if (!destination.startsWith('/')) throw invalid(`invalid mount path: '${destination}' mount path must be absolute`);
    tmpfsOptions(options);
  }
}

/** "host:ip" or "host=ip"; host-gateway stands for the bridge's address. */
function checkExtraHost(entry: string): void {
  const at = entry.includes('=') ? entry.indexOf('=') : entry.indexOf(':');
  if (at <= 0) throw invalid(`bad format for add-host: "${entry}"`);
  const address = entry.slice(at + 1).replace(/^\[(.*)\]$/, '$1');
  if (address !== 'host-gateway' && isIP(address) === 0) throw invalid(`invalid IP address in add-host: "${address}"`);
}

function checkUlimits(hostConfig: HostConfig): void {
  for (const { Name = '', Soft = 0, Hard = 0 } of hostConfig.Ulimits ?? []) {
    if (!RLIMIT_NAMES.includes(Name)) throw invalid(`invalid ulimit type: ${Name}`);
    if (Hard !== -1 && (Soft > Hard || Soft === -1)) {
      throw invalid(`ulimit soft limit must be less than or equal to hard limit: ${Soft} > ${Hard}`);
    }
  }
}

function checkDevices(hostConfig: HostConfig): void {
  for (const { PathOnHost = '', CgroupPermissions = '' } of hostConfig.Devices ?? []) {
    // A name such as vendor.com/class=device belongs to the Container Device Interface.
    if (/^[^/]+\/[^/=]+=/.test(PathOnHost)) throw notSupportedYet('a CDI device');
    if (PathOnHost === '') throw invalid('invalid device specification: path on host is empty');
    if (!/^[rwm]*$/.test(CgroupPermissions)) throw invalid(`invalid device mode: ${CgroupPermissions}`);
  }
}

/**
 * Refuses what the Engine API has and this version does not, so that nobody believes to have what is silently missing.
 * Throws not_supported.
 */
export function refuseUnsupported(hostConfig: HostConfig): void {
  const refused: [boolean, string][] = [
    [Boolean(hostConfig.DeviceRequests?.length), 'a device request (--gpus)'],
    [Object.keys(hostConfig.StorageOpt ?? {}).length > 0, 'a storage option (--storage-opt)'],
    [Boolean(hostConfig.Cgroup), 'joining the cgroup of another container'],
  ];
  for (const [present, what] of refused) if (present) throw notSupportedYet(what);
}

/** Published ports mean nothing on the host's network. Throws invalid_parameter for what is no port. */
export function checkPublishedPorts(hostConfig: HostConfig, config: ContainerConfig): string[] {
  const { PortBindings: bindings, PublishAllPorts: publishAll, NetworkMode: mode } = hostConfig;
  portRequests({ bindings, exposed: config.ExposedPorts, publishAll: publishAll === true });
  const discarded = mode === 'host' && Object.keys(bindings ?? {}).length > 0;
  return discarded ? ['Published ports are discarded when using host network mode'] : [];
}
