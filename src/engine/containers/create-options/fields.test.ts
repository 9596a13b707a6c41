/** That no field of a create request is accepted and then forgotten: each changes the container, or is refused or warned of. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { GantryError } from '../../../api/errors.ts';
import { ContainerConfig, EndpointSettings } from '../../../api/schemas/container.ts';
import { HostConfig, Resources } from '../../../api/schemas/host-config.ts';
import { testHost, testInput } from '../../../runtime/spec/fixtures.ts';
import { buildSpec, stringifySpec } from '../../../runtime/spec/spec.ts';
import type { ContainerRecord } from '../../container-record.ts';
import type { EngineSettings } from '../../settings.ts';
import { type CreateBody, prepareCreate } from './prepare-create.ts';
import { prepareUpdate } from './prepare-update.ts';

const host = testHost({
  features: { ...testHost().features, swappiness: true, oomKillDisable: true, cpuRealtime: true },
});
const settings = {
  runtimes: new Map(['crun', 'runc'].map((name) => [name, { name, path: `/usr/bin/${name}`, args: [] }])),
  defaultRuntime: 'crun',
  defaultShmSize: 67_108_864,
  defaultIpcMode: 'private',
  defaultCgroupnsMode: '',
  logDriver: 'json-file',
  logOpts: {},
  noNewPrivileges: false,
} as unknown as EngineSettings;

const prepare = (body: CreateBody) =>
  prepareCreate(body, {
    settings,
    host,
    image: null,
    hostCgroupns: false,
    id: '0123456789abcdef',
    network: () => null,
    resolveContainer: () => null,
    checkLogConfig: () => {},
  });

/** The spec that the runtime would get. */
function specOf(body: CreateBody): string {
  const { config, hostConfig, path, args } = prepare(body);
  return stringifySpec(buildSpec(testInput({ config, hostConfig, path, args, host })));
}

/**
 * What becomes of a field: 'spec' changes what the runtime is given, 'refused' is an error that says so, 'warned' is told of in the
 * answer; 'kept' is for clients, to be read back; a path names the file below src/ that acts on it.
 */
type Fate = 'spec' | 'refused' | 'warned' | 'kept' | `${string}.ts`;
type Table = Record<string, [value: unknown, fate: Fate]>;

const rate = [{ Path: '/dev/sda', Rate: 1024 }];
const hostFields: Table = {
  CpuShares: [512, 'spec'],
  Memory: [2 ** 26, 'spec'],
  CgroupParent: ['/x', 'engine/containers/container.ts'],
  BlkioWeight: [300, 'spec'],
  BlkioWeightDevice: [[{ Path: '/dev/sda', Weight: 300 }], 'spec'],
  BlkioDeviceReadBps: [rate, 'spec'],
  BlkioDeviceWriteBps: [rate, 'spec'],
  BlkioDeviceReadIOps: [rate, 'spec'],
  BlkioDeviceWriteIOps: [rate, 'spec'],
  CpuPeriod: [50_000, 'spec'],
  CpuQuota: [50_000, 'spec'],
  CpuRealtimePeriod: [10_000, 'spec'],
  CpuRealtimeRuntime: [5000, 'spec'],
  CpusetCpus: ['0', 'spec'],
  CpusetMems: ['0', 'spec'],
  Devices: [[{ PathOnHost: '/dev/fuse', PathInContainer: '/dev/fuse', CgroupPermissions: 'rwm' }], 'spec'],
  DeviceCgroupRules: [['c 42:* rwm'], 'spec'],
  DeviceRequests: [[{ Count: -1 }], 'refused'],
  KernelMemoryTCP: [1000, 'warned'],
  MemoryReservation: [2 ** 25, 'spec'],
  MemorySwap: [3 * 2 ** 25, 'spec'],
  MemorySwappiness: [7, 'spec'],
  NanoCpus: [500_000_000, 'spec'],
  OomKillDisable: [true, 'spec'],
  Init: [true, 'spec'],
  PidsLimit: [9, 'spec'],
  Ulimits: [[{ Name: 'nofile', Soft: 9, Hard: 9 }], 'spec'],
  CpuCount: [1, 'warned'],
  CpuPercent: [10, 'warned'],
  IOMaximumIOps: [10, 'refused'],
  IOMaximumBandwidth: [10, 'refused'],
  Binds: [['/a:/b'], 'engine/volumes/mount-request.ts'],
  // Written by the client.
  ContainerIDFile: ['/x', 'kept'],
  LogConfig: [{ Type: 'local', Config: {} }, 'engine/logs/log-drivers.ts'],
  NetworkMode: ['none', 'engine/containers/launcher.ts'],
  PortBindings: [{ '80/tcp': [{ HostPort: '80' }] }, 'engine/networks/port-publisher.ts'],
  RestartPolicy: [{ Name: 'always' }, 'engine/containers/lifecycle.ts'],
  AutoRemove: [true, 'engine/containers/lifecycle.ts'],
  VolumeDriver: ['nfs', 'engine/volumes/mount-request.ts'],
  VolumesFrom: [['other'], 'engine/volumes/mount-points.ts'],
  Mounts: [[{ Type: 'tmpfs', Target: '/x' }], 'engine/volumes/mount-request.ts'],
  ConsoleSize: [[10, 20], 'engine/containers/launcher.ts'],
  Annotations: [{ a: 'b' }, 'spec'],
  CapAdd: [['SYS_ADMIN'], 'spec'],
  CapDrop: [['CHOWN'], 'spec'],
  CgroupnsMode: ['host', 'spec'],
  Dns: [['10.0.0.1'], 'engine/networks/name-service.ts'],
  DnsOptions: [['ndots:3'], 'engine/networks/name-service.ts'],
  DnsSearch: [['example.org'], 'engine/networks/name-service.ts'],
  ExtraHosts: [['a:10.0.0.1'], 'engine/containers/container-files.ts'],
  GroupAdd: [['9'], 'engine/containers/launcher.ts'],
  IpcMode: ['host', 'spec'],
  Cgroup: ['container:x', 'refused'],
  Links: [['a:b'], 'engine/links/links.ts'],
  OomScoreAdj: [100, 'spec'],
  PidMode: ['host', 'spec'],
  Privileged: [true, 'spec'],
  // Of a container that exposes a port: below.
  PublishAllPorts: [true, 'engine/networks/port-publisher.ts'],
  ReadonlyRootfs: [true, 'spec'],
  SecurityOpt: [['seccomp=unconfined'], 'spec'],
  StorageOpt: [{ size: '1g' }, 'refused'],
  Tmpfs: [{ '/x': '' }, 'spec'],
  UTSMode: ['host', 'spec'],
  // "host" is how it is without user namespaces.
  UsernsMode: ['private', 'refused'],
  ShmSize: [2 ** 20, 'spec'],
  Sysctls: [{ 'net.core.somaxconn': '9' }, 'spec'],
  Runtime: ['runc', 'engine/containers/creator.ts'],
  Isolation: ['hyperv', 'refused'],
  MaskedPaths: [['/x'], 'spec'],
  ReadonlyPaths: [['/x'], 'spec'],
};
/** What a field needs beside it to be of effect. */
const beside: Record<string, HostConfig> = {
  MemorySwap: { Memory: 2 ** 26 },
  CpuRealtimeRuntime: { CpuRealtimePeriod: 10_000 },
};

const configFields: Table = {
  Hostname: ['x', 'spec'],
  Domainname: ['example.org', 'spec'],
  User: ['nobody', 'engine/containers/launcher.ts'],
  // What the client means to attach to; the attach itself says what it wants.
  AttachStdin: [true, 'kept'],
  AttachStdout: [true, 'kept'],
  AttachStderr: [true, 'kept'],
  ExposedPorts: [{ '80/tcp': {} }, 'engine/containers/network-view.ts'],
  Tty: [true, 'spec'],
  OpenStdin: [true, 'engine/containers/launcher.ts'],
  StdinOnce: [true, 'engine/containers/launcher.ts'],
  Env: [['A=b'], 'spec'],
  Cmd: [['other'], 'spec'],
  Healthcheck: [{ Test: ['CMD', 'x'] }, 'engine/health/health-config.ts'],
  // Of Windows images.
  ArgsEscaped: [true, 'kept'],
  Image: ['x', 'engine/containers/creator.ts'],
  Volumes: [{ '/x': {} }, 'engine/volumes/mount-points.ts'],
  WorkingDir: ['/x', 'spec'],
  Entrypoint: [['/x'], 'spec'],
  NetworkDisabled: [true, 'engine/containers/launcher.ts'],
  MacAddress: ['02:42:00:00:00:01', 'engine/networks/endpoint-settings.ts'],
  // For builds on an image made of the container.
  OnBuild: [['RUN x'], 'kept'],
  Labels: [{ a: 'b' }, 'engine/containers/list-filter.ts'],
  StopSignal: ['SIGQUIT', 'engine/containers/lifecycle.ts'],
  StopTimeout: [3, 'engine/containers/lifecycle.ts'],
  Shell: [['/bin/bash', '-c'], 'engine/health/health-config.ts'],
};

const endpointFields: Table = {
  IPAMConfig: [{ IPv4Address: '10.0.0.9' }, 'refused'],
  Links: [['a:b'], 'engine/networks/name-service.ts'],
  MacAddress: ['02:42:00:00:00:01', 'engine/networks/endpoint-settings.ts'],
  Aliases: [['x'], 'refused'],
  DriverOpts: [{ a: 'b' }, 'refused'],
  // Decides between several networks: a container has one.
  GwPriority: [1, 'engine/networks/endpoint-settings.ts'],
};
/** What the engine tells of an endpoint; in requests they come back from an inspect. */
const ANSWERS = [
  ...['NetworkID', 'EndpointID', 'Gateway', 'IPAddress', 'IPPrefixLen', 'IPv6Gateway', 'GlobalIPv6Address'],
  ...['GlobalIPv6PrefixLen', 'DNSNames'],
];

interface ObjectSchema {
  properties?: object;
  allOf?: { properties: object }[];
}
const namesOf = (schema: ObjectSchema): string[] =>
  (schema.allOf ?? [schema]).flatMap(({ properties }) => Object.keys(properties ?? {}));

function check(name: string, [value, fate]: [unknown, Fate], bodyWith: (value: unknown) => CreateBody): void {
  if (fate === 'refused') {
    assert.throws(
      () => prepare(bodyWith(value)),
      (error) => error instanceof GantryError && ['not_supported', 'invalid_parameter'].includes(error.code),
    );
  } else if (fate === 'warned') assert.notDeepEqual(prepare(bodyWith(value)).warnings, []);
  else if (fate === 'spec') assert.notEqual(specOf(bodyWith(value)), specOf(bodyWith(undefined)));
  else if (fate === 'kept') {
    const { config, hostConfig, endpointsConfig } = prepare(bodyWith(value));
    const members = { ...config, ...hostConfig, ...endpointsConfig.bridge } as Record<string, unknown>;
    assert.deepEqual(members[name], value);
  } else {
    prepare(bodyWith(value));
    const text = readFileSync(join(import.meta.dirname, '../../..', fate), 'utf8');
    assert.match(text, new RegExp(`\\b${name}\\b`), `${fate} acts on it`);
  }
}

const without = (fields: object) =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));

describe('HostConfig', () => {
  test('is known in full', () => assert.deepEqual(namesOf(HostConfig).sort(), Object.keys(hostFields).sort()));
  for (const [name, row] of Object.entries(hostFields)) {
    test(`${name}: ${row[1]}`, () =>
      check(name, row, (value) => ({
        Cmd: ['true'],
        HostConfig: without({ ...beside[name], [name]: value }) as HostConfig,
      })));
  }
});

describe('an update', () => {
  const record = { hostConfig: { CpuRealtimePeriod: 10_000, Memory: 2 ** 26, MemorySwap: -1 } } as ContainerRecord;
  for (const name of namesOf(Resources)) {
    const [value, fate] = hostFields[name]!;
    const body = { [name]: value };
    test(`${name}: changed, or refused or warned of`, () => {
      try {
        const { changed, warnings } = prepareUpdate(record, body, host);
        assert.ok(fate === 'warned' ? warnings.length > 0 : name in changed);
      } catch (error) {
        if (!(error instanceof GantryError)) throw error;
        assert.ok(['not_supported', 'invalid_parameter'].includes(error.code), error.message);
      }
    });
    test(`${name}: may be there without a value`, () => {
      const none = typeof value === 'number' ? 0 : typeof value === 'string' ? '' : Array.isArray(value) ? [] : false;
      prepareUpdate(record, { [name]: none }, host);
    });
  }
  test('takes the limits that Docker changes', () => {
    const limits = ['Memory', 'CpuShares', 'NanoCpus', 'CpusetCpus', 'PidsLimit', 'BlkioWeight', 'MemoryReservation'];
    for (const name of limits) {
      const { changed } = prepareUpdate(record, { [name]: hostFields[name]![0] }, host);
      assert.deepEqual(changed[name as keyof HostConfig], hostFields[name]![0]);
    }
  });
});

describe('Config', () => {
  test('is known in full', () => assert.deepEqual(namesOf(ContainerConfig).sort(), Object.keys(configFields).sort()));
  for (const [name, row] of Object.entries(configFields)) {
    test(`${name}: ${row[1]}`, () =>
      check(name, row, (value) =>
        without({ Cmd: ['true'], [name]: value ?? (name === 'Cmd' ? ['true'] : undefined) }),
      ));
  }
});

describe('EndpointsConfig', () => {
  test('is known in full', () =>
    assert.deepEqual(namesOf(EndpointSettings).sort(), [...Object.keys(endpointFields), ...ANSWERS].sort()));
  for (const [name, row] of Object.entries(endpointFields)) {
    test(`${name}: ${row[1]}`, () =>
      check(name, row, (value) => ({
        Cmd: ['true'],
        NetworkingConfig: { EndpointsConfig: { bridge: without({ [name]: value }) } },
      })));
  }
});
