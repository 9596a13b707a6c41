/**
 * Inspected objects as Go's structs show them to a template. JSON does not tell a struct from a map, a nil list from nothing, or
 * which fields were left out for being empty; the names of the fields do (Engine API, "inspect" of each object).
 */

import { AS_JSON, TYPE } from './template/values.ts';

/** Fields that hold maps with keys of the user's; every other object is a struct. */
export const MAPS: ReadonlySet<string> = new Set([
  'Annotations',
  'Containers',
  'Data',
  'DriverOpts',
  'ExposedPorts',
  'IndexConfigs',
  'Labels',
  'LogConfig.Config',
  'Networks',
  'Options',
  'PortBindings',
  'Ports',
  'Runtimes',
  'Status',
  'StorageOpt',
  'Sysctls',
  'Tmpfs',
  'Volumes',
]);

/** Fields that hold lists: null is an empty one. */
const LISTS: ReadonlySet<string> = new Set(
  (
    'Aliases Args Binds IPAM.Config BlkioDeviceReadBps BlkioDeviceReadIOps BlkioDeviceWriteBps BlkioDeviceWriteIOps BlkioWeightDevice CapAdd CapDrop ' +
    'Cmd DNSNames DeviceCgroupRules DeviceRequests Devices Dns DnsOptions DnsSearch Entrypoint Env ExecIDs ExtraHosts GroupAdd Layers Links ' +
    'LinkLocalIPs Log MaskedPaths Mounts OnBuild ReadonlyPaths RepoDigests RepoTags SecondaryIPAddresses SecondaryIPv6Addresses SecurityOpt ' +
    'Shell Test Ulimits VolumesFrom'
  ).split(' '),
);

/** Fields of maps whose values are lists. */
const MAPS_OF_LISTS: ReadonlySet<string> = new Set(['PortBindings', 'Ports']);

/** Structs that print in Go's order though their JSON leaves out what is empty. */
const FIELDS: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  IPAM: { Driver: '', Options: {}, Config: [] },
  Mounts: { Type: '', Name: '', Source: '', Destination: '', Driver: '', Mode: '', RW: false, Propagation: '' },
  'IPAM.Config': { Subnet: '', IPRange: '', Gateway: '', AuxAddress: {} },
};

/** What a struct has when its JSON says nothing of it. */
const ABSENT: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  container: { SizeRw: null, SizeRootFs: null },
  image: { Parent: '', Comment: '', DockerVersion: '', Author: '', Variant: '', OsVersion: '', Config: null },
  volume: { CreatedAt: '', Status: {}, ClusterVolume: null, UsageData: null },
  network: { Peers: [], Services: {} },
  State: { Health: null },
  HostConfig: { Annotations: {}, Init: null, Mounts: [], StorageOpt: {}, Sysctls: {}, Tmpfs: {} },
  Config: {
    Cmd: [],
    Entrypoint: [],
    ExposedPorts: {},
    Healthcheck: null,
    Labels: {},
    OnBuild: [],
    Shell: [],
    StopSignal: '',
    StopTimeout: null,
    Volumes: {},
  },
};

/** Go's names of fields that have another one in JSON. */
const GO_NAMES: Readonly<Record<string, string>> = {
  Id: 'ID',
  Dns: 'DNS',
  DnsOptions: 'DNSOptions',
  DnsSearch: 'DNSSearch',
};

function kindOf(object: object): string {
  if ('State' in object) return 'container';
  if ('RootFS' in object) return 'image';
  if ('Mountpoint' in object) return 'volume';
  return 'IPAM' in object ? 'network' : '';
}

/** The object as a template is to see it first. What it then cannot do it does with the JSON itself, as docker does. */
export function goView(value: unknown, key = ''): unknown {
  if (value === null) {
    if (LISTS.has(key)) return Object.defineProperty([], AS_JSON, { value: null });
    return MAPS.has(key) ? Object.defineProperty({}, AS_JSON, { value: null }) : null;
  }
  if (Array.isArray(value)) return value.map((item) => (typeof item === 'object' ? struct(item, key) : item));
  if (typeof value !== 'object') return value;
  if (key === '') return struct(value, kindOf(value));
  if (!MAPS.has(key)) return struct(value, key);
  const entries = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(
    entries.map(([name, item]) => {
      if (MAPS_OF_LISTS.has(key)) return [name, item === null ? goView(null, 'Binds') : goView(item, name)];
      return [name, item !== null && typeof item === 'object' ? struct(item, name) : item];
    }),
  );
}

function struct(value: object | null, key: string): unknown {
  if (value === null || Array.isArray(value)) return value;
  // One name, three kinds: a struct, a log driver's map, and a list.
  const inside = (name: string) => (name === 'Config' && /^(IPAM|LogConfig)$/.test(key) ? `${key}.Config` : name);
  const converted = Object.fromEntries(Object.entries(value).map(([name, item]) => [name, goView(item, inside(name))]));
  const fields: Record<string, unknown> = { ...FIELDS[key], ...converted };
  for (const [name, zero] of Object.entries(ABSENT[key] ?? {})) fields[name] ??= zero;
  for (const [name, other] of Object.entries(GO_NAMES)) {
    if (name in converted) Object.defineProperty(fields, other, { value: converted[name], enumerable: false });
  }
  return Object.defineProperties(fields, { [TYPE]: { value: 'struct' }, [AS_JSON]: { value: converted } });
}
