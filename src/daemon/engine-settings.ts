import { accessSync, constants, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { messageOf } from '../api/errors.ts';
import type { EngineSettings } from '../engine/settings.ts';
import type { RuntimeBinary } from '../runtime/contract.ts';
import type { DaemonConfig } from './config/daemon-config.ts';
import { parseHost, showHost } from './config/host.ts';
import { conflictFreeLabels } from './config/validate.ts';

/** OCI runtimes that are used when they are installed, the preferred one first. */
const STOCK_RUNTIMES = ['crun', 'runc'];
/** Programs that serve as init (--init), by the names that distributions give them. */
const INITS = ['docker-init', 'tini', 'tini-static', 'catatonit'];
const DEFAULT_BRIDGE = 'gantry0';

/** What the engine needs of the configuration. Throws Error for a runtime that is not there. */
export function engineSettings(config: DaemonConfig, engineId: string): EngineSettings {
  const runtimes = findRuntimes(config);
  return {
    dataRoot: config.string('data-root'),
    execRoot: config.string('exec-root'),
    engineId,
    debug: config.bool('debug'),
    labels: conflictFreeLabels(config.list('labels')),
    runtimes,
    defaultRuntime: defaultRuntime(config, runtimes),
    defaultUlimits: config.ulimits(),
    defaultShmSize: config.number('default-shm-size'),
    defaultIpcMode: config.string('default-ipc-mode'),
    defaultCgroupnsMode: config.string('default-cgroupns-mode'),
    init: config.bool('init'),
    initPath: config.string('init-path') || (INITS.map(findProgram).find((path) => path !== null) ?? ''),
    logDriver: config.string('log-driver'),
    logOpts: config.map('log-opts'),
    cgroupParent: config.string('cgroup-parent'),
    seccompProfile: seccompProfile(config.string('seccomp-profile')),
    seccompProfileName: config.string('seccomp-profile') || 'builtin',
    noNewPrivileges: config.bool('no-new-privileges'),
    bridge:
      config.string('bridge') === 'none'
        ? null
        : {
            bridgeName: config.string('bridge') || DEFAULT_BRIDGE,
            bip: config.string('bip'),
            mtu: config.number('mtu') || 1500,
            enableIpMasq: config.bool('ip-masq'),
            icc: config.bool('icc'),
            hostBinding: config.string('ip'),
            ...hostOptions(config),
          },
    hostNetworking: hostOptions(config),
    dns: config.list('dns'),
    dnsSearch: config.list('dns-search'),
    dnsOptions: config.list('dns-opts'),
    hostGatewayIps: config.list('host-gateway-ips'),
    shutdownTimeout: config.number('shutdown-timeout'),
    stopContainersOnShutdown: config.bool('stop-containers-on-shutdown'),
    insecureRegistries: config.list('insecure-registries'),
    registryMirrors: config.list('registry-mirrors'),
    openAddresses: openAddresses(config),
    httpProxy: config.string('http-proxy'),
    httpsProxy: config.string('https-proxy'),
    noProxy: config.string('no-proxy'),
    shimPath: installedPath('shim/build/gantry-shim'),
  };
}

/** What networks of all kinds may do to the host. */
function hostOptions(config: DaemonConfig): EngineSettings['hostNetworking'] {
  return {
    pools: config.pools(),
    enableIptables: config.bool('iptables'),
    // Whoever wants no rules of ours means none at all, unless he says otherwise.
    enableIp6tables: config.bool('ip6tables') && (config.bool('iptables') || config.given('ip6tables')),
    enableIpForward: config.bool('ip-forward'),
    dropForwarding: !config.bool('ip-forward-no-drop'),
    userlandProxy: config.bool('userland-proxy'),
  };
}

function openAddresses(config: DaemonConfig): string[] {
  if (config.bool('tlsverify')) return [];
  const tls = config.bool('tls') || config.given('tlsverify');
  return config
    .list('hosts')
    .map((text) => parseHost(text, tls))
    .filter((host) => host.kind === 'tcp')
    .map((host) => showHost(host).replace(/^tcp/, tls ? 'https' : 'http'));
}

/** Replaces in place what a reload may change. Throws Error before it changes anything. */
export function reloadSettings(settings: EngineSettings, config: DaemonConfig): void {
  const next = engineSettings(config, settings.engineId);
  settings.debug = next.debug;
  settings.labels = next.labels;
  settings.runtimes = next.runtimes;
  settings.defaultRuntime = next.defaultRuntime;
  settings.defaultShmSize = next.defaultShmSize;
  settings.defaultIpcMode = next.defaultIpcMode;
  settings.defaultCgroupnsMode = next.defaultCgroupnsMode;
  settings.insecureRegistries = next.insecureRegistries;
  settings.registryMirrors = next.registryMirrors;
  settings.shutdownTimeout = next.shutdownTimeout;
}

/** The profile itself where a file is named. Throws Error, worded as dockerd does, when that cannot be read. */
function seccompProfile(given: string): string {
  if (['', 'builtin', 'unconfined'].includes(given)) return given;
  try {
    return readFileSync(given, 'utf8');
  } catch (cause) {
    throw new Error(`opening seccomp profile (${given}) failed: ${messageOf(cause)}`, { cause });
  }
}

function findRuntimes(config: DaemonConfig): Map<string, RuntimeBinary> {
  const found = new Map<string, RuntimeBinary>();
  for (const name of STOCK_RUNTIMES) {
    const path = findProgram(name);
    if (path !== null) found.set(name, { name, path, args: [] });
  }
  for (const [name, { path, args }] of Object.entries(config.runtimes())) {
    const program = path.includes('/') ? path : findProgram(path);
    if (program === null) throw new Error(`runtime "${name}": ${path} is not in PATH`);
    found.set(name, { name, path: program, args });
  }
  return found;
}

function defaultRuntime(config: DaemonConfig, runtimes: Map<string, RuntimeBinary>): string {
  const wanted = config.string('default-runtime');
  if (wanted === '') {
    const first = STOCK_RUNTIMES.find((name) => runtimes.has(name));
    if (first === undefined)
      throw new Error('no OCI runtime found: install crun or runc, or name one with --add-runtime');
    return first;
  }
  if (!runtimes.has(wanted)) throw new Error(`specified default runtime '${wanted}' does not exist`);
  return wanted;
}

function findProgram(name: string): string | null {
  for (const directory of (process.env.PATH ?? '').split(delimiter)) {
    const path = join(directory, name);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // Not here: the next directory.
    }
  }
  return null;
}

/** A file that comes with the installation: this module lies in dist/ when bundled, else in src/daemon/. */
function installedPath(path: string): string {
  const up = import.meta.url.endsWith('.ts') ? '../../' : '../';
  return fileURLToPath(new URL(up + path, import.meta.url));
}
