// Shapes of the Engine API 1.50, network objects (field names, types and nullability as the API documents them).

import { type Static, Type } from 'typebox';
import { Nullable } from './nullable.ts';

export const IPAMConfig = Type.Object({
  Subnet: Type.Optional(Type.String()),
  IPRange: Type.Optional(Type.String()),
  Gateway: Type.Optional(Type.String()),
  AuxiliaryAddresses: Type.Optional(Type.Record(Type.String(), Type.String())),
});
export type IPAMConfig = Static<typeof IPAMConfig>;

export const IPAM = Type.Object({
  Driver: Type.Optional(Type.String()),
  Config: Type.Optional(Nullable(Type.Array(IPAMConfig))),
  Options: Type.Optional(Nullable(Type.Record(Type.String(), Type.String()))),
});
export type IPAM = Static<typeof IPAM>;

export const ConfigReference = Type.Object({
  Network: Type.Optional(Type.String()),
});
export type ConfigReference = Static<typeof ConfigReference>;

export const NetworkContainer = Type.Object({
  Name: Type.Optional(Type.String()),
  EndpointID: Type.Optional(Type.String()),
  MacAddress: Type.Optional(Type.String()),
  IPv4Address: Type.Optional(Type.String()),
  IPv6Address: Type.Optional(Type.String()),
});
export type NetworkContainer = Static<typeof NetworkContainer>;

export const PeerInfo = Type.Object({
  Name: Type.Optional(Type.String()),
  IP: Type.Optional(Type.String()),
});
export type PeerInfo = Static<typeof PeerInfo>;

export const Network = Type.Object({
  Name: Type.Optional(Type.String()),
  Id: Type.Optional(Type.String()),
  Created: Type.Optional(Type.String()),
  Scope: Type.Optional(Type.String()),
  Driver: Type.Optional(Type.String()),
  EnableIPv4: Type.Optional(Type.Boolean()),
  EnableIPv6: Type.Optional(Type.Boolean()),
  IPAM: Type.Optional(IPAM),
  Internal: Type.Optional(Type.Boolean()),
  Attachable: Type.Optional(Type.Boolean()),
  Ingress: Type.Optional(Type.Boolean()),
  ConfigFrom: Type.Optional(ConfigReference),
  ConfigOnly: Type.Optional(Type.Boolean()),
  Containers: Type.Optional(Type.Record(Type.String(), NetworkContainer)),
  Options: Type.Optional(Type.Record(Type.String(), Type.String())),
  Labels: Type.Optional(Type.Record(Type.String(), Type.String())),
  Peers: Type.Optional(Nullable(Type.Array(PeerInfo))),
});
export type Network = Static<typeof Network>;

export const NetworkCreateResponse = Type.Object({
  Id: Type.Optional(Type.String()),
  Warning: Type.Optional(Type.String()),
});
export type NetworkCreateResponse = Static<typeof NetworkCreateResponse>;

export const NetworkCreateRequest = Type.Object({
  Name: Type.Optional(Type.String()),
  Driver: Type.Optional(Type.String()),
  Scope: Type.Optional(Type.String()),
  Internal: Type.Optional(Type.Boolean()),
  Attachable: Type.Optional(Type.Boolean()),
  Ingress: Type.Optional(Type.Boolean()),
  ConfigOnly: Type.Optional(Type.Boolean()),
  ConfigFrom: Type.Optional(ConfigReference),
  IPAM: Type.Optional(IPAM),
  EnableIPv4: Type.Optional(Type.Boolean()),
  EnableIPv6: Type.Optional(Type.Boolean()),
  Options: Type.Optional(Type.Record(Type.String(), Type.String())),
  Labels: Type.Optional(Type.Record(Type.String(), Type.String())),
});
export type NetworkCreateRequest = Static<typeof NetworkCreateRequest>;

export const NetworkPruneResponse = Type.Object({
  NetworksDeleted: Type.Optional(Nullable(Type.Array(Type.String()))),
});
export type NetworkPruneResponse = Static<typeof NetworkPruneResponse>;
