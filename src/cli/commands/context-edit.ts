import { copyFileSync, cpSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { StatusError } from '../command.ts';
import { type ContextMeta, contextDirectories } from '../context-store.ts';
import { parseHost } from '../host.ts';

const NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.+-]+$/;

/** Throws docker's messages for names that cannot be a context's. */
export function checkName(name: string): void {
  if (name === '') throw new StatusError(1, 'context name cannot be empty');
  if (name === 'default') throw new StatusError(1, '"default" is a reserved context name');
  if (!NAME.test(name)) {
    throw new StatusError(
      1,
      `context name "${name}" is invalid, names are validated against regexp "^[a-zA-Z0-9][a-zA-Z0-9_.+-]+$"`,
    );
  }
}

export interface DockerEndpoint {
  host?: string;
  ca?: string;
  cert?: string;
  key?: string;
  from?: string;
  'skip-tls-verify'?: string;
}

const KEYS = ['host', 'ca', 'cert', 'key', 'from', 'skip-tls-verify'];

/** Reads "host=tcp://x:2376,ca=/a,cert=/b,key=/c". Throws for an unknown key, an unreadable file or half a key pair. */
export function parseDockerEndpoint(text: string): DockerEndpoint {
  const endpoint: Record<string, string> = {};
  for (const field of text.split(',').filter((part) => part !== '')) {
    const at = field.indexOf('=');
    if (at < 0)
      throw new StatusError(
        1,
        `invalid argument "${text}" for "--docker" flag: ${field} must be formatted as key=value`,
      );
    const key = field.slice(0, at);
    if (!KEYS.includes(key))
      throw new StatusError(1, `unable to create docker endpoint config: unrecognized config key: ${key}`);
    endpoint[key] = field.slice(at + 1);
  }
  for (const file of [endpoint.ca, endpoint.cert, endpoint.key]) {
    if (file !== undefined && !existsSync(file))
      throw new StatusError(1, `unable to create docker endpoint config: open ${file}: no such file or directory`);
  }
  if ((endpoint.cert === undefined) !== (endpoint.key === undefined))
    throw new StatusError(1, 'unable to create docker endpoint config: cert and key must be given together');
  if (endpoint.host) parseHost(endpoint.host, undefined);
  return endpoint;
}

/** Writes a context: description first, so that TLS files without it never make one. */
export function writeContext(configDir: string, meta: ContextMeta): void {
  const { meta: directory } = contextDirectories(configDir, meta.Name);
  mkdirSync(directory, { recursive: true, mode: 0o755 });
  writeFileSync(`${directory}/meta.json`, JSON.stringify(meta), { mode: 0o644 });
}

export function writeTls(configDir: string, name: string, endpoint: DockerEndpoint): void {
  const files: [string | undefined, string][] = [
    [endpoint.ca, 'ca.pem'],
    [endpoint.cert, 'cert.pem'],
    [endpoint.key, 'key.pem'],
  ];
  const { tls } = contextDirectories(configDir, name);
  rmSync(`${tls}/docker`, { recursive: true, force: true });
  if (files.every(([from]) => from === undefined)) return;
  mkdirSync(`${tls}/docker`, { recursive: true, mode: 0o700 });
  for (const [from, to] of files) if (from !== undefined) copyFileSync(from, `${tls}/docker/${to}`);
}

export function copyTls(configDir: string, from: string, to: string): void {
  const source = contextDirectories(configDir, from).tls;
  if (existsSync(source)) cpSync(source, contextDirectories(configDir, to).tls, { recursive: true });
}

export function removeContext(configDir: string, name: string): void {
  const { meta, tls } = contextDirectories(configDir, name);
  rmSync(meta, { recursive: true, force: true });
  rmSync(tls, { recursive: true, force: true });
}
