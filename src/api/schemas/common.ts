// Shapes of the Engine API 1.50, common objects (field names, types and nullability as the API documents them).

import { type Static, Type } from 'typebox';

export const HealthConfig = Type.Object({
  Test: Type.Optional(Type.Array(Type.String())),
  Interval: Type.Optional(Type.Integer()),
  Timeout: Type.Optional(Type.Integer()),
  Retries: Type.Optional(Type.Integer()),
  StartPeriod: Type.Optional(Type.Integer()),
  StartInterval: Type.Optional(Type.Integer()),
});
export type HealthConfig = Static<typeof HealthConfig>;

export const DriverData = Type.Object({
  Name: Type.Optional(Type.String()),
  Data: Type.Optional(Type.Record(Type.String(), Type.String())),
});
export type DriverData = Static<typeof DriverData>;
