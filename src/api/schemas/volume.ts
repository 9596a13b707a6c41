// Shapes of the Engine API 1.50, volume objects (field names, types and nullability as the API documents them).

import { type Static, Type } from 'typebox';
import { Nullable, NullWhenUnset } from './nullable.ts';

export const Volume = Type.Object({
  Name: Type.Optional(Type.String()),
  Driver: Type.Optional(Type.String()),
  Mountpoint: Type.Optional(Type.String()),
  CreatedAt: Type.Optional(Type.String()),
  Status: Type.Optional(Type.Record(Type.String(), Type.Record(Type.String(), Type.Any()))),
  Labels: Type.Optional(NullWhenUnset(Type.Record(Type.String(), Type.String()))),
  Scope: Type.Optional(Type.Union([Type.Literal('local'), Type.Literal('global')])),
  ClusterVolume: Type.Optional(Type.Any()),
  Options: Type.Optional(NullWhenUnset(Type.Record(Type.String(), Type.String()))),
  UsageData: Type.Optional(
    Nullable(
      Type.Object({
        Size: Type.Optional(Type.Integer()),
        RefCount: Type.Optional(Type.Integer()),
      }),
    ),
  ),
});
export type Volume = Static<typeof Volume>;

export const VolumeCreateOptions = Type.Object({
  Name: Type.Optional(Type.String()),
  Driver: Type.Optional(Type.String()),
  DriverOpts: Type.Optional(Type.Record(Type.String(), Type.String())),
  Labels: Type.Optional(Type.Record(Type.String(), Type.String())),
  ClusterVolumeSpec: Type.Optional(Type.Any()),
});
export type VolumeCreateOptions = Static<typeof VolumeCreateOptions>;

export const VolumeListResponse = Type.Object({
  Volumes: Type.Optional(Type.Array(Volume)),
  Warnings: Type.Optional(NullWhenUnset(Type.Array(Type.String()))),
});
export type VolumeListResponse = Static<typeof VolumeListResponse>;

export const VolumePruneResponse = Type.Object({
  VolumesDeleted: Type.Optional(Nullable(Type.Array(Type.String()))),
  SpaceReclaimed: Type.Optional(Type.Integer()),
});
export type VolumePruneResponse = Static<typeof VolumePruneResponse>;
