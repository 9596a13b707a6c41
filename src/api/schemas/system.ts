// Shapes of the Engine API 1.50, system objects (field names, types and nullability as the API documents them).

import { type Static, Type } from 'typebox';
import { ContainerSummary } from './container.ts';
import { BuildCache, DeviceInfo, ImageSummary } from './image.ts';
import { Nullable } from './nullable.ts';
import { Volume } from './volume.ts';

export const SystemVersion = Type.Object({
  Platform: Type.Optional(
    Type.Object({
      Name: Type.Optional(Type.String()),
    }),
  ),
  Components: Type.Optional(
    Type.Array(
      Type.Object({
        Name: Type.Optional(Type.String()),
        Version: Type.Optional(Type.String()),
        Details: Type.Optional(Nullable(Type.Record(Type.String(), Type.Any()))),
      }),
    ),
  ),
  Version: Type.Optional(Type.String()),
  ApiVersion: Type.Optional(Type.String()),
  MinAPIVersion: Type.Optional(Type.String()),
  GitCommit: Type.Optional(Type.String()),
  GoVersion: Type.Optional(Type.String()),
  Os: Type.Optional(Type.String()),
  Arch: Type.Optional(Type.String()),
  KernelVersion: Type.Optional(Type.String()),
  Experimental: Type.Optional(Type.Boolean()),
  BuildTime: Type.Optional(Type.String()),
});
export type SystemVersion = Static<typeof SystemVersion>;

export const PluginsInfo = Type.Object({
  Volume: Type.Optional(Type.Array(Type.String())),
  Network: Type.Optional(Type.Array(Type.String())),
  Authorization: Type.Optional(Type.Array(Type.String())),
  Log: Type.Optional(Type.Array(Type.String())),
});
export type PluginsInfo = Static<typeof PluginsInfo>;

export const IndexInfo = Type.Object({
  Name: Type.Optional(Type.String()),
  Mirrors: Type.Optional(Type.Array(Type.String())),
  Secure: Type.Optional(Type.Boolean()),
  Official: Type.Optional(Type.Boolean()),
});
export type IndexInfo = Static<typeof IndexInfo>;

export const RegistryServiceConfig = Type.Object({
  InsecureRegistryCIDRs: Type.Optional(Type.Array(Type.String())),
  IndexConfigs: Type.Optional(Type.Record(Type.String(), IndexInfo)),
  Mirrors: Type.Optional(Type.Array(Type.String())),
});
export type RegistryServiceConfig = Static<typeof RegistryServiceConfig>;

export const Runtime = Type.Object({
  path: Type.Optional(Type.String()),
  runtimeArgs: Type.Optional(Nullable(Type.Array(Type.String()))),
  status: Type.Optional(Nullable(Type.Record(Type.String(), Type.String()))),
});
export type Runtime = Static<typeof Runtime>;

export const Commit = Type.Object({
  ID: Type.Optional(Type.String()),
});
export type Commit = Static<typeof Commit>;

export const FirewallInfo = Type.Object({
  Driver: Type.Optional(Type.String()),
  Info: Type.Optional(Type.Array(Type.Array(Type.String()))),
});
export type FirewallInfo = Static<typeof FirewallInfo>;

export const ContainerdInfo = Type.Object({
  Address: Type.Optional(Type.String()),
  Namespaces: Type.Optional(
    Type.Object({
      Containers: Type.Optional(Type.String()),
      Plugins: Type.Optional(Type.String()),
    }),
  ),
});
export type ContainerdInfo = Static<typeof ContainerdInfo>;

export const SystemInfo = Type.Object({
  ID: Type.Optional(Type.String()),
  Containers: Type.Optional(Type.Integer()),
  ContainersRunning: Type.Optional(Type.Integer()),
  ContainersPaused: Type.Optional(Type.Integer()),
  ContainersStopped: Type.Optional(Type.Integer()),
  Images: Type.Optional(Type.Integer()),
  Driver: Type.Optional(Type.String()),
  DriverStatus: Type.Optional(Type.Array(Type.Array(Type.String()))),
  DockerRootDir: Type.Optional(Type.String()),
  Plugins: Type.Optional(PluginsInfo),
  MemoryLimit: Type.Optional(Type.Boolean()),
  SwapLimit: Type.Optional(Type.Boolean()),
  KernelMemoryTCP: Type.Optional(Type.Boolean()),
  CpuCfsPeriod: Type.Optional(Type.Boolean()),
  CpuCfsQuota: Type.Optional(Type.Boolean()),
  CPUShares: Type.Optional(Type.Boolean()),
  CPUSet: Type.Optional(Type.Boolean()),
  PidsLimit: Type.Optional(Type.Boolean()),
  OomKillDisable: Type.Optional(Type.Boolean()),
  IPv4Forwarding: Type.Optional(Type.Boolean()),
  BridgeNfIptables: Type.Optional(Type.Boolean()),
  BridgeNfIp6tables: Type.Optional(Type.Boolean()),
  Debug: Type.Optional(Type.Boolean()),
  NFd: Type.Optional(Type.Integer()),
  NGoroutines: Type.Optional(Type.Integer()),
  SystemTime: Type.Optional(Type.String()),
  LoggingDriver: Type.Optional(Type.String()),
  CgroupDriver: Type.Optional(Type.Union([Type.Literal('cgroupfs'), Type.Literal('systemd'), Type.Literal('none')])),
  CgroupVersion: Type.Optional(Type.Union([Type.Literal('1'), Type.Literal('2')])),
  NEventsListener: Type.Optional(Type.Integer()),
  KernelVersion: Type.Optional(Type.String()),
  OperatingSystem: Type.Optional(Type.String()),
  OSVersion: Type.Optional(Type.String()),
  OSType: Type.Optional(Type.String()),
  Architecture: Type.Optional(Type.String()),
  NCPU: Type.Optional(Type.Integer()),
  MemTotal: Type.Optional(Type.Integer()),
  IndexServerAddress: Type.Optional(Type.String()),
  RegistryConfig: Type.Optional(RegistryServiceConfig),
  GenericResources: Type.Optional(Type.Any()),
  HttpProxy: Type.Optional(Type.String()),
  HttpsProxy: Type.Optional(Type.String()),
  NoProxy: Type.Optional(Type.String()),
  Name: Type.Optional(Type.String()),
  Labels: Type.Optional(Type.Array(Type.String())),
  ExperimentalBuild: Type.Optional(Type.Boolean()),
  ServerVersion: Type.Optional(Type.String()),
  Runtimes: Type.Optional(Type.Record(Type.String(), Runtime)),
  DefaultRuntime: Type.Optional(Type.String()),
  Swarm: Type.Optional(Type.Any()),
  LiveRestoreEnabled: Type.Optional(Type.Boolean()),
  Isolation: Type.Optional(
    Type.Union([Type.Literal('default'), Type.Literal('hyperv'), Type.Literal('process'), Type.Literal('')]),
  ),
  InitBinary: Type.Optional(Type.String()),
  ContainerdCommit: Type.Optional(Commit),
  RuncCommit: Type.Optional(Commit),
  InitCommit: Type.Optional(Commit),
  SecurityOptions: Type.Optional(Type.Array(Type.String())),
  ProductLicense: Type.Optional(Type.String()),
  DefaultAddressPools: Type.Optional(
    Type.Array(
      Type.Object({
        Base: Type.Optional(Type.String()),
        Size: Type.Optional(Type.Integer()),
      }),
    ),
  ),
  FirewallBackend: Type.Optional(FirewallInfo),
  DiscoveredDevices: Type.Optional(Type.Array(DeviceInfo)),
  Warnings: Type.Optional(Type.Array(Type.String())),
  CDISpecDirs: Type.Optional(Type.Array(Type.String())),
  Containerd: Type.Optional(ContainerdInfo),
});
export type SystemInfo = Static<typeof SystemInfo>;

export const EventActor = Type.Object({
  ID: Type.Optional(Type.String()),
  Attributes: Type.Optional(Type.Record(Type.String(), Type.String())),
});
export type EventActor = Static<typeof EventActor>;

export const EventMessage = Type.Object({
  // The names of before 1.22, which dockerd sends with events of containers and images up to 1.51.
  status: Type.Optional(Type.String()),
  id: Type.Optional(Type.String()),
  from: Type.Optional(Type.String()),
  Type: Type.Optional(
    Type.Union([
      Type.Literal('builder'),
      Type.Literal('config'),
      Type.Literal('container'),
      Type.Literal('daemon'),
      Type.Literal('image'),
      Type.Literal('network'),
      Type.Literal('node'),
      Type.Literal('plugin'),
      Type.Literal('secret'),
      Type.Literal('service'),
      Type.Literal('volume'),
    ]),
  ),
  Action: Type.Optional(Type.String()),
  Actor: Type.Optional(EventActor),
  scope: Type.Optional(Type.Union([Type.Literal('local'), Type.Literal('swarm')])),
  time: Type.Optional(Type.Integer()),
  timeNano: Type.Optional(Type.Integer()),
});
export type EventMessage = Static<typeof EventMessage>;

export const ErrorResponse = Type.Object({
  message: Type.Optional(Type.String()),
});
export type ErrorResponse = Static<typeof ErrorResponse>;

export const IDResponse = Type.Object({
  Id: Type.Optional(Type.String()),
});
export type IDResponse = Static<typeof IDResponse>;

export const AuthConfig = Type.Object({
  username: Type.Optional(Type.String()),
  password: Type.Optional(Type.String()),
  email: Type.Optional(Type.String()),
  serveraddress: Type.Optional(Type.String()),
});
export type AuthConfig = Static<typeof AuthConfig>;

export const SystemDataUsage = Type.Object({
  LayersSize: Type.Optional(Type.Integer()),
  Images: Type.Optional(Nullable(Type.Array(ImageSummary))),
  Containers: Type.Optional(Nullable(Type.Array(ContainerSummary))),
  Volumes: Type.Optional(Nullable(Type.Array(Volume))),
  BuildCache: Type.Optional(Nullable(Type.Array(BuildCache))),
});
export type SystemDataUsage = Static<typeof SystemDataUsage>;
