import { type TSchema, Type } from 'typebox';

/** A field that the Engine API may send as null. */
export const Nullable = <T extends TSchema>(schema: T) => Type.Union([schema, Type.Null()]);

/** A list for which requests may give one string (Docker's Cmd, Entrypoint and Shell); read as a list of one. */
export const StringOrList = Type.Array(Type.String(), { 'x-string-or-list': true });
