// Shapes of the Engine API 1.50, oci objects (field names, types and nullability as the API documents them).

import { type Static, Type } from 'typebox';
import { Nullable } from './nullable.ts';

export const OCIPlatform = Type.Object({
  architecture: Type.Optional(Type.String()),
  os: Type.Optional(Type.String()),
  'os.version': Type.Optional(Type.String()),
  'os.features': Type.Optional(Type.Array(Type.String())),
  variant: Type.Optional(Type.String()),
});
export type OCIPlatform = Static<typeof OCIPlatform>;

export const OCIDescriptor = Type.Object({
  mediaType: Type.Optional(Type.String()),
  digest: Type.Optional(Type.String()),
  size: Type.Optional(Type.Integer()),
  urls: Type.Optional(Nullable(Type.Array(Type.String()))),
  annotations: Type.Optional(Nullable(Type.Record(Type.String(), Type.String()))),
  data: Type.Optional(Nullable(Type.String())),
  platform: Type.Optional(OCIPlatform),
  artifactType: Type.Optional(Nullable(Type.String())),
});
export type OCIDescriptor = Static<typeof OCIDescriptor>;
