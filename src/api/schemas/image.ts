// Shapes of the Engine API 1.50, image objects (field names, types and nullability as the API documents them).

import { type Static, Type } from 'typebox';
import { DriverData, HealthConfig } from './common.ts';
import { Nullable } from './nullable.ts';
import { OCIDescriptor, OCIPlatform } from './oci.ts';

export const ImageConfig = Type.Object({
  User: Type.Optional(Type.String()),
  ExposedPorts: Type.Optional(Nullable(Type.Record(Type.String(), Type.Record(Type.String(), Type.Any())))),
  Env: Type.Optional(Type.Array(Type.String())),
  Cmd: Type.Optional(Type.Array(Type.String())),
  Healthcheck: Type.Optional(HealthConfig),
  ArgsEscaped: Type.Optional(Nullable(Type.Boolean())),
  Volumes: Type.Optional(Type.Record(Type.String(), Type.Record(Type.String(), Type.Any()))),
  WorkingDir: Type.Optional(Type.String()),
  Entrypoint: Type.Optional(Type.Array(Type.String())),
  OnBuild: Type.Optional(Nullable(Type.Array(Type.String()))),
  Labels: Type.Optional(Type.Record(Type.String(), Type.String())),
  StopSignal: Type.Optional(Nullable(Type.String())),
  Shell: Type.Optional(Nullable(Type.Array(Type.String()))),
});
export type ImageConfig = Static<typeof ImageConfig>;

export const ImageManifestSummary = Type.Object({
  ID: Type.Optional(Type.String()),
  Descriptor: Type.Optional(OCIDescriptor),
  Available: Type.Optional(Type.Boolean()),
  Size: Type.Optional(
    Type.Object({
      Total: Type.Optional(Type.Integer()),
      Content: Type.Optional(Type.Integer()),
    }),
  ),
  Kind: Type.Optional(Type.Union([Type.Literal('image'), Type.Literal('attestation'), Type.Literal('unknown')])),
  ImageData: Type.Optional(
    Nullable(
      Type.Object({
        Platform: Type.Optional(OCIPlatform),
        Containers: Type.Optional(Type.Array(Type.String())),
        Size: Type.Optional(
          Type.Object({
            Unpacked: Type.Optional(Type.Integer()),
          }),
        ),
      }),
    ),
  ),
  AttestationData: Type.Optional(
    Nullable(
      Type.Object({
        For: Type.Optional(Type.String()),
      }),
    ),
  ),
});
export type ImageManifestSummary = Static<typeof ImageManifestSummary>;

export const ImageInspect = Type.Object({
  Id: Type.Optional(Type.String()),
  Descriptor: Type.Optional(Nullable(OCIDescriptor)),
  Manifests: Type.Optional(Nullable(Type.Array(ImageManifestSummary))),
  RepoTags: Type.Optional(Type.Array(Type.String())),
  RepoDigests: Type.Optional(Type.Array(Type.String())),
  Parent: Type.Optional(Type.String()),
  Comment: Type.Optional(Type.String()),
  Created: Type.Optional(Nullable(Type.String())),
  DockerVersion: Type.Optional(Type.String()),
  Author: Type.Optional(Type.String()),
  Config: Type.Optional(ImageConfig),
  Architecture: Type.Optional(Type.String()),
  Variant: Type.Optional(Nullable(Type.String())),
  Os: Type.Optional(Type.String()),
  OsVersion: Type.Optional(Nullable(Type.String())),
  Size: Type.Optional(Type.Integer()),
  VirtualSize: Type.Optional(Type.Integer()),
  GraphDriver: Type.Optional(DriverData),
  RootFS: Type.Optional(
    Type.Object({
      Type: Type.Optional(Type.String()),
      Layers: Type.Optional(Type.Array(Type.String())),
    }),
  ),
  Metadata: Type.Optional(
    Type.Object({
      LastTagTime: Type.Optional(Nullable(Type.String())),
    }),
  ),
});
export type ImageInspect = Static<typeof ImageInspect>;

export const ImageSummary = Type.Object({
  Id: Type.Optional(Type.String()),
  ParentId: Type.Optional(Type.String()),
  RepoTags: Type.Optional(Type.Array(Type.String())),
  RepoDigests: Type.Optional(Type.Array(Type.String())),
  Created: Type.Optional(Type.Integer()),
  Size: Type.Optional(Type.Integer()),
  SharedSize: Type.Optional(Type.Integer()),
  VirtualSize: Type.Optional(Type.Integer()),
  Labels: Type.Optional(Type.Record(Type.String(), Type.String())),
  Containers: Type.Optional(Type.Integer()),
  Manifests: Type.Optional(Type.Array(ImageManifestSummary)),
  Descriptor: Type.Optional(Nullable(OCIDescriptor)),
});
export type ImageSummary = Static<typeof ImageSummary>;

export const ImageDeleteResponseItem = Type.Object({
  Untagged: Type.Optional(Type.String()),
  Deleted: Type.Optional(Type.String()),
});
export type ImageDeleteResponseItem = Static<typeof ImageDeleteResponseItem>;

export const ImageID = Type.Object({
  ID: Type.Optional(Type.String()),
});
export type ImageID = Static<typeof ImageID>;

export const ErrorDetail = Type.Object({
  code: Type.Optional(Type.Integer()),
  message: Type.Optional(Type.String()),
});
export type ErrorDetail = Static<typeof ErrorDetail>;

export const ProgressDetail = Type.Object({
  current: Type.Optional(Type.Integer()),
  total: Type.Optional(Type.Integer()),
});
export type ProgressDetail = Static<typeof ProgressDetail>;

export const CreateImageInfo = Type.Object({
  id: Type.Optional(Type.String()),
  error: Type.Optional(Nullable(Type.String())),
  errorDetail: Type.Optional(ErrorDetail),
  status: Type.Optional(Type.String()),
  progress: Type.Optional(Nullable(Type.String())),
  progressDetail: Type.Optional(ProgressDetail),
});
export type CreateImageInfo = Static<typeof CreateImageInfo>;

export const DeviceInfo = Type.Object({
  Source: Type.Optional(Type.String()),
  ID: Type.Optional(Type.String()),
});
export type DeviceInfo = Static<typeof DeviceInfo>;

export const BuildCache = Type.Object({
  ID: Type.Optional(Type.String()),
  Parent: Type.Optional(Nullable(Type.String())),
  Parents: Type.Optional(Nullable(Type.Array(Type.String()))),
  Type: Type.Optional(
    Type.Union([
      Type.Literal('internal'),
      Type.Literal('frontend'),
      Type.Literal('source.local'),
      Type.Literal('source.git.checkout'),
      Type.Literal('exec.cachemount'),
      Type.Literal('regular'),
    ]),
  ),
  Description: Type.Optional(Type.String()),
  InUse: Type.Optional(Type.Boolean()),
  Shared: Type.Optional(Type.Boolean()),
  Size: Type.Optional(Type.Integer()),
  CreatedAt: Type.Optional(Type.String()),
  LastUsedAt: Type.Optional(Nullable(Type.String())),
  UsageCount: Type.Optional(Type.Integer()),
});
export type BuildCache = Static<typeof BuildCache>;

export const ImageHistoryItem = Type.Object({
  Id: Type.String(),
  Created: Type.Integer(),
  CreatedBy: Type.String(),
  Tags: Nullable(Type.Array(Type.String())),
  Size: Type.Integer(),
  Comment: Type.String(),
});
export type ImageHistoryItem = Static<typeof ImageHistoryItem>;

export const ImagePruneResponse = Type.Object({
  ImagesDeleted: Type.Optional(Nullable(Type.Array(ImageDeleteResponseItem))),
  SpaceReclaimed: Type.Optional(Type.Integer()),
});
export type ImagePruneResponse = Static<typeof ImagePruneResponse>;

export const BuildPruneResponse = Type.Object({
  CachesDeleted: Type.Optional(Nullable(Type.Array(Type.String()))),
  SpaceReclaimed: Type.Optional(Type.Integer()),
});
export type BuildPruneResponse = Static<typeof BuildPruneResponse>;
