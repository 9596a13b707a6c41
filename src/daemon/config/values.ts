import { parseBytes } from '../../api/units.ts';
import type { OptionKind, OptionValue } from './options.ts';

const TRUE_WORDS = new Set(['1', 't', 'T', 'TRUE', 'true', 'True']);
const FALSE_WORDS = new Set(['0', 'f', 'F', 'FALSE', 'false', 'False']);

/** Reads what a flag was given; `before` is what the same flag gave earlier, for those that add up. Throws Error with the reason. */
export function readFlag(kind: OptionKind, text: string, before: OptionValue | undefined): OptionValue {
  switch (kind) {
    case 'bool':
      return readBool(text);
    case 'string':
      return text;
    case 'int':
      if (!/^[+-]?\d+$/.test(text)) throw new Error(`strconv.ParseInt: parsing "${text}": invalid syntax`);
      return Number(text);
    case 'bytes':
      return readBytes(text);
    case 'list':
      return [...((before as string[] | undefined) ?? []), text];
    case 'map': {
      const [key, value] = pair(text);
      return { ...(before as Record<string, string> | undefined), [key]: value };
    }
    case 'bools': {
      const [key, value] = text.includes('=') ? pair(text) : [text, 'true'];
      return { ...(before as Record<string, boolean> | undefined), [key]: readBool(value) };
    }
    case 'ulimits': {
      const limit = readUlimit(text);
      const others = ((before as { Name: string }[] | undefined) ?? []).filter((other) => other.Name !== limit.Name);
      return [...(others as (typeof limit)[]), limit];
    }
    case 'runtimes': {
      const [name, path] = pair(text);
      return {
        ...(before as Record<string, { path: string; args: string[] }> | undefined),
        [name]: { path, args: [] },
      };
    }
    case 'pools':
      return [...((before as { base: string; size: number }[] | undefined) ?? []), readPool(text)];
  }
}

/** Reads a value of daemon.json. Throws Error with the reason. */
export function readJsonValue(kind: OptionKind, key: string, value: unknown): OptionValue {
  const wrong = (wanted: string) =>
    new Error(`cannot use ${Array.isArray(value) ? 'array' : typeof value} for "${key}": ${wanted} expected`);
  switch (kind) {
    case 'bool':
      if (typeof value !== 'boolean') throw wrong('boolean');
      return value;
    case 'string':
      if (typeof value !== 'string') throw wrong('string');
      return value;
    case 'int':
      if (typeof value !== 'number' || !Number.isInteger(value)) throw wrong('whole number');
      return value;
    case 'bytes':
      if (typeof value === 'number' && Number.isInteger(value)) return value;
      if (typeof value !== 'string') throw wrong('size');
      return readBytes(value);
    case 'list':
      // dockerd takes host-gateway-ip, the older name, as one string.
      if (typeof value === 'string' && key === 'host-gateway-ip') return [value];
      if (!Array.isArray(value) || !value.every((item) => typeof item === 'string')) throw wrong('array of strings');
      return value;
    case 'map':
      if (!isRecord(value) || !Object.values(value).every((item) => typeof item === 'string')) {
        throw wrong('object of strings');
      }
      return value as Record<string, string>;
    case 'bools':
      if (!isRecord(value) || !Object.values(value).every((item) => typeof item === 'boolean')) {
        throw wrong('object of booleans');
      }
      return value as Record<string, boolean>;
    case 'ulimits':
      if (!isRecord(value)) throw wrong('object');
      return Object.entries(value).map(([name, limit]) => {
        const { Soft, Hard } = limit as { Soft?: unknown; Hard?: unknown };
        if (!Number.isInteger(Soft) || !Number.isInteger(Hard)) throw wrong(`Soft and Hard numbers for ${name}`);
        return checkUlimit({ Name: name, Soft: Soft as number, Hard: Hard as number });
      });
    case 'runtimes':
      if (!isRecord(value)) throw wrong('object');
      return Object.fromEntries(
        Object.entries(value).map(([name, runtime]) => {
          const { path, runtimeArgs = [], ...rest } = (isRecord(runtime) ? runtime : {}) as Record<string, unknown>;
          if (typeof path !== 'string' || path === '') throw new Error(`runtime "${name}": a path is needed`);
          if (Object.keys(rest).length > 0) {
            throw new Error(`runtime "${name}": ${Object.keys(rest).join(', ')} is not supported yet`);
          }
          return [name, { path, args: readJsonValue('list', 'runtimeArgs', runtimeArgs) as string[] }];
        }),
      );
    case 'pools':
      if (!Array.isArray(value)) throw wrong('array');
      return value.map((pool: { base?: unknown; size?: unknown }) => checkPool(String(pool.base), Number(pool.size)));
  }
}

export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function readBool(text: string): boolean {
  if (TRUE_WORDS.has(text)) return true;
  if (FALSE_WORDS.has(text)) return false;
  throw new Error(`strconv.ParseBool: parsing "${text}": invalid syntax`);
}

function readBytes(text: string): number {
  const bytes = parseBytes(text);
  if (bytes === null) throw new Error(`invalid size: '${text}'`);
  return bytes;
}

function pair(text: string): [string, string] {
  const at = text.indexOf('=');
  if (at <= 0) throw new Error(`invalid format, must be name=value: ${text}`);
  return [text.slice(0, at), text.slice(at + 1)];
}

const ULIMITS = [
  ...['core', 'cpu', 'data', 'fsize', 'locks', 'memlock', 'msgqueue', 'nice'],
  ...['nofile', 'nproc', 'rss', 'rtprio', 'rttime', 'sigpending', 'stack'],
];

/** "nofile=1024:2048" or "nofile=1024". */
function readUlimit(text: string): { Name: string; Soft: number; Hard: number } {
  const [name, limits] = pair(text);
  const [soft = '', hard = soft, ...rest] = limits.split(':');
  if (rest.length > 0 || !/^-?\d+$/.test(soft) || !/^-?\d+$/.test(hard)) {
    throw new Error(`invalid ulimit argument: ${text}`);
  }
  return checkUlimit({ Name: name, Soft: Number(soft), Hard: Number(hard) });
}

function checkUlimit(limit: { Name: string; Soft: number; Hard: number }): {
  Name: string;
  Soft: number;
  Hard: number;
} {
  if (!ULIMITS.includes(limit.Name)) throw new Error(`invalid ulimit type: ${limit.Name}`);
  if (limit.Hard !== -1 && (limit.Soft === -1 || limit.Soft > limit.Hard)) {
    throw new Error(
      `ulimit soft limit must be less than or equal to hard limit: ${limit.Soft === -1 ? 'soft -1' : limit.Soft} > ${limit.Hard}`,
    );
  }
  return limit;
}

function readPool(text: string): { base: string; size: number } {
  const fields = new Map(text.split(',').map((part) => pair(part)));
  return checkPool(fields.get('base') ?? '', Number(fields.get('size')));
}

function checkPool(base: string, size: number): { base: string; size: number } {
  if (!/^\d+\.\d+\.\d+\.\d+\/\d+$/.test(base)) throw new Error(`invalid base pool "${base}": must be an IPv4 CIDR`);
  if (!Number.isInteger(size) || size <= 0 || size > 32 || size < Number(base.split('/')[1])) {
    throw new Error(`invalid pool size: ${size}`);
  }
  return { base, size };
}
