/**
 * The Dockerfile instructions that `commit --change` and `import --change` accept, applied to an image's config. Syntax as in
 * the Dockerfile reference: JSON ("exec") and shell forms, quoted words, $VARIABLE expansion from the image's environment.
 */
import { parseDuration } from '../../api/duration.ts';
import { GantryError } from '../../api/errors.ts';
import type { ImageConfig } from '../../api/schemas/image.ts';
import { expandWord, splitWords } from './words.ts';

const DEFAULT_SHELL = ['/bin/sh', '-c'];

type Apply = (config: ImageConfig, rest: string, line: string) => void;

const INSTRUCTIONS: Record<string, Apply> = {
  CMD: (config, rest) => {
    config.Cmd = commandForm(config, rest) ?? [];
  },
  ENTRYPOINT: (config, rest) => {
    config.Entrypoint = commandForm(config, rest) ?? [];
  },
  SHELL: (config, rest) => {
    const shell = jsonForm(rest);
    if (shell === null || shell.length === 0) throw bad('SHELL requires the arguments to be in JSON form');
    config.Shell = shell;
  },
  ENV: (config, rest) => {
    for (const [name, value] of pairs(config, 'ENV', rest)) setEnv(config, name, value);
  },
  LABEL: (config, rest) => {
    config.Labels = { ...config.Labels, ...Object.fromEntries(pairs(config, 'LABEL', rest)) };
  },
  EXPOSE: (config, rest) => {
    const words = splitWords(rest);
    if (words.length === 0) throw bad('EXPOSE requires at least one argument');
    const ports = words.flatMap((word) => portsOf(expandWord(word, config.Env)));
    config.ExposedPorts = { ...config.ExposedPorts, ...Object.fromEntries(ports.map((port) => [port, {}])) };
  },
  VOLUME: (config, rest) => {
    const paths = (jsonForm(rest) ?? splitWords(rest)).map((path) => expandWord(path, config.Env).trim());
    if (paths.length === 0) throw bad('VOLUME requires at least one argument');
    if (paths.includes('')) throw bad('VOLUME specified can not be an empty string');
    config.Volumes = { ...config.Volumes, ...Object.fromEntries(paths.map((path) => [path, {}])) };
  },
  USER: (config, rest) => {
    config.User = one(config, 'USER', rest);
  },
  STOPSIGNAL: (config, rest) => {
    config.StopSignal = one(config, 'STOPSIGNAL', rest);
  },
  WORKDIR: (config, rest) => {
    const path = one(config, 'WORKDIR', rest);
    config.WorkingDir = cleanPath(path.startsWith('/') ? path : `${config.WorkingDir || '/'}/${path}`);
  },
  ONBUILD: (config, rest) => {
    const trigger = rest.split(/\s/, 1)[0]!.toUpperCase();
    if (trigger === '') throw bad('ONBUILD requires at least one argument');
    if (trigger === 'ONBUILD') throw bad("Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed");
    if (trigger === 'FROM' || trigger === 'MAINTAINER') throw bad(`${trigger} isn't allowed as an ONBUILD trigger`);
    config.OnBuild = [...(config.OnBuild ?? []), rest];
  },
  HEALTHCHECK: (config, rest) => {
    config.Healthcheck = healthcheck(rest);
  },
};

/** The config with `changes` applied in order. Throws invalid_parameter that names the line. */
export function applyChanges(config: ImageConfig, changes: string[]): ImageConfig {
  const result = structuredClone(config);
  // One value may hold several instructions, and continue lines with a backslash, as in a Dockerfile.
  const lines = changes.flatMap((change) => change.replace(/\\\r?\n/g, ' ').split(/\r?\n/));
  for (const line of lines) {
    const text = line.trim();
    if (text === '' || text.startsWith('#')) continue;
    const match = /^(\S+)\s*(.*)$/s.exec(text)!;
    const name = match[1]!.toUpperCase();
    const apply = INSTRUCTIONS[name];
    if (apply === undefined) throw bad(`${name} is not a valid change command`);
    apply(result, match[2]!, text);
  }
  return result;
}

/** Sets NAME=value in place of an earlier one, or at the end. */
function setEnv(config: ImageConfig, name: string, value: string): void {
  const env = [...(config.Env ?? [])];
  const at = env.findIndex((entry) => entry.startsWith(`${name}=`));
  if (at >= 0) env[at] = `${name}=${value}`;
  else env.push(`${name}=${value}`);
  config.Env = env;
}

function bad(message: string): GantryError {
  return new GantryError('invalid_parameter', message);
}

function jsonForm(text: string): string[] | null {
  if (!text.startsWith('[')) return null;
  try {
    const value: unknown = JSON.parse(text);
    return Array.isArray(value) && value.every((item) => typeof item === 'string') ? value : null;
  } catch {
    return null;
  }
}

/** JSON list, or the text run by the image's shell; null when empty. */
function commandForm(config: ImageConfig, rest: string): string[] | null {
  if (rest === '') return null;
  return jsonForm(rest) ?? [...(config.Shell ?? DEFAULT_SHELL), rest];
}

function one(config: ImageConfig, name: string, rest: string): string {
  const value = expandWord(rest, config.Env);
  if (rest === '') throw bad(`${name} requires exactly one argument`);
  return value;
}

/** "a=b c=d", or the older "a the rest of the line". */
function pairs(config: ImageConfig, name: string, rest: string): [string, string][] {
  const words = splitWords(rest);
  if (words.length === 0) throw bad(`${name} requires at least one argument`);
  if (!words[0]!.includes('=')) {
    const space = rest.search(/\s/);
    if (space < 0) throw bad(`${name} must have two arguments`);
    return [[rest.slice(0, space), expandWord(rest.slice(space).trim(), config.Env)]];
  }
  return words.map((word) => {
    const at = word.indexOf('=');
    if (at < 0) {
      throw bad(`Syntax error - can't find = in "${word}". Must be of the form: name=value`);
    }
    const key = expandWord(word.slice(0, at), config.Env);
    if (key === '') throw bad(`${name} names can not be blank`);
    return [key, expandWord(word.slice(at + 1), config.Env)];
  });
}

/** "80", "53/udp", "8000-8002/tcp" as "port/protocol". */
function portsOf(word: string): string[] {
  const match = /^(\d+)(?:-(\d+))?(?:\/(tcp|udp|sctp))?$/i.exec(word);
  const first = Number(match?.[1]);
  const last = Number(match?.[2] ?? match?.[1]);
  if (match === null || first > last || last > 65535) throw bad(`invalid containerPort: ${word}`);
  const protocol = (match[3] ?? 'tcp').toLowerCase();
  return Array.from({ length: last - first + 1 }, (_, index) => `${first + index}/${protocol}`);
}

function healthcheck(rest: string): NonNullable<ImageConfig['Healthcheck']> {
  const check: NonNullable<ImageConfig['Healthcheck']> = {};
  let text = rest;
  for (;;) {
    const flag = /^--([a-z-]+)=(\S+)\s*/.exec(text);
    if (flag === null) break;
    text = text.slice(flag[0].length);
    setHealthFlag(check, flag[1]!, flag[2]!);
  }
  const match = /^(\S*)\s*(.*)$/s.exec(text)!;
  switch (match[1]!.toUpperCase()) {
    case 'NONE':
      if (match[2] !== '') throw bad('HEALTHCHECK NONE takes no arguments');
      return { Test: ['NONE'] };
    case 'CMD': {
      if (match[2] === '') throw bad('Missing command after HEALTHCHECK CMD');
      const list = jsonForm(match[2]!);
      return { ...check, Test: list === null ? ['CMD-SHELL', match[2]!] : ['CMD', ...list] };
    }
    case '':
      throw bad('HEALTHCHECK requires at least one argument');
    default:
      throw bad(`Unknown type "${match[1]!.toUpperCase()}" in HEALTHCHECK (try CMD)`);
  }
}

function setHealthFlag(check: NonNullable<ImageConfig['Healthcheck']>, name: string, value: string): void {
  if (name === 'retries') {
    const retries = Number(value);
    if (!Number.isInteger(retries) || retries < 0) throw bad(`--retries cannot be negative (${value})`);
    check.Retries = retries;
    return;
  }
  const fields = {
    interval: 'Interval',
    timeout: 'Timeout',
    'start-period': 'StartPeriod',
    'start-interval': 'StartInterval',
  } as const;
  const field = (fields as Record<string, (typeof fields)[keyof typeof fields] | undefined>)[name];
  if (field === undefined) throw bad(`unknown flag: --${name}`);
  let duration: bigint;
  try {
    duration = parseDuration(value);
  } catch {
    throw bad(`invalid duration "${value}" for --${name}`);
  }
  if (duration !== 0n && duration < 1_000_000n) throw bad(`Interval "${name}" cannot be less than 1ms`);
  check[field] = Number(duration);
}

function cleanPath(path: string): string {
  const parts: string[] = [];
  for (const part of path.split('/')) {
    if (part === '..') parts.pop();
    else if (part !== '' && part !== '.') parts.push(part);
  }
  return `/${parts.join('/')}`;
}
