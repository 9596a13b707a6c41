// Shapes of the Engine API 1.50, container objects (field names, types and nullability as the API documents them).

import { type Static, Type } from 'typebox';
import { DriverData, HealthConfig } from './common.ts';
import { HostConfig, PortMap } from './host-config.ts';
import { MountPoint } from './mount.ts';
import { Nullable, NullWhenUnset, StringOrList } from './nullable.ts';
import { OCIDescriptor } from './oci.ts';

export const Address = Type.Object({
  Addr: Type.Optional(Type.String()),
  PrefixLen: Type.Optional(Type.Integer()),
});
export type Address = Static<typeof Address>;

export const Port = Type.Object({
  IP: Type.Optional(Type.String()),
  PrivatePort: Type.Optional(Type.Integer()),
  PublicPort: Type.Optional(Type.Integer()),
  Type: Type.Optional(Type.Union([Type.Literal('tcp'), Type.Literal('udp'), Type.Literal('sctp')])),
});
export type Port = Static<typeof Port>;

export const HealthcheckResult = Type.Object({
  Start: Type.Optional(Type.String()),
  End: Type.Optional(Type.String()),
  ExitCode: Type.Optional(Type.Integer()),
  Output: Type.Optional(Type.String()),
});
export type HealthcheckResult = Static<typeof HealthcheckResult>;

export const Health = Type.Object({
  Status: Type.Optional(
    Type.Union([Type.Literal('none'), Type.Literal('starting'), Type.Literal('healthy'), Type.Literal('unhealthy')]),
  ),
  FailingStreak: Type.Optional(Type.Integer()),
  Log: Type.Optional(Type.Array(HealthcheckResult)),
});
export type Health = Static<typeof Health>;

export const ContainerConfig = Type.Object({
  Hostname: Type.Optional(Type.String()),
  Domainname: Type.Optional(Type.String()),
  User: Type.Optional(Type.String()),
  AttachStdin: Type.Optional(Type.Boolean()),
  AttachStdout: Type.Optional(Type.Boolean()),
  AttachStderr: Type.Optional(Type.Boolean()),
  ExposedPorts: Type.Optional(Nullable(Type.Record(Type.String(), Type.Record(Type.String(), Type.Any())))),
  Tty: Type.Optional(Type.Boolean()),
  OpenStdin: Type.Optional(Type.Boolean()),
  StdinOnce: Type.Optional(Type.Boolean()),
  Env: Type.Optional(NullWhenUnset(Type.Array(Type.String()))),
  Cmd: Type.Optional(NullWhenUnset(StringOrList)),
  Healthcheck: Type.Optional(HealthConfig),
  ArgsEscaped: Type.Optional(Nullable(Type.Boolean())),
  Image: Type.Optional(Type.String()),
  Volumes: Type.Optional(NullWhenUnset(Type.Record(Type.String(), Type.Record(Type.String(), Type.Any())))),
  WorkingDir: Type.Optional(Type.String()),
  Entrypoint: Type.Optional(NullWhenUnset(StringOrList)),
  NetworkDisabled: Type.Optional(Nullable(Type.Boolean())),
  MacAddress: Type.Optional(Nullable(Type.String())),
  OnBuild: Type.Optional(Nullable(Type.Array(Type.String()))),
  Labels: Type.Optional(Type.Record(Type.String(), Type.String())),
  StopSignal: Type.Optional(Nullable(Type.String())),
  StopTimeout: Type.Optional(Nullable(Type.Integer())),
  Shell: Type.Optional(Nullable(StringOrList)),
});
export type ContainerConfig = Static<typeof ContainerConfig>;

export const EndpointIPAMConfig = Type.Object({
  IPv4Address: Type.Optional(Type.String()),
  IPv6Address: Type.Optional(Type.String()),
  LinkLocalIPs: Type.Optional(Type.Array(Type.String())),
});
export type EndpointIPAMConfig = Static<typeof EndpointIPAMConfig>;

export const EndpointSettings = Type.Object({
  IPAMConfig: Type.Optional(NullWhenUnset(EndpointIPAMConfig)),
  Links: Type.Optional(NullWhenUnset(Type.Array(Type.String()))),
  MacAddress: Type.Optional(Type.String()),
  Aliases: Type.Optional(NullWhenUnset(Type.Array(Type.String()))),
  DriverOpts: Type.Optional(Nullable(Type.Record(Type.String(), Type.String()))),
  GwPriority: Type.Optional(Type.Number()),
  NetworkID: Type.Optional(Type.String()),
  EndpointID: Type.Optional(Type.String()),
  Gateway: Type.Optional(Type.String()),
  IPAddress: Type.Optional(Type.String()),
  IPPrefixLen: Type.Optional(Type.Integer()),
  IPv6Gateway: Type.Optional(Type.String()),
  GlobalIPv6Address: Type.Optional(Type.String()),
  GlobalIPv6PrefixLen: Type.Optional(Type.Integer()),
  DNSNames: Type.Optional(NullWhenUnset(Type.Array(Type.String()))),
});
export type EndpointSettings = Static<typeof EndpointSettings>;

export const NetworkingConfig = Type.Object({
  EndpointsConfig: Type.Optional(Type.Record(Type.String(), EndpointSettings)),
});
export type NetworkingConfig = Static<typeof NetworkingConfig>;

export const NetworkSettings = Type.Object({
  Bridge: Type.Optional(Type.String()),
  SandboxID: Type.Optional(Type.String()),
  HairpinMode: Type.Optional(Type.Boolean()),
  LinkLocalIPv6Address: Type.Optional(Type.String()),
  LinkLocalIPv6PrefixLen: Type.Optional(Type.Integer()),
  Ports: Type.Optional(PortMap),
  SandboxKey: Type.Optional(Type.String()),
  SecondaryIPAddresses: Type.Optional(Nullable(Type.Array(Address))),
  SecondaryIPv6Addresses: Type.Optional(Nullable(Type.Array(Address))),
  EndpointID: Type.Optional(Type.String()),
  Gateway: Type.Optional(Type.String()),
  GlobalIPv6Address: Type.Optional(Type.String()),
  GlobalIPv6PrefixLen: Type.Optional(Type.Integer()),
  IPAddress: Type.Optional(Type.String()),
  IPPrefixLen: Type.Optional(Type.Integer()),
  IPv6Gateway: Type.Optional(Type.String()),
  MacAddress: Type.Optional(Type.String()),
  Networks: Type.Optional(Type.Record(Type.String(), EndpointSettings)),
});
export type NetworkSettings = Static<typeof NetworkSettings>;

export const ContainerState = Type.Object({
  Status: Type.Optional(
    Type.Union([
      Type.Literal('created'),
      Type.Literal('running'),
      Type.Literal('paused'),
      Type.Literal('restarting'),
      Type.Literal('removing'),
      Type.Literal('exited'),
      Type.Literal('dead'),
    ]),
  ),
  Running: Type.Optional(Type.Boolean()),
  Paused: Type.Optional(Type.Boolean()),
  Restarting: Type.Optional(Type.Boolean()),
  OOMKilled: Type.Optional(Type.Boolean()),
  Dead: Type.Optional(Type.Boolean()),
  Pid: Type.Optional(Type.Integer()),
  ExitCode: Type.Optional(Type.Integer()),
  Error: Type.Optional(Type.String()),
  StartedAt: Type.Optional(Type.String()),
  FinishedAt: Type.Optional(Type.String()),
  Health: Type.Optional(Health),
});
export type ContainerState = Static<typeof ContainerState>;

export const ContainerInspectResponse = Type.Object({
  Id: Type.Optional(Type.String()),
  Created: Type.Optional(Nullable(Type.String())),
  Path: Type.Optional(Type.String()),
  Args: Type.Optional(Type.Array(Type.String())),
  State: Type.Optional(ContainerState),
  Image: Type.Optional(Type.String()),
  ResolvConfPath: Type.Optional(Type.String()),
  HostnamePath: Type.Optional(Type.String()),
  HostsPath: Type.Optional(Type.String()),
  LogPath: Type.Optional(Nullable(Type.String())),
  Name: Type.Optional(Type.String()),
  RestartCount: Type.Optional(Type.Integer()),
  Driver: Type.Optional(Type.String()),
  Platform: Type.Optional(Type.String()),
  ImageManifestDescriptor: Type.Optional(OCIDescriptor),
  MountLabel: Type.Optional(Type.String()),
  ProcessLabel: Type.Optional(Type.String()),
  AppArmorProfile: Type.Optional(Type.String()),
  ExecIDs: Type.Optional(Nullable(Type.Array(Type.String()))),
  HostConfig: Type.Optional(HostConfig),
  GraphDriver: Type.Optional(DriverData),
  SizeRw: Type.Optional(Nullable(Type.Integer())),
  SizeRootFs: Type.Optional(Nullable(Type.Integer())),
  Mounts: Type.Optional(Type.Array(MountPoint)),
  Config: Type.Optional(ContainerConfig),
  NetworkSettings: Type.Optional(NetworkSettings),
});
export type ContainerInspectResponse = Static<typeof ContainerInspectResponse>;

export const ContainerSummary = Type.Object({
  Id: Type.Optional(Type.String()),
  Names: Type.Optional(Type.Array(Type.String())),
  Image: Type.Optional(Type.String()),
  ImageID: Type.Optional(Type.String()),
  ImageManifestDescriptor: Type.Optional(Nullable(OCIDescriptor)),
  Command: Type.Optional(Type.String()),
  Created: Type.Optional(Type.Integer()),
  Ports: Type.Optional(Type.Array(Port)),
  SizeRw: Type.Optional(Nullable(Type.Integer())),
  SizeRootFs: Type.Optional(Nullable(Type.Integer())),
  Labels: Type.Optional(Type.Record(Type.String(), Type.String())),
  State: Type.Optional(
    Type.Union([
      Type.Literal('created'),
      Type.Literal('running'),
      Type.Literal('paused'),
      Type.Literal('restarting'),
      Type.Literal('exited'),
      Type.Literal('removing'),
      Type.Literal('dead'),
    ]),
  ),
  Status: Type.Optional(Type.String()),
  HostConfig: Type.Optional(
    Type.Object({
      NetworkMode: Type.Optional(Type.String()),
      Annotations: Type.Optional(Nullable(Type.Record(Type.String(), Type.String()))),
    }),
  ),
  NetworkSettings: Type.Optional(
    Type.Object({
      Networks: Type.Optional(Type.Record(Type.String(), EndpointSettings)),
    }),
  ),
  Mounts: Type.Optional(Type.Array(MountPoint)),
});
export type ContainerSummary = Static<typeof ContainerSummary>;

export const ContainerCreateResponse = Type.Object({
  Id: Type.Optional(Type.String()),
  Warnings: Type.Optional(NullWhenUnset(Type.Array(Type.String()))),
});
export type ContainerCreateResponse = Static<typeof ContainerCreateResponse>;

export const ContainerUpdateResponse = Type.Object({
  Warnings: Type.Optional(NullWhenUnset(Type.Array(Type.String()))),
});
export type ContainerUpdateResponse = Static<typeof ContainerUpdateResponse>;

export const ContainerTopResponse = Type.Object({
  Titles: Type.Optional(Type.Array(Type.String())),
  Processes: Type.Optional(Type.Array(Type.Array(Type.String()))),
});
export type ContainerTopResponse = Static<typeof ContainerTopResponse>;

export const ContainerWaitExitError = Type.Object({
  Message: Type.Optional(Type.String()),
});
export type ContainerWaitExitError = Static<typeof ContainerWaitExitError>;

export const ContainerWaitResponse = Type.Object({
  StatusCode: Type.Optional(Type.Integer()),
  Error: Type.Optional(ContainerWaitExitError),
});
export type ContainerWaitResponse = Static<typeof ContainerWaitResponse>;

export const ChangeType = Type.Integer();
export type ChangeType = Static<typeof ChangeType>;

export const FilesystemChange = Type.Object({
  Path: Type.Optional(Type.String()),
  Kind: Type.Optional(ChangeType),
});
export type FilesystemChange = Static<typeof FilesystemChange>;

export const ContainerPruneResponse = Type.Object({
  ContainersDeleted: Type.Optional(Nullable(Type.Array(Type.String()))),
  SpaceReclaimed: Type.Optional(Type.Integer()),
});
export type ContainerPruneResponse = Static<typeof ContainerPruneResponse>;
