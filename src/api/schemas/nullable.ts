import { type TSchema, Type } from 'typebox';

/** A field that the Engine API may send as null. */
export const Nullable = <T extends TSchema>(schema: T) => Type.Union([schema, Type.Null()]);

/** A list for which requests may give one string (Docker's Cmd, Entrypoint and Shell); read as a list of one. */
export const StringOrList = Type.Array(Type.String(), { 'x-string-or-list': true });

/**
 * A field that answers show as null when it was not set, and that requests may send so: to a reader the same as a missing one, which
 * is why its type has no null. The OpenAPI document says what is on the wire.
 */
export function NullWhenUnset<T extends TSchema>(schema: T): T {
  const copy = Object.create(Object.getPrototypeOf(schema), Object.getOwnPropertyDescriptors(schema)) as T;
  return Object.assign(copy, { 'x-nullable': true });
}
