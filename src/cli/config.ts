/** The configuration file of docker's clients (~/.docker/config.json), the part that this CLI honours. */

import { mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';

import { openError } from './io.ts';

export interface ConfigFile {
  psFormat?: string;
  imagesFormat?: string;
  statsFormat?: string;
  networksFormat?: string;
  volumesFormat?: string;
  detachKeys?: string;
  currentContext?: string;
  HttpHeaders?: Record<string, string>;
  aliases?: Record<string, string>;
  /** Per daemon address, or "default": variables that containers get. */
  proxies?: Record<string, ProxyConfig>;
  pruneFilters?: string[];
  auths?: Record<string, { auth?: string; identitytoken?: string; registrytoken?: string }>;
  credsStore?: string;
  credHelpers?: Record<string, string>;
  [key: string]: unknown;
}

export interface ProxyConfig {
  httpProxy?: string;
  httpsProxy?: string;
  noProxy?: string;
  ftpProxy?: string;
  allProxy?: string;
}

/** The directory of the configuration file: the flag, GANTRY_CONFIG, DOCKER_CONFIG, then ~/.docker. */
export function configDirectory(flag: string, env: Readonly<Record<string, string | undefined>>): string {
  return flag || env.GANTRY_CONFIG || env.DOCKER_CONFIG || `${env.HOME || '/root'}/.docker`;
}

const TEXTS = [
  'psFormat',
  'imagesFormat',
  'statsFormat',
  'networksFormat',
  'volumesFormat',
  'detachKeys',
  'currentContext',
];

/**
 * The configuration for a command that only reads it: a file that is no JSON, or settings of a wrong type, are told by `warn` and
 * left out, so that a slip in the file does not take the engine away.
 */
export function tolerantConfig(directory: string, warn: (message: string) => void): ConfigFile {
  let config: ConfigFile;
  try {
    config = readConfig(directory);
  } catch (error) {
    warn((error as Error).message);
    return {};
  }
  const path = `${directory}/config.json`;
  const wrong = (key: string, kind: string) => {
    warn(`Error parsing config file (${path}): ${key} must be ${kind}`);
    delete config[key];
  };
  const isRecord = (value: unknown) => typeof value === 'object' && value !== null && !Array.isArray(value);
  for (const key of TEXTS) if (key in config && typeof config[key] !== 'string') wrong(key, 'a string');
  for (const key of ['HttpHeaders', 'aliases', 'proxies']) {
    if (key in config && !isRecord(config[key])) wrong(key, 'an object');
  }
  if ('pruneFilters' in config && !Array.isArray(config.pruneFilters)) wrong('pruneFilters', 'a list of strings');
  return config;
}

/** Reads the file; a missing one is an empty configuration. Throws when it is no JSON. */
export function readConfig(directory: string): ConfigFile {
  const path = `${directory}/config.json`;
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === 'ENOENT' || code === 'ENOTDIR') return {};
    throw new Error(`Error loading config file: ${openError(error, path)}`, { cause: error });
  }
  if (text.trim() === '') return {};
  try {
    const config = JSON.parse(text) as ConfigFile;
    if (typeof config !== 'object' || config === null || Array.isArray(config)) throw new Error('it holds no object');
    return config;
  } catch (error) {
    throw new Error(`Error parsing config file (${path}): ${(error as Error).message}`, { cause: error });
  }
}

/** Writes the file in one step, as a private one unless it already has a mode. */
export function writeConfig(directory: string, config: ConfigFile): void {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const path = `${directory}/config.json`;
  let mode = 0o600;
  try {
    mode = statSync(path).mode & 0o777;
  } catch {
    // The first one.
  }
  const temporary = `${path}.${process.pid}`;
  writeFileSync(temporary, `${JSON.stringify(config, null, '\t')}\n`, { mode });
  renameSync(temporary, path);
}
