import type { TSchema } from 'typebox';
import * as common from '../../api/schemas/common.ts';
import * as container from '../../api/schemas/container.ts';
import * as exec from '../../api/schemas/exec.ts';
import * as hostConfig from '../../api/schemas/host-config.ts';
import * as image from '../../api/schemas/image.ts';
import * as mount from '../../api/schemas/mount.ts';
import * as network from '../../api/schemas/network.ts';
import * as oci from '../../api/schemas/oci.ts';
import * as stats from '../../api/schemas/stats.ts';
import * as system from '../../api/schemas/system.ts';
import * as volume from '../../api/schemas/volume.ts';

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** A schema as JSON, with what our own words in it mean (api/schemas/nullable.ts) in those of JSON Schema. */
export function plain(schema: TSchema): Json {
  return JSON.parse(JSON.stringify(schema), (_key, value) => {
    if (value === null || typeof value !== 'object' || Array.isArray(value)) return value;
    const { 'x-nullable': nullable, 'x-string-or-list': stringOrList, ...rest } = value;
    const choices = [rest, ...(stringOrList ? [{ type: 'string' }] : []), ...(nullable ? [{ type: 'null' }] : [])];
    return choices.length === 1 ? rest : { anyOf: choices };
  }) as Json;
}

/** The schemas of src/api/schemas by name, so that the document says each once. */
export class SchemaComponents {
  /** By text: TypeBox copies a schema that it makes optional. */
  readonly #names = new Map<string, string>();
  readonly #used = new Map<string, Json>();

  constructor() {
    for (const module of [common, container, hostConfig, mount, exec, image, network, oci, stats, system, volume]) {
      for (const [name, schema] of Object.entries(module)) {
        const text = JSON.stringify(plain(schema));
        // Shapes of one or two words are clearer where they are used.
        if (text.length > 60 && !this.#names.has(text)) this.#names.set(text, name);
      }
    }
  }

  /** The schema with a reference for each part that has a name. */
  refer(schema: TSchema): Json {
    return this.#walk(plain(schema));
  }

  /** Those that were referred to. */
  all(): Record<string, Json> {
    return Object.fromEntries([...this.#used].sort(([one], [other]) => (one < other ? -1 : 1)));
  }

  #walk(value: Json): Json {
    if (value === null || typeof value !== 'object') return value;
    if (Array.isArray(value)) return value.map((item) => this.#walk(item));
    const name = this.#names.get(JSON.stringify(value));
    if (name === undefined) return this.#members(value);
    if (!this.#used.has(name)) {
      this.#used.set(name, null);
      this.#used.set(name, this.#members(value));
    }
    return { $ref: `#/components/schemas/${name}` };
  }

  #members(value: { [key: string]: Json }): Json {
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, this.#walk(item)]));
  }
}
