/** --mount, --gpus, --network: options of several fields in one value. */

import { resolve } from 'node:path';
import type { EndpointSettings } from '../../api/schemas/container.ts';
import type { DeviceRequest } from '../../api/schemas/host-config.ts';
import type { Mount } from '../../api/schemas/mount.ts';
import { parseBytes } from '../../api/units.ts';
import { parseBool } from '../flags/spec.ts';
import { csvFields, toMap } from './key-values.ts';

function cut(text: string): [string, string | undefined] {
  const equals = text.indexOf('=');
  return equals < 0 ? [text, undefined] : [text.slice(0, equals), text.slice(equals + 1)];
}

/** One --mount value. Throws docker's messages. */
export function parseMount(text: string): Mount {
  if (text === '') throw new Error('EOF');
  const mount: Mount = { Type: 'volume' };
  const volume = () => {
    mount.VolumeOptions ??= {};
    return mount.VolumeOptions;
  };
  const driver = () => {
    volume().DriverConfig ??= {};
    return mount.VolumeOptions!.DriverConfig!;
  };
  const bind = () => {
    mount.BindOptions ??= {};
    return mount.BindOptions;
  };
  const tmpfs = () => {
    mount.TmpfsOptions ??= {};
    return mount.TmpfsOptions;
  };
  for (const field of csvFields(text)) {
    const [rawKey, value] = cut(field);
    const key = rawKey.toLowerCase();
    const flag = (): boolean => {
      if (value === undefined) return true;
      try {
        return parseBool(value);
      } catch {
        throw new Error(`invalid value for ${key}: ${value}`);
      }
    };

    if (value === undefined && !['readonly', 'ro', 'volume-nocopy', 'bind-nonrecursive'].includes(key)) {
      throw new Error(`invalid field '${field}' must be a key=value pair`);
    }
    switch (key) {
      case 'type':
        mount.Type = value!.toLowerCase() as Mount['Type'] & string;
        break;
      case 'source':
      case 'src':
        mount.Source = value === '.' || value!.startsWith('./') ? resolve(value!) : value!;
        break;
      case 'target':
      case 'dst':
      case 'destination':
        mount.Target = value!;
        break;
      case 'readonly':
      case 'ro':
        mount.ReadOnly = flag();
        break;
      case 'consistency':
        mount.Consistency = value!.toLowerCase();
        break;
      case 'bind-propagation':
        bind().Propagation = value!.toLowerCase() as NonNullable<Mount['BindOptions']>['Propagation'] & string;
        break;
      case 'bind-nonrecursive':
        bind().NonRecursive = flag();
        break;
      case 'bind-recursive':
        if (value === 'enabled') break;
        if (value === 'disabled') bind().NonRecursive = true;
        else if (value === 'writable') bind().ReadOnlyNonRecursive = true;
        else if (value === 'readonly') bind().ReadOnlyForceRecursive = true;
        else {
          throw new Error(
            `invalid value for ${key}: ${value} (must be "enabled", "disabled", "writable", or "readonly")`,
          );
        }
        break;
      case 'volume-nocopy':
        volume().NoCopy = flag();
        break;
      case 'volume-label':
        volume().Labels = { ...volume().Labels, ...toMap([value!]) };
        break;
      case 'volume-driver':
        driver().Name = value!;
        break;
      case 'volume-opt':
        driver().Options = { ...driver().Options, ...toMap([value!]) };
        break;
      case 'volume-subpath':
        volume().Subpath = value!;
        break;
      case 'image-subpath':
        mount.ImageOptions = { Subpath: value! };
        break;
      case 'tmpfs-size': {
        const size = parseBytes(value!);
        if (size === null) throw new Error(`invalid value for ${key}: ${value}`);
        tmpfs().SizeBytes = size;
        break;
      }
      case 'tmpfs-mode':
        if (!/^[0-7]+$/.test(value!)) throw new Error(`invalid value for ${key}: ${value}`);
        tmpfs().Mode = Number.parseInt(value!, 8);
        break;
      default:
        throw new Error(`unexpected key '${key}' in '${field}'`);
    }
  }
  if (!mount.Type) throw new Error('type is required');
  if (!mount.Target) throw new Error('target is required');
  for (const [kind, given] of [
    ['volume', mount.VolumeOptions],
    ['bind', mount.BindOptions],
    ['tmpfs', mount.TmpfsOptions],
    ['image', mount.ImageOptions],
  ] as const) {
    if (given && mount.Type !== kind) throw new Error(`cannot mix '${kind}-*' options with mount type '${mount.Type}'`);
  }
  if (mount.BindOptions?.ReadOnlyNonRecursive && !mount.ReadOnly) {
    throw new Error("option 'bind-recursive=writable' requires 'readonly' to be specified in conjunction");
  }
  if (mount.BindOptions?.ReadOnlyForceRecursive) {
    if (!mount.ReadOnly) {
      throw new Error("option 'bind-recursive=readonly' requires 'readonly' to be specified in conjunction");
    }
    if (mount.BindOptions.Propagation !== 'rprivate') {
      throw new Error(
        "option 'bind-recursive=readonly' requires 'bind-propagation=rprivate' to be specified in conjunction",
      );
    }
  }
  return mount;
}

function gpuCount(text: string): number {
  if (text === 'all') return -1;
  if (!/^[+-]?[0-9]+$/.test(text)) {
    throw new Error(`invalid count (${text}): value must be either "all" or an integer: invalid syntax`);
  }
  return Number(text);
}

/** One --gpus value. */
export function parseGpus(text: string): DeviceRequest {
  const request: DeviceRequest = { Capabilities: [['gpu']], Options: {} };
  const seen = new Set<string>();
  for (const field of csvFields(text)) {
    const [key, value] = cut(field);
    if (seen.has(key)) throw new Error(`gpu request key '${key}' can be specified only once`);
    seen.add(key);
    if (value === undefined) {
      seen.add('count');
      request.Count = gpuCount(key);
    } else if (key === 'driver') request.Driver = value;
    else if (key === 'count') request.Count = gpuCount(value);
    else if (key === 'device') request.DeviceIDs = value.split(',');
    else if (key === 'capabilities') request.Capabilities = [[...value.split(','), 'gpu']];
    else if (key === 'options') request.Options = toMap(csvFields(value));
    else throw new Error(`unexpected key '${key}' in '${field}'`);
  }
  if (!seen.has('count') && !request.DeviceIDs) request.Count = 1;
  return request;
}

/** One --network value: the network's name and what the endpoint in it is to be. */
export interface NetworkOption {
  target: string;
  aliases: string[];
  links: string[];
  driverOpts: Record<string, string>;
  ipv4: string;
  ipv6: string;
  linkLocal: string[];
  mac: string;
  gwPriority: number;
}

export function parseNetwork(text: string): NetworkOption {
  const option: NetworkOption = {
    target: text,
    aliases: [],
    links: [],
    driverOpts: {},
    ipv4: '',
    ipv6: '',
    linkLocal: [],
    mac: '',
    gwPriority: 0,
  };
  if (!/\w+=\w+(,\w+=\w+)*/.test(text)) return option;
  option.target = '';
  for (const field of csvFields(text)) {
    const [rawKey, rawValue] = cut(field);
    if (rawValue === undefined || rawKey === '') throw new Error(`invalid field ${field}`);
    const key = rawKey.trim().toLowerCase();
    const value = rawValue.trim();
    switch (key) {
      case 'name':
        option.target = value;
        break;
      case 'alias':
        option.aliases.push(value);
        break;
      case 'ip':
        option.ipv4 = value;
        break;
      case 'ip6':
        option.ipv6 = value;
        break;
      case 'mac-address':
        option.mac = value;
        break;
      case 'link-local-ip':
        option.linkLocal.push(value);
        break;
      case 'driver-opt': {
        const [name, setting] = cut(value);
        if (setting === undefined || name === '') throw new Error('invalid key value pair format in driver options');
        option.driverOpts[name.trim().toLowerCase()] = setting.trim();
        break;
      }
      case 'gw-priority':
        if (!/^[+-]?[0-9]+$/.test(value)) throw new Error(`invalid gw-priority (${value}): invalid syntax`);
        option.gwPriority = Number(value);
        break;
      default:
        throw new Error(`invalid field key ${key}`);
    }
  }
  if (option.target === '') throw new Error('network name/id is not specified');
  return option;
}

/** A network that a user has made, as opposed to the modes that every engine knows. */
export function isUserDefined(target: string): boolean {
  return !['bridge', 'host', 'none', 'default'].includes(target) && !target.startsWith('container:');
}

/** The endpoint's settings as the API takes them; undefined when there are none. */
export function endpointSettings(option: NetworkOption): EndpointSettings | undefined {
  if (option.target.trim() === '') throw new Error('no name set for network');
  if (!isUserDefined(option.target)) {
    if (option.aliases.length > 0)
      throw new Error('network-scoped aliases are only supported for user-defined networks');
    if (option.links.length > 0) throw new Error('links are only supported for user-defined networks');
  }
  const settings: EndpointSettings = {};
  if (option.aliases.length > 0) settings.Aliases = option.aliases;
  if (option.links.length > 0) settings.Links = option.links;
  if (Object.keys(option.driverOpts).length > 0) settings.DriverOpts = option.driverOpts;
  if (option.mac !== '') settings.MacAddress = option.mac;
  if (option.gwPriority !== 0) settings.GwPriority = option.gwPriority;
  if (option.ipv4 !== '' || option.ipv6 !== '' || option.linkLocal.length > 0) {
    settings.IPAMConfig = {
      ...(option.ipv4 === '' ? {} : { IPv4Address: option.ipv4 }),
      ...(option.ipv6 === '' ? {} : { IPv6Address: option.ipv6 }),
      ...(option.linkLocal.length === 0 ? {} : { LinkLocalIPs: option.linkLocal }),
    };
  }
  return Object.keys(settings).length === 0 ? undefined : settings;
}
