// Shapes of the Engine API 1.50, exec objects (field names, types and nullability as the API documents them).

import { type Static, Type } from 'typebox';

export const ProcessConfig = Type.Object({
  privileged: Type.Optional(Type.Boolean()),
  user: Type.Optional(Type.String()),
  tty: Type.Optional(Type.Boolean()),
  entrypoint: Type.Optional(Type.String()),
  arguments: Type.Optional(Type.Array(Type.String())),
});
export type ProcessConfig = Static<typeof ProcessConfig>;
