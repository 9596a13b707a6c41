import { lstatSync, readdirSync, type Stats, statSync } from 'node:fs';
import { join } from 'node:path';
import { splitDevice } from '../../api/device-number.ts';
import { errnoOf, GantryError } from '../../api/errors.ts';
import type { DeviceMapping, HostConfig } from '../../api/schemas/host-config.ts';
import type { OciDevice, OciDeviceCgroup } from './types.ts';

/** The device files of the host; an interface so that the spec's tests need no devices. */
export interface HostDevices {
  /** Follows symlinks. Throws system for what is not there and invalid_parameter for what is no device. */
  at(path: string): OciDevice;
  /** All devices at and below a path; [] for an empty directory. Throws ENOENT. */
  below(path: string): OciDevice[];
}

/**
 * Docker's basic rules: nothing, then the harmless character devices. The runtimes themselves add mknod of any node,
 * ptys and the console.
 */
const BASE_RULES: readonly OciDeviceCgroup[] = [
  { allow: false, access: 'rwm' },
  ...[
    [1, 5],
    [1, 3],
    [1, 9],
    [1, 8],
    [5, 0],
    [5, 1],
  ].map(([major, minor]): OciDeviceCgroup => ({ allow: true, type: 'c', major: major!, minor: minor!, access: 'rwm' })),
  { allow: false, type: 'c', major: 10, minor: 229, access: 'rwm' },
];

/** Nodes to make and cgroup rules of a container. Throws invalid_parameter for a wrong rule or device. */
export function buildDevices(
  hostConfig: HostConfig,
  host: HostDevices,
): { devices: OciDevice[]; rules: OciDeviceCgroup[] } {
  const mappings = hostConfig.Devices ?? [];
  if (hostConfig.Privileged === true) {
    const moved = mappings.filter((mapping) => mapping.PathOnHost !== mapping.PathInContainer);
    const devices = [...host.below('/dev'), ...moved.flatMap((mapping) => mapped(mapping, host))];
    return { devices, rules: [{ allow: true, access: 'rwm' }] };
  }
  const devices: OciDevice[] = [];
  const rules = [...BASE_RULES];
  for (const mapping of mappings) {
    for (const device of mapped(mapping, host)) {
      devices.push(device);
      rules.push({
        allow: true,
        type: device.type === 'b' ? 'b' : 'c',
        major: device.major,
        minor: device.minor,
        access: mapping.CgroupPermissions || 'rwm',
      });
    }
  }
  for (const rule of hostConfig.DeviceCgroupRules ?? []) rules.push(parseDeviceRule(rule));
  return { devices, rules };
}

/** "c 42:* rmw". Throws invalid_parameter. */
export function parseDeviceRule(rule: string): OciDeviceCgroup {
  const match = /^([acb]) ([0-9]+|\*):([0-9]+|\*) ([rwm]{1,3})$/.exec(rule);
  if (match === null) throw new GantryError('invalid_parameter', `invalid device cgroup rule format: '${rule}'`);
  const [, type, major, minor, access] = match;
  return {
    allow: true,
    type: type as 'a' | 'b' | 'c',
    ...(major === '*' ? {} : { major: Number(major) }),
    ...(minor === '*' ? {} : { minor: Number(minor) }),
    access: access!,
  };
}

function mapped(mapping: DeviceMapping, host: HostDevices): OciDevice[] {
  const from = mapping.PathOnHost ?? '';
  const to = mapping.PathInContainer || from;
  let devices: OciDevice[];
  try {
    devices = host.below(from);
  } catch (cause) {
    const why = errnoOf(cause) === 'ENOENT' ? 'no such file or directory' : String((cause as Error).message);
    throw new GantryError(
      'invalid_parameter',
      `error gathering device information while adding custom device "${from}": ${why}`,
      { cause },
    );
  }
  if (devices.length === 0) {
    throw new GantryError(
      'invalid_parameter',
      `error gathering device information while adding custom device "${from}": not a device node`,
    );
  }
  return devices.map((device) => ({ ...device, path: to + device.path.slice(from.length) }));
}

/** Those of this machine. */
export class SystemDevices implements HostDevices {
  at(path: string): OciDevice {
    const stats = statSync(path, { throwIfNoEntry: false });
    if (stats === undefined) throw new GantryError('system', `stat ${path}: no such file or directory`);
    const device = deviceOf(path, stats);
    if (device === null) throw new GantryError('invalid_parameter', `${path}: not a device node`);
    return device;
  }

  below(path: string): OciDevice[] {
    const stats = statSync(path);
    if (!stats.isDirectory()) {
      const device = deviceOf(path, stats);
      return device === null ? [] : [device];
    }
    const found: OciDevice[] = [];
    this.#walk(path, found);
    return found;
  }

  #walk(directory: string, found: OciDevice[]): void {
    for (const name of readdirSync(directory)) {
      const path = join(directory, name);
      let stats: Stats;
      try {
        stats = lstatSync(path);
      } catch {
        continue; // A device that went away between the two calls.
      }
      if (stats.isDirectory()) {
        if (!OWN_DIRECTORIES.has(name)) this.#walk(path, found);
        continue;
      }
      // The runtime makes its own console; /dev/fd and such are symlinks, not devices.
      if (name === 'console') continue;
      const device = deviceOf(path, stats);
      if (device !== null) found.push(device);
    }
  }
}

/** Directories of /dev that hold file systems of their own, not device nodes to pass on. */
const OWN_DIRECTORIES = new Set(['pts', 'shm', 'fd', 'mqueue', '.lxc', '.lxd-mounts', '.udev']);

function deviceOf(path: string, stats: Stats): OciDevice | null {
  const type = stats.isCharacterDevice() ? 'c' : stats.isBlockDevice() ? 'b' : null;
  if (type === null) return null;
  return {
    type,
    path,
    ...splitDevice(stats.rdev),
    fileMode: stats.mode & 0o777,
    uid: stats.uid,
    gid: stats.gid,
  };
}
