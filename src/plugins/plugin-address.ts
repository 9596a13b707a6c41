import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { extname, join } from 'node:path';
import { GantryError } from '../api/errors.ts';

/** Where Docker's plugins say where they are. */
export interface PluginPaths {
  sockets: string;
  specs: readonly string[];
}

export const PLUGIN_PATHS: PluginPaths = {
  sockets: '/run/docker/plugins',
  specs: ['/etc/docker/plugins', '/usr/lib/docker/plugins'],
};

export interface PluginAddress {
  /** unix:///path, tcp://host:port, http(s)://host:port. */
  url: URL;
  tls: { caFile: string; certFile: string; keyFile: string; insecure: boolean };
}

const NO_TLS: PluginAddress['tls'] = { caFile: '', certFile: '', keyFile: '', insecure: true };
/** A name is part of a path: nothing else may come in with it. */
const NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]*$/;

/**
 * Address of a plugin: NAME.sock among the sockets, NAME.spec (an address) or NAME.json among the specifications, each also in a
 * directory NAME. Sockets come first, as in dockerd. Null when there is none. Throws system for a file that says no address.
 */
export function findPlugin(name: string, paths: PluginPaths): PluginAddress | null {
  if (!NAME.test(name)) return null;
  for (const path of places(paths.sockets, name, '.sock')) {
    if (statSync(path, { throwIfNoEntry: false })?.isSocket()) return { url: new URL(`unix://${path}`), tls: NO_TLS };
  }
  for (const directory of paths.specs) {
    for (const path of places(directory, name, '.spec')) {
      if (existsSync(path)) return { url: parseUrl(readFileSync(path, 'utf8').trim(), path), tls: NO_TLS };
    }
    for (const path of places(directory, name, '.json')) if (existsSync(path)) return readJson(path);
  }
  return null;
}

/** Names of all plugins that there are, each once. */
export function pluginNames(paths: PluginPaths): string[] {
  const names = new Set<string>();
  const scan = (directory: string, wanted: readonly string[], depth: number) => {
    let entries: string[];
    try {
      entries = readdirSync(directory);
    } catch {
      return; // No such directory: no plugins.
    }
    for (const entry of entries) {
      const path = join(directory, entry);
      if (depth > 0 && statSync(path, { throwIfNoEntry: false })?.isDirectory()) scan(path, wanted, depth - 1);
      else if (wanted.includes(extname(entry))) names.add(entry.slice(0, -extname(entry).length));
    }
  };
  scan(paths.sockets, ['.sock'], 1);
  for (const directory of paths.specs) scan(directory, ['.spec', '.json'], 1);
  return [...names].sort();
}

function places(directory: string, name: string, extension: string): string[] {
  return [join(directory, `${name}${extension}`), join(directory, name, `${name}${extension}`)];
}

function readJson(path: string): PluginAddress {
  let spec: { Addr?: unknown; TLSConfig?: Record<string, unknown> | null } | null;
  try {
    spec = JSON.parse(readFileSync(path, 'utf8'));
  } catch (cause) {
    throw new GantryError('system', `plugin specification ${path}: ${(cause as Error).message}`, { cause });
  }
  const tls = spec?.TLSConfig ?? {};
  const file = (key: string) => (typeof tls[key] === 'string' ? tls[key] : '');
  return {
    url: parseUrl(String(spec?.Addr ?? ''), path),
    tls: {
      caFile: file('CAFile'),
      certFile: file('CertFile'),
      keyFile: file('KeyFile'),
      // Without an authority there is nothing to check a certificate against.
      insecure: tls.InsecureSkipVerify === true || file('CAFile') === '',
    },
  };
}

function parseUrl(text: string, path: string): URL {
  const url = URL.parse(text);
  if (url === null || !['unix:', 'tcp:', 'http:', 'https:'].includes(url.protocol)) {
    throw new GantryError('system', `plugin specification ${path}: Unknown protocol in ${JSON.stringify(text)}`);
  }
  return url;
}
