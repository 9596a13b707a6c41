/** --device: host-path[:container-path][:permissions], or a CDI name (vendor/class=name). */

import { globSync } from 'node:fs';
import { posix } from 'node:path';
import type { DeviceMapping, DeviceRequest } from '../../api/schemas/host-config.ts';

function isMode(text: string): boolean {
  return /^[rwm]{1,3}$/.test(text) && new Set(text).size === text.length;
}

const CDI_NAME = /^[A-Za-z][A-Za-z0-9._-]*[A-Za-z0-9]?\/[A-Za-z][A-Za-z0-9_-]*=[A-Za-z0-9][A-Za-z0-9_.:-]*$/;

/** What the flags say; a pattern that ends in * stands for every device that matches on this machine. */
export function parseDevices(specs: readonly string[]): { mappings: DeviceMapping[]; requests: DeviceRequest[] } {
  const mappings: DeviceMapping[] = [];
  const cdi: string[] = [];
  for (const spec of specs) {
    if (CDI_NAME.test(spec)) cdi.push(spec);
    else mappings.push(...parseDevice(spec));
  }
  return { mappings, requests: cdi.length === 0 ? [] : [{ Driver: 'cdi', DeviceIDs: cdi }] };
}

function parseDevice(spec: string): DeviceMapping[] {
  const parts = spec.split(':');
  if (parts.length > 3 || parts[0] === '') throw new Error(`bad format for path: ${spec}`);
  const source = parts[0]!;
  let target = '';
  let permissions = 'rwm';
  if (parts.length === 3) {
    if (!isMode(parts[2]!)) throw new Error(`bad mode specified: ${parts[2]}`);
    target = parts[1]!;
    permissions = parts[2]!;
  } else if (parts.length === 2) {
    if (isMode(parts[1]!)) permissions = parts[1]!;
    else target = posix.normalize(parts[1]!);
  }
  const inside = target || source;
  if (!inside.startsWith('/')) throw new Error(`${inside} is not an absolute path`);
  if (source.endsWith('*')) {
    if (target !== '') throw new Error(`device with * suffix can't have dst: ${spec}`);
    return globSync(source).map((path) => ({
      PathOnHost: path,
      PathInContainer: path,
      CgroupPermissions: permissions,
    }));
  }
  return [{ PathOnHost: source, PathInContainer: inside, CgroupPermissions: permissions }];
}
