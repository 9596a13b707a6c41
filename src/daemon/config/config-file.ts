import { readFileSync } from 'node:fs';
import { errnoOf, messageOf } from '../../api/errors.ts';
import { maskCredentials } from '../../api/mask-credentials.ts';
import { keyOf, NOT_YET, OPTIONS, type OptionValue, type Values } from './options.ts';
import { isRecord, readJsonValue } from './values.ts';

/** Objects in daemon.json that only group options: their fields count as top-level keys. */
const GROUPS = new Set(['proxies']);

/**
 * Reads daemon.json. `flags`: what the command line gave, which the file may not give as well. A missing file is an empty one
 * unless `required`. Throws Error worded as dockerd does.
 */
export function readConfigFile(path: string, flags: Values, required: boolean): Values {
  try {
    return parseConfig(readFileSync(path, 'utf8'), flags);
  } catch (cause) {
    if (errnoOf(cause) === 'ENOENT' && !required) return new Map();
    const reason = errnoOf(cause) === 'ENOENT' ? `open ${path}: no such file or directory` : messageOf(cause);
    throw new Error(`unable to configure the Docker daemon with file ${path}: ${reason}`, { cause });
  }
}

/** The values in the text of a daemon.json. Throws Error with the reason. */
export function parseConfig(text: string, flags: Values): Values {
  const bare = text.replace(/^\uFEFF/, '').trim();
  if (bare === '') return new Map();
  const given = flatten(parseJson(bare));
  const known = new Map(OPTIONS.flatMap((spec) => (spec.key === null ? [] : [[keyOf(spec), spec.kind] as const])));
  // The name that option had when it held one address.
  known.set('host-gateway-ip', 'list');
  const notYet = new Map(NOT_YET.map((spec) => [keyOf(spec), spec]));

  const unknown = [...given.keys()].filter((key) => !known.has(key) && !notYet.has(key));
  if (unknown.length > 0) {
    throw new Error(`the following directives don't match any configuration option: ${unknown.join(', ')}`);
  }
  if (given.has('host-gateway-ip') && given.has('host-gateway-ips')) {
    throw new Error('host-gateway-ip and host-gateway-ips must not both be specified in the config file');
  }
  const conflicts = [...given].filter(
    ([key]) => key !== 'runtimes' && flags.has(key === 'host-gateway-ip' ? 'host-gateway-ips' : key),
  );
  if (conflicts.length > 0) {
    const shown = conflicts.map(
      ([key, value]) => `${key}: (from flag: ${show(key, flags.get(key))}, from file: ${show(key, value)})`,
    );
    throw new Error(
      `the following directives are specified both as a flag and in the configuration file: ${shown.join(', ')}`,
    );
  }
  const values: Values = new Map();
  for (const [key, value] of given) {
    if (value === null) continue;
    if (notYet.has(key)) {
      if (value !== false) throw new Error(`the option "${key}" is not supported yet`);
      continue;
    }
    values.set(key === 'host-gateway-ip' ? 'host-gateway-ips' : key, readJsonValue(known.get(key)!, key, value));
  }
  return values;
}

function flatten(object: Record<string, unknown>): Map<string, unknown> {
  const flat = new Map<string, unknown>();
  for (const [key, value] of Object.entries(object)) {
    if (GROUPS.has(key) && isRecord(value)) for (const [inner, item] of Object.entries(value)) flat.set(inner, item);
    else flat.set(key, value);
  }
  return flat;
}

function parseJson(text: string): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new Error(`${messageOf(cause)} (${lineAndColumn(text, brokenAt(text))})`, { cause });
  }
  if (!isRecord(value)) throw new Error('a JSON object is expected');
  return value;
}

/** Index of the first character that no JSON text could have there; V8 tells it for some errors only. */
function brokenAt(text: string): number {
  const broken = (length: number) => {
    try {
      JSON.parse(text.slice(0, length));
      return false;
    } catch (error) {
      const message = messageOf(error);
      const at = /at position (\d+)/.exec(message);
      return !/end of JSON|Unterminated/.test(message) && (at === null || Number(at[1]) < length);
    }
  };
  let [sound, unsound] = [0, text.length];
  while (sound + 1 < unsound) {
    const middle = (sound + unsound) >> 1;
    if (broken(middle)) unsound = middle;
    else sound = middle;
  }
  return unsound - 1;
}

function lineAndColumn(text: string, position: number): string {
  const before = text.slice(0, position).split('\n');
  return `line ${before.length}, column ${before.at(-1)!.length + 1}`;
}

/** Values in messages, in Go's notation; credentials of proxies masked. */
function show(key: string, value: OptionValue | unknown): string {
  if (Array.isArray(value))
    return `[${value.map((item) => (isRecord(item) ? JSON.stringify(item) : String(item))).join(' ')}]`;
  if (isRecord(value)) {
    return `map[${Object.entries(value)
      .map(([name, item]) => `${name}:${isRecord(item) ? JSON.stringify(item) : String(item)}`)
      .join(' ')}]`;
  }
  const text = String(value);
  return key.endsWith('-proxy') ? maskCredentials(text) : text;
}
