import { join } from 'node:path';
import type { ContainerInspectResponse, ContainerState } from '../../api/schemas/container.ts';
import type { HostConfig } from '../../api/schemas/host-config.ts';
import type { EngineContext } from '../context.ts';
import { EMPTY_CONFIG } from '../empty-config.ts';
import type { Container } from './container.ts';
import { type NetworkIds, networkSettings } from './network-view.ts';

/** HostConfig as dockerd shows it for a container that asked for nothing: inspect names every field. */
const HOST_CONFIG_SHOWN = {
  Binds: null,
  ContainerIDFile: '',
  LogConfig: { Type: 'json-file', Config: {} },
  NetworkMode: 'bridge',
  PortBindings: {},
  RestartPolicy: { Name: 'no', MaximumRetryCount: 0 },
  AutoRemove: false,
  VolumeDriver: '',
  VolumesFrom: null,
  ConsoleSize: [0, 0],
  CapAdd: null,
  CapDrop: null,
  CgroupnsMode: 'private',
  Dns: [],
  DnsOptions: [],
  DnsSearch: [],
  ExtraHosts: null,
  GroupAdd: null,
  IpcMode: 'private',
  Cgroup: '',
  Links: null,
  OomScoreAdj: 0,
  PidMode: '',
  Privileged: false,
  PublishAllPorts: false,
  ReadonlyRootfs: false,
  SecurityOpt: null,
  UTSMode: '',
  UsernsMode: '',
  ShmSize: 0,
  Runtime: '',
  Isolation: '',
  CpuShares: 0,
  Memory: 0,
  NanoCpus: 0,
  CgroupParent: '',
  BlkioWeight: 0,
  BlkioWeightDevice: [],
  BlkioDeviceReadBps: [],
  BlkioDeviceWriteBps: [],
  BlkioDeviceReadIOps: [],
  BlkioDeviceWriteIOps: [],
  CpuPeriod: 0,
  CpuQuota: 0,
  CpuRealtimePeriod: 0,
  CpuRealtimeRuntime: 0,
  CpusetCpus: '',
  CpusetMems: '',
  Devices: [],
  DeviceCgroupRules: null,
  DeviceRequests: null,
  MemoryReservation: 0,
  MemorySwap: 0,
  MemorySwappiness: null,
  OomKillDisable: null,
  PidsLimit: null,
  Ulimits: [],
  CpuCount: 0,
  CpuPercent: 0,
  IOMaximumIOps: 0,
  IOMaximumBandwidth: 0,
  MaskedPaths: null,
  ReadonlyPaths: null,
};

export interface InspectDeps {
  context: EngineContext;
  networkIds: NetworkIds;
  logPath: string;
  /** Links of the default bridge as the API shows them; null for none. */
  links: string[] | null;
  /** Sizes in bytes, when they were asked for. */
  sizes: { rw: number; rootFs: number } | null;
}

function stateView(container: Container): ContainerState {
  const { state } = container.record;
  return {
    Status: state.status,
    // A container that waits for its next restart counts as running, as in Docker.
    Running: container.running || state.status === 'restarting',
    Paused: state.status === 'paused',
    Restarting: state.status === 'restarting',
    OOMKilled: state.oomKilled,
    Dead: state.status === 'dead',
    Pid: container.running ? state.pid : 0,
    ExitCode: state.exitCode,
    Error: state.error,
    StartedAt: state.startedAt,
    FinishedAt: state.finishedAt,
    ...(state.health === null
      ? {}
      : {
          Health: {
            Status: state.health.status,
            FailingStreak: state.health.failingStreak,
            Log: state.health.log,
          },
        }),
  };
}

/** ContainerInspect's answer, with every field that dockerd 28 gives. */
export function inspectContainer(container: Container, deps: InspectDeps): ContainerInspectResponse {
  const { record } = container;
  const { storage } = deps.context;
  const file = (name: string) => (record.state.startedAt.startsWith('0001') ? '' : join(container.directory, name));
  const mac = record.endpointsConfig[record.hostConfig.NetworkMode ?? '']?.MacAddress ?? '';
  const layer = storage.writable.exists(record.id) ? storage.writable.describe(record.id) : null;
  const view = {
    Id: record.id,
    Created: record.created,
    Path: record.path,
    Args: record.args,
    State: stateView(container),
    Image: record.imageId,
    ResolvConfPath: file('resolv.conf'),
    HostnamePath: file('hostname'),
    HostsPath: file('hosts'),
    LogPath: deps.logPath,
    Name: `/${record.name}`,
    RestartCount: record.restartCount,
    Driver: 'overlay2',
    Platform: 'linux',
    MountLabel: '',
    ProcessLabel: '',
    AppArmorProfile: record.appArmorProfile,
    ExecIDs: container.execIds.size > 0 ? [...container.execIds] : null,
    HostConfig: { ...HOST_CONFIG_SHOWN, ...record.hostConfig, Links: deps.links } as unknown as HostConfig,
    GraphDriver: {
      Name: 'overlay2',
      Data:
        layer === null
          ? {}
          : {
              ID: record.id,
              LowerDir: layer.lowerDirs.join(':'),
              MergedDir: layer.mergedDir,
              UpperDir: layer.upperDir,
              WorkDir: layer.workDir,
            },
    },
    ...(deps.sizes === null ? {} : { SizeRw: deps.sizes.rw, SizeRootFs: deps.sizes.rootFs }),
    Mounts: record.mounts,
    // The address asked for is shown where it was asked for before 1.44, too.
    Config: { ...EMPTY_CONFIG, Labels: {}, ...record.config, ...(mac === '' ? {} : { MacAddress: mac }) },
    NetworkSettings: networkSettings(record, deps.networkIds),
  };
  return view as unknown as ContainerInspectResponse;
}
