import { GantryError } from '../../api/errors.ts';

/** The parts of JSON Schema that the API's TypeBox schemas use. */
interface Schema {
  type?: string;
  properties?: Record<string, Schema>;
  patternProperties?: Record<string, Schema>;
  additionalProperties?: Schema | boolean;
  items?: Schema;
  anyOf?: Schema[];
  allOf?: Schema[];
  required?: string[];
  const?: unknown;
  /** A string may stand for a list of one (Docker's Cmd, Entrypoint, Shell). */
  'x-string-or-list'?: boolean;
}

/** Own fields of an object schema by lower-case name; kept for as long as the schema lives. */
type FieldIndex = Map<string, [name: string, schema: Schema]>;

/**
 * Reads a parsed JSON value by a schema as Go's decoder, which all Engine API clients were written against, reads one into a
 * struct: field names match whatever their case, unknown fields and nulls are dropped, a null inside a map or list is the zero value.
 * String enumerations are not checked here: the engine does, with the message of the option concerned.
 */
export class BodyReader {
  readonly #fields = new WeakMap<Schema, FieldIndex>();

  /** Throws invalid_parameter that names the field. */
  read(schema: object, value: unknown): unknown {
    if (value === null) return {};
    return this.#read(schema as Schema, value, '');
  }

  #read(schema: Schema, value: unknown, path: string): unknown {
    if (schema.anyOf !== undefined) return this.#readUnion(schema.anyOf, value, path);
    if (schema.allOf !== undefined || schema.properties !== undefined) return this.#readObject(schema, value, path);
    switch (schema.type) {
      case 'object':
        return this.#readMap(schema, value, path);
      case 'array':
        return this.#readList(schema, value, path);
      case 'string':
        if (typeof value !== 'string') throw mismatch(value, path, 'string');
        return value;
      case 'boolean':
        if (typeof value !== 'boolean') throw mismatch(value, path, 'boolean');
        return value;
      case 'integer':
        if (typeof value !== 'number' || !Number.isInteger(value)) throw mismatch(value, path, 'integer');
        return value;
      case 'number':
        if (typeof value !== 'number') throw mismatch(value, path, 'number');
        return value;
      default:
        return value;
    }
  }

  #readUnion(choices: Schema[], value: unknown, path: string): unknown {
    if (value === null && choices.some((choice) => choice.type === 'null')) return null;
    const real = choices.filter((choice) => choice.type !== 'null');
    const first = real[0]!;
    if (real.length === 1) return this.#read(first, value, path);
    if (real.every((choice) => choice.type === 'string')) {
      if (typeof value !== 'string') throw mismatch(value, path, 'string');
      return value;
    }
    let failure: unknown;
    for (const choice of real) {
      try {
        return this.#read(choice, value, path);
      } catch (error) {
        failure = error;
      }
    }
    throw failure;
  }

  #readObject(schema: Schema, value: unknown, path: string): unknown {
    const object = asObject(value, path, 'object');
    const fields = this.#fieldsOf(schema);
    const result: Record<string, unknown> = {};
    for (const [key, item] of Object.entries(object)) {
      if (item === null) continue;
      const field = fields.get(key.toLowerCase());
      if (field === undefined) continue;
      const [name, fieldSchema] = field;
      result[name] = this.#read(fieldSchema, item, path === '' ? name : `${path}.${name}`);
    }
    for (const name of requiredOf(schema)) {
      if (!(name in result)) {
        throw new GantryError(
          'invalid_parameter',
          `invalid JSON: missing field ${path === '' ? name : `${path}.${name}`}`,
        );
      }
    }
    return result;
  }

  #readMap(schema: Schema, value: unknown, path: string): unknown {
    const object = asObject(value, path, 'object');
    const items =
      Object.values(schema.patternProperties ?? {})[0] ??
      (typeof schema.additionalProperties === 'object' ? schema.additionalProperties : {});
    // Keys are the user's own: "__proto__" must stay an entry like any other.
    return Object.fromEntries(
      Object.entries(object).map(([key, item]) => [key, this.#readItem(items, item, `${path}.${key}`)]),
    );
  }

  #readList(schema: Schema, value: unknown, path: string): unknown {
    if (schema['x-string-or-list'] === true && typeof value === 'string') return [value];
    if (!Array.isArray(value)) throw mismatch(value, path, 'array');
    const items = schema.items ?? {};
    return value.map((item, at) => this.#readItem(items, item, `${path}[${at}]`));
  }

  #readItem(schema: Schema, value: unknown, path: string): unknown {
    return value === null ? zero(schema) : this.#read(schema, value, path);
  }

  #fieldsOf(schema: Schema): FieldIndex {
    let index = this.#fields.get(schema);
    if (index === undefined) {
      index = new Map();
      for (const part of schema.allOf ?? []) for (const [key, field] of this.#fieldsOf(part)) index.set(key, field);
      for (const [name, field] of Object.entries(schema.properties ?? {})) index.set(name.toLowerCase(), [name, field]);
      this.#fields.set(schema, index);
    }
    return index;
  }
}

function requiredOf(schema: Schema): string[] {
  return [...(schema.required ?? []), ...(schema.allOf ?? []).flatMap(requiredOf)];
}

function zero(schema: Schema): unknown {
  if (schema.anyOf?.some((choice) => choice.type === 'null')) return null;
  if (schema.allOf !== undefined) return {};
  switch (schema.type) {
    case 'object':
      return {};
    case 'array':
      return [];
    case 'string':
      return '';
    case 'boolean':
      return false;
    case 'integer':
    case 'number':
      return 0;
    default:
      return null;
  }
}

function asObject(value: unknown, path: string, wanted: string): object {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw mismatch(value, path, wanted);
  return value;
}

function mismatch(value: unknown, path: string, wanted: string): GantryError {
  const given = Array.isArray(value) ? 'array' : value === null ? 'null' : typeof value;
  const shown = given === 'number' ? `number ${value}` : given;
  const where = path === '' ? 'the body' : `field ${path}`;
  return new GantryError(
    'invalid_parameter',
    `invalid JSON: cannot unmarshal ${shown} into ${where} of type ${wanted}`,
  );
}
