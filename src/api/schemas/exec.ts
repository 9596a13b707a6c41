// Shapes of the Engine API 1.50, exec objects (field names, types and nullability as the API documents them).

import { type Static, Type } from 'typebox';
import { Nullable } from './nullable.ts';

export const ProcessConfig = Type.Object({
  privileged: Type.Optional(Type.Boolean()),
  user: Type.Optional(Type.String()),
  tty: Type.Optional(Type.Boolean()),
  entrypoint: Type.Optional(Type.String()),
  arguments: Type.Optional(Type.Array(Type.String())),
});
export type ProcessConfig = Static<typeof ProcessConfig>;

export const ExecInspectResponse = Type.Object({
  ID: Type.Optional(Type.String()),
  Running: Type.Optional(Type.Boolean()),
  ExitCode: Type.Optional(Nullable(Type.Integer())),
  ProcessConfig: Type.Optional(ProcessConfig),
  OpenStdin: Type.Optional(Type.Boolean()),
  OpenStderr: Type.Optional(Type.Boolean()),
  OpenStdout: Type.Optional(Type.Boolean()),
  CanRemove: Type.Optional(Type.Boolean()),
  ContainerID: Type.Optional(Type.String()),
  /** The keys' bytes in base64. */
  DetachKeys: Type.Optional(Type.String()),
  Pid: Type.Optional(Type.Integer()),
});
export type ExecInspectResponse = Static<typeof ExecInspectResponse>;
