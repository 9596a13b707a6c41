import { type TSchema, Type } from 'typebox';

/** A field that the Engine API may send as null. */
export const Nullable = <T extends TSchema>(schema: T) => Type.Union([schema, Type.Null()]);
