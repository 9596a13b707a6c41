import { homedir } from 'node:os';
import { join } from 'node:path';
import { readConfigFile } from './config-file.ts';
import { keyOf, OPTIONS, type OptionValue, type Values } from './options.ts';
import { validate } from './validate.ts';

const DEFAULT_CONFIG_FILE = '/etc/gantry/daemon.json';
export const DEFAULT_SOCKET = '/run/gantry/gantry.sock';

/** What applies when neither a flag nor the file says otherwise. */
export function defaults(): Values {
  const certificates = process.env.DOCKER_CERT_PATH ?? join(homedir(), '.docker');
  return new Map<string, OptionValue>([
    ['bip', ''],
    ['bridge', ''],
    ['cgroup-parent', ''],
    ['config-file', DEFAULT_CONFIG_FILE],
    ['data-root', '/var/lib/gantry'],
    ['debug', false],
    ['default-address-pools', []],
    ['default-cgroupns-mode', ''],
    ['default-ipc-mode', 'private'],
    ['default-runtime', ''],
    ['default-shm-size', 64 * 1024 * 1024],
    ['default-ulimits', []],
    ['dns', []],
    ['dns-opts', []],
    ['dns-search', []],
    ['exec-opts', []],
    ['exec-root', '/run/gantry'],
    ['features', {}],
    ['firewall-backend', ''],
    ['group', ''],
    ['hosts', []],
    ['host-gateway-ips', []],
    ['http-proxy', process.env.HTTP_PROXY ?? process.env.http_proxy ?? ''],
    ['https-proxy', process.env.HTTPS_PROXY ?? process.env.https_proxy ?? ''],
    ['icc', true],
    ['init', false],
    ['init-path', ''],
    ['insecure-registries', []],
    ['ip', '0.0.0.0'],
    ['ip-forward', true],
    ['ip-forward-no-drop', false],
    ['ip-masq', true],
    ['ip6tables', true],
    ['iptables', true],
    ['labels', []],
    ['live-restore', true],
    ['log-driver', 'json-file'],
    ['log-format', 'text'],
    ['log-level', 'info'],
    ['log-opts', {}],
    ['max-concurrent-downloads', 3],
    ['max-concurrent-uploads', 5],
    ['max-download-attempts', 5],
    ['mtu', 1500],
    ['no-new-privileges', false],
    ['no-proxy', process.env.NO_PROXY ?? process.env.no_proxy ?? ''],
    ['pidfile', '/run/gantry/gantryd.pid'],
    ['raw-logs', false],
    ['registry-mirrors', []],
    ['runtimes', {}],
    ['seccomp-profile', ''],
    ['shutdown-timeout', 15],
    ['stop-containers-on-shutdown', false],
    ['storage-driver', 'overlay2'],
    ['tls', false],
    ['tlscacert', join(certificates, 'ca.pem')],
    ['tlscert', join(certificates, 'cert.pem')],
    ['tlskey', join(certificates, 'key.pem')],
    ['tlsverify', false],
    ['userland-proxy', true],
    ['userland-proxy-path', ''],
  ]);
}

/** The daemon's configuration: each option by its daemon.json name, from the file, the flags or the defaults. */
export class DaemonConfig {
  readonly #given: Values;
  readonly #defaults: Values;

  constructor(given: Values) {
    this.#given = given;
    this.#defaults = defaults();
  }

  /** Whether a flag or the file names it. */
  given(key: string): boolean {
    return this.#given.has(key);
  }

  bool(key: string): boolean {
    return this.#get(key) === true;
  }

  string(key: string): string {
    return this.#get(key) as string;
  }

  number(key: string): number {
    // As in dockerd, 0 stands for the default of these.
    if (key.startsWith('max-')) return (this.#get(key) || this.#defaults.get(key)) as number;
    return this.#get(key) as number;
  }

  list(key: string): string[] {
    return this.#get(key) as string[];
  }

  map(key: string): Record<string, string> {
    return this.#get(key) as Record<string, string>;
  }

  features(): Record<string, boolean> {
    return this.#get('features') as Record<string, boolean>;
  }

  ulimits(): { Name: string; Soft: number; Hard: number }[] {
    return this.#get('default-ulimits') as { Name: string; Soft: number; Hard: number }[];
  }

  runtimes(): Record<string, { path: string; args: string[] }> {
    return this.#get('runtimes') as Record<string, { path: string; args: string[] }>;
  }

  pools(): { base: string; size: number }[] {
    return this.#get('default-address-pools') as { base: string; size: number }[];
  }

  /** A configuration with the reloadable options of `next` and everything else as it is here. */
  reloaded(next: DaemonConfig): DaemonConfig {
    const merged: Values = new Map(this.#given);
    for (const spec of OPTIONS) {
      if (spec.reloads !== true) continue;
      const key = keyOf(spec);
      const value = next.#given.get(key);
      if (value !== undefined) merged.set(key, value);
      // Like dockerd: these go back to their default when the file no longer has them, the others stay.
      else if (key.startsWith('max-') || key === 'features') merged.delete(key);
    }
    return new DaemonConfig(merged);
  }

  #get(key: string): OptionValue | undefined {
    return this.#given.get(key) ?? this.#defaults.get(key);
  }
}

/** Flags and the file they name, merged and checked. Throws Error worded as dockerd does. */
export function loadConfig(flags: Values): DaemonConfig {
  const path = (flags.get('config-file') as string | undefined) ?? DEFAULT_CONFIG_FILE;
  const values: Values = new Map(readConfigFile(path, flags, flags.has('config-file')));
  const runtimes = { ...(values.get('runtimes') as object), ...(flags.get('runtimes') as object) };
  for (const [key, value] of flags) values.set(key, value);
  if (Object.keys(runtimes).length > 0) values.set('runtimes', runtimes);
  const config = new DaemonConfig(values);
  validate(config);
  return config;
}
