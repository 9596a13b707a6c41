// Shapes of the Engine API 1.50, mounts (field names, types and nullability as the API documents them).

import { type Static, Type } from 'typebox';

const MountType = Type.Union([
  Type.Literal('bind'),
  Type.Literal('volume'),
  Type.Literal('image'),
  Type.Literal('tmpfs'),
  Type.Literal('npipe'),
  Type.Literal('cluster'),
]);

export const MountPoint = Type.Object({
  Type: Type.Optional(MountType),
  Name: Type.Optional(Type.String()),
  Source: Type.Optional(Type.String()),
  Destination: Type.Optional(Type.String()),
  Driver: Type.Optional(Type.String()),
  Mode: Type.Optional(Type.String()),
  RW: Type.Optional(Type.Boolean()),
  Propagation: Type.Optional(Type.String()),
});
export type MountPoint = Static<typeof MountPoint>;

export const Mount = Type.Object({
  Target: Type.Optional(Type.String()),
  Source: Type.Optional(Type.String()),
  Type: Type.Optional(MountType),
  ReadOnly: Type.Optional(Type.Boolean()),
  Consistency: Type.Optional(Type.String()),
  BindOptions: Type.Optional(
    Type.Object({
      Propagation: Type.Optional(
        Type.Union([
          Type.Literal(''),
          Type.Literal('private'),
          Type.Literal('rprivate'),
          Type.Literal('shared'),
          Type.Literal('rshared'),
          Type.Literal('slave'),
          Type.Literal('rslave'),
        ]),
      ),
      NonRecursive: Type.Optional(Type.Boolean()),
      CreateMountpoint: Type.Optional(Type.Boolean()),
      ReadOnlyNonRecursive: Type.Optional(Type.Boolean()),
      ReadOnlyForceRecursive: Type.Optional(Type.Boolean()),
    }),
  ),
  VolumeOptions: Type.Optional(
    Type.Object({
      NoCopy: Type.Optional(Type.Boolean()),
      Labels: Type.Optional(Type.Record(Type.String(), Type.String())),
      DriverConfig: Type.Optional(
        Type.Object({
          Name: Type.Optional(Type.String()),
          Options: Type.Optional(Type.Record(Type.String(), Type.String())),
        }),
      ),
      Subpath: Type.Optional(Type.String()),
    }),
  ),
  ImageOptions: Type.Optional(
    Type.Object({
      Subpath: Type.Optional(Type.String()),
    }),
  ),
  TmpfsOptions: Type.Optional(
    Type.Object({
      SizeBytes: Type.Optional(Type.Integer()),
      Mode: Type.Optional(Type.Integer()),
      Options: Type.Optional(Type.Array(Type.Array(Type.String()))),
    }),
  ),
});
export type Mount = Static<typeof Mount>;
