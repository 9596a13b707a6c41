/** Which engine to talk to: flags, environment and contexts, in the order in which docker's CLI looks at them. */

import { existsSync, readFileSync } from 'node:fs';
import type { ConnectionOptions } from 'node:tls';
import type { Endpoint } from '../api/client/endpoint.ts';
import type { GlobalFlags } from './command.ts';
import type { ConfigFile } from './config.ts';
import { openError } from './io.ts';

type Env = Readonly<Record<string, string | undefined>>;

const DEFAULT_SOCKETS = ['/run/gantry/gantry.sock', '/var/run/docker.sock'] as const;

/** The name of the context in use; 'default' is the one that the environment describes. */
export function currentContextName(global: GlobalFlags, env: Env, config: () => ConfigFile): string {
  if (global.context !== '' && global.host.length > 0) {
    throw new Error('conflicting options: cannot specify both --host and --context');
  }
  if (global.context !== '') return global.context;
  if (global.host.length > 0 || env.GANTRY_HOST || env.DOCKER_HOST) return 'default';
  return env.GANTRY_CONTEXT || env.DOCKER_CONTEXT || config().currentContext || 'default';
}

/** The address of the default context: -H, GANTRY_HOST, DOCKER_HOST, then the first default socket that exists. */
export function defaultHost(global: GlobalFlags, env: Env): string {
  if (global.host.length > 1) throw new Error('Specify only one -H');
  const given = global.host[0] || env.GANTRY_HOST || env.DOCKER_HOST;
  if (given) return given;
  return `unix://${DEFAULT_SOCKETS.find((path) => existsSync(path)) ?? DEFAULT_SOCKETS[0]}`;
}

/** Where to connect. Throws with `Failed to initialize: ...` as docker does. */
export async function resolveEndpoint(
  global: GlobalFlags,
  env: Env,
  configDir: string,
  config: () => ConfigFile,
): Promise<Endpoint> {
  const name = currentContextName(global, env, config);
  try {
    if (name === 'default') {
      const host = defaultHost(global, env);
      return parseHost(host, host.startsWith('unix:') ? undefined : defaultTls(global, env, configDir));
    }
    const { contextDirectories, readContext } = await import('./context-store.ts');
    const meta = readContext(configDir, name);
    const docker = meta.Endpoints.docker ?? {};
    const files = `${contextDirectories(configDir, name).tls}/docker`;
    const stored = (file: string) => (existsSync(`${files}/${file}`) ? `${files}/${file}` : undefined);
    const tls = existsSync(files) || docker.SkipTLSVerify;
    return parseHost(
      docker.Host ?? '',
      tls ? tlsOptions(stored('ca.pem'), stored('cert.pem'), stored('key.pem'), !docker.SkipTLSVerify) : undefined,
    );
  } catch (error) {
    const message = (error as Error).message;
    throw new Error(`Failed to initialize: unable to resolve gantry endpoint: ${message}`, { cause: error });
  }
}

function defaultTls(global: GlobalFlags, env: Env, configDir: string): ConnectionOptions | undefined {
  const verify = global.tlsverify || Boolean(env.DOCKER_TLS_VERIFY);
  if (!verify && !global.tls && !env.DOCKER_TLS) return undefined;
  const directory = env.DOCKER_CERT_PATH || configDir;
  // A certificate that nobody asked for by name need not be there; the authority's must.
  const own = (given: string, name: string): string | undefined => {
    const path = given || `${directory}/${name}`;
    return given !== '' || existsSync(path) ? path : undefined;
  };
  return tlsOptions(
    global.tlscacert || `${directory}/ca.pem`,
    own(global.tlscert, 'cert.pem'),
    own(global.tlskey, 'key.pem'),
    verify,
  );
}

function tlsOptions(
  ca: string | undefined,
  cert: string | undefined,
  key: string | undefined,
  verify: boolean,
): ConnectionOptions {
  const read = (path: string): Buffer => {
    try {
      return readFileSync(path);
    } catch (error) {
      throw new Error(openError(error, path), { cause: error });
    }
  };
  const authority = ca === undefined ? undefined : read(ca);
  const invalid = (why: string) => new Error(`failed to retrieve context tls info: ${why}`);
  if (authority && !authority.includes('-----BEGIN CERTIFICATE-----')) throw invalid('ca.pem seems invalid');
  const options: ConnectionOptions = {
    rejectUnauthorized: verify,
    minVersion: 'TLSv1.2',
    ...(authority ? { ca: authority } : {}),
    ...(cert === undefined || key === undefined ? {} : { cert: read(cert), key: read(key) }),
  };
  try {
    const { createSecureContext } = process.getBuiltinModule('node:tls') as typeof import('node:tls');
    return { ...options, secureContext: createSecureContext(options) };
  } catch (error) {
    const { message } = error as Error;
    throw invalid(
      /key values mismatch/.test(message) ? 'tls: private key does not match public key' : `tls: ${message}`,
    );
  }
}

/** Reads `unix://`, `tcp://`, `http(s)://` and `ssh://` addresses. Throws docker's `invalid bind address format: x`. */
export function parseHost(host: string, tls: ConnectionOptions | undefined): Endpoint {
  const match = /^([a-z0-9+]+):\/\/(.*)$/.exec(host) ?? ['', 'tcp', host];
  const [, scheme, rest] = match as unknown as [string, string, string];
  const invalid = () => new Error(`invalid bind address format: ${host}`);
  if (scheme === 'unix') return { kind: 'unix', path: rest || '/var/run/docker.sock', display: host };
  if (scheme === 'tcp' || scheme === 'http' || scheme === 'https') {
    const parts = /^(\[[^\]]+\]|[^:/[\]]*)(?::([0-9]+))?(\/.*)?$/.exec(rest);
    if (!parts) throw invalid();
    const secure = tls ?? (scheme === 'https' ? {} : undefined);
    return {
      kind: 'tcp',
      host: (parts[1] || '127.0.0.1').replace(/^\[|\]$/g, ''),
      port: Number(parts[2] ?? (secure ? 2376 : 2375)),
      ...(parts[3] && parts[3] !== '/' ? { prefix: parts[3].replace(/\/$/, '') } : {}),
      ...(secure ? { tls: secure } : {}),
      display: host.includes('://') ? host : `tcp://${host}`,
    };
  }
  if (scheme === 'ssh') return sshEndpoint(host, rest);
  throw invalid();
}

/** Throws docker's messages for what ssh:// addresses may not hold. */
function sshEndpoint(host: string, rest: string): Endpoint {
  const invalid = (why: string) => new Error(`ssh host connection is not valid: invalid SSH URL: ${why}`);
  const extra = /[?#](.*)$/.exec(rest);
  if (extra?.[0].startsWith('?')) throw invalid(`query parameters are not allowed: ${JSON.stringify(extra[1])}`);
  if (extra) throw invalid(`fragments are not allowed: ${JSON.stringify(extra[1])}`);
  if (/^[^/@]*:[^/]*@/.test(rest)) throw invalid('plain-text password is not supported');
  if (/^([^/@]*@)?(:|\/|$)/.test(rest)) throw invalid('hostname is empty');
  const parts = /^(?:([^@/]+)@)?(\[[^\]]+\]|[^:/@]+)(?::([0-9]+))?(\/.*)?$/.exec(rest);
  // A name with a leading dash would be read as an option of ssh.
  if (!parts || parts[2]!.startsWith('-') || parts[1]?.startsWith('-')) {
    throw new Error(`invalid bind address format: ${host}`);
  }
  return {
    kind: 'ssh',
    host: parts[2]!.replace(/^\[|\]$/g, ''),
    ...(parts[1] ? { user: parts[1] } : {}),
    ...(parts[3] ? { port: parts[3] } : {}),
    ...(parts[4] && parts[4] !== '/' ? { path: parts[4] } : {}),
    display: host,
  };
}
