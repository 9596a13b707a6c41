/** What a ContainerCreate body of an older API version means (Engine API, version history). */
import { GantryError } from '../../api/errors.ts';
import type { ContainerConfig, NetworkingConfig } from '../../api/schemas/container.ts';
import type { HostConfig } from '../../api/schemas/host-config.ts';
import type { Mount } from '../../api/schemas/mount.ts';
import type { ApiVersion } from '../contract.ts';

type CreateBody = ContainerConfig & { HostConfig?: HostConfig; NetworkingConfig?: NetworkingConfig };

const invalid = (message: string) => new GantryError('invalid_parameter', message);

/**
 * Takes out of `body` what its version does not know, and puts in what it counts on. Returns warnings for the client. Throws
 * invalid_parameter for what a version refuses.
 */
export function adaptCreate(body: CreateBody, version: ApiVersion): string[] {
  body.HostConfig ??= {};
  const { HostConfig: hostConfig } = body;
  // The client removed the container itself.
  if (version.lessThan('1.25')) hostConfig.AutoRemove = false;
  if (version.lessThan('1.40')) {
    delete hostConfig.KernelMemoryTCP;
    hostConfig.IpcMode ||= 'shareable';
  }
  if (version.lessThan('1.42')) delete hostConfig.ConsoleSize;
  if (version.lessThan('1.43')) delete hostConfig.Annotations;
  if (version.lessThan('1.44')) delete body.Healthcheck?.StartInterval;
  for (const mount of hostConfig.Mounts ?? []) adaptMount(mount, version);
  // No limit is asked for by all that is not positive.
  if (hostConfig.PidsLimit != null && hostConfig.PidsLimit <= 0) delete hostConfig.PidsLimit;
  return [...adaptEndpoints(body, version), ...checkDriver(hostConfig, version), ...checkSysctls(hostConfig, version)];
}

function adaptMount(mount: Mount, version: ApiVersion): void {
  const { BindOptions: bind } = mount;
  if (version.lessThan('1.40')) delete bind?.NonRecursive;
  if (version.lessThan('1.42')) {
    delete bind?.CreateMountpoint;
    // Wrong, but nobody checked.
    if (mount.Type !== 'volume') delete mount.VolumeOptions;
    if (mount.Type !== 'tmpfs') delete mount.TmpfsOptions;
  } else {
    const owners = { BindOptions: 'bind', VolumeOptions: 'volume', TmpfsOptions: 'tmpfs' } as const;
    for (const [field, type] of Object.entries(owners)) {
      if (mount[field as keyof typeof owners] !== undefined && mount.Type !== type) {
        throw invalid(`${field} must not be specified on mount type "${mount.Type ?? ''}"`);
      }
    }
  }
  // Who sends these counts on them: passed over, they would be missed.
  if (version.lessThan('1.44') && mount.Type === 'bind' && bind?.ReadOnlyForceRecursive === true) {
    throw invalid('BindOptions.ReadOnlyForceRecursive needs API v1.44 or newer');
  }
  if (version.lessThan('1.45') && (mount.VolumeOptions?.Subpath ?? '') !== '') {
    throw invalid('VolumeOptions.Subpath needs API v1.45 or newer');
  }
  if (version.lessThan('1.48') && mount.Type === 'image') {
    throw invalid('Mount type "Image" needs API v1.48 or newer');
  }
}

function adaptEndpoints(body: CreateBody, version: ApiVersion): string[] {
  const endpoints = body.NetworkingConfig?.EndpointsConfig ?? {};
  if (version.lessThan('1.44')) {
    const names = Object.keys(endpoints);
    if (names.length > 1) {
      throw invalid(`Container cannot be created with multiple network endpoints: ${names.join(', ')}`);
    }
  }
  for (const endpoint of Object.values(endpoints)) {
    if (version.lessThan('1.48')) delete endpoint.GwPriority;
    // The container had the address, its endpoints had none of their own.
    if (version.lessThan('1.44') && !body.MacAddress) delete endpoint.MacAddress;
  }
  if (version.lessThan('1.44') || !body.MacAddress) return [];
  return ['The container-wide MacAddress field is now deprecated. It should be specified in EndpointsConfig instead.'];
}

/** The CLI said it itself before 1.48. */
function checkDriver(hostConfig: HostConfig, version: ApiVersion): string[] {
  if (!hostConfig.VolumeDriver || version.lessThan('1.48')) return [];
  const ambiguous = (hostConfig.Mounts ?? []).some(
    ({ Type, VolumeOptions }) => Type === 'volume' && !VolumeOptions?.DriverConfig?.Name,
  );
  if (!ambiguous) return [];
  return [
    "WARNING: the container-wide volume-driver configuration is ignored for volumes specified via 'mount'. Use '--mount type=volume,volume-driver=...' instead",
  ];
}

/**
 * Sysctls of one interface belong to its endpoint since 1.48, whose order among several nobody knows. Older clients set that of the
 * first, which there is before the container's process.
 */
function checkSysctls(hostConfig: HostConfig, version: ApiVersion): string[] {
  for (const name of Object.keys(hostConfig.Sysctls ?? {})) {
    const device = /^net\.[^.]+\.[^.]+\.(eth[^.]*)\./.exec(name)?.[1];
    if (device === undefined) continue;
    const option = "driver option 'com.docker.network.endpoint.sysctls'";
    if (!version.lessThan('1.48')) {
      throw invalid(`interface specific sysctl setting ${JSON.stringify(name)} must be supplied using ${option}`);
    }
    if (device !== 'eth0') {
      throw invalid(
        `unable to determine network endpoint for sysctl ${name}, use ${option} to set per-interface sysctls`,
      );
    }
  }
  return [];
}
