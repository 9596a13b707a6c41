/** The body of a create request, from the flags. Only what is set is sent: the engine has the same defaults. */

import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { HealthConfig } from '../../api/schemas/common.ts';
import type { ContainerConfig, EndpointSettings } from '../../api/schemas/container.ts';
import type { HostConfig } from '../../api/schemas/host-config.ts';
import type { ProxyConfig } from '../config.ts';
import type { FlagValues } from '../flags/spec.ts';
import { parseRestart } from './checks.ts';
import { parseDevices } from './devices.ts';
import type { CONTAINER_FLAGS } from './flags.ts';
import { environment, readKeyValueFile, toMap } from './key-values.ts';
import { endpointSettings, isUserDefined, parseNetwork } from './mount.ts';
import { parseExpose, parsePublish } from './ports.ts';

type Flags = FlagValues<typeof CONTAINER_FLAGS>;

export interface CreateBody extends Partial<ContainerConfig> {
  HostConfig: Partial<HostConfig>;
  NetworkingConfig?: { EndpointsConfig: Record<string, EndpointSettings> };
}

export interface CreateInput {
  flags: Flags;
  changed: ReadonlySet<string>;
  /** Image, then command. */
  args: readonly string[];
  env: Readonly<Record<string, string | undefined>>;
  /** `proxies` of the configuration file for this engine. */
  proxy?: ProxyConfig | undefined;
}

/** Throws an Error in docker's words for flags that contradict each other or that have values nobody can mean. */
export function createBody(input: CreateInput): CreateBody {
  const { flags, changed, args } = input;
  const attach = new Set(flags.attach);
  if (flags['mac-address'] !== '' && !/^([0-9a-fA-F]{2}[:-]){5}[0-9a-fA-F]{2}$/.test(flags['mac-address'])) {
    throw new Error(`${flags['mac-address']} is not a valid mac address`);
  }
  if (flags.interactive) attach.add('stdin');
  if (flags.attach.length === 0) attach.add('stdout').add('stderr');

  const body: CreateBody = {
    Image: args[0]!,
    ...(args.length > 1 ? { Cmd: args.slice(1) } : {}),
    AttachStdin: attach.has('stdin'),
    AttachStdout: attach.has('stdout'),
    AttachStderr: attach.has('stderr'),
    HostConfig: hostConfig(input),
  };
  if (flags.tty) body.Tty = true;
  if (flags.interactive) body.OpenStdin = true;
  if (flags.interactive && attach.has('stdin')) body.StdinOnce = true;
  if (flags.hostname !== '') body.Hostname = flags.hostname;
  if (flags.domainname !== '') body.Domainname = flags.domainname;
  if (flags.user !== '') body.User = flags.user;
  if (flags.workdir !== '') body.WorkingDir = flags.workdir;
  if (changed.has('stop-signal')) body.StopSignal = flags['stop-signal'];
  if (changed.has('stop-timeout')) body.StopTimeout = flags['stop-timeout'];
  // `--entrypoint ""` resets the image's one: a list with an empty word says so in the API.
  if (changed.has('entrypoint')) body.Entrypoint = [flags.entrypoint];
  const env = [...proxyEnvironment(input.proxy, flags.env), ...environment(flags['env-file'], flags.env, input.env)];
  if (env.length > 0) body.Env = env;
  const labels = toMap([...flags['label-file'].flatMap((path) => readKeyValueFile(path)), ...flags.label]);
  if (Object.keys(labels).length > 0) body.Labels = labels;
  const health = healthConfig(flags);
  if (health) body.Healthcheck = health;

  const published = parsePublish(flags.publish);
  const exposed = { ...published.exposed, ...parseExpose(flags.expose) };
  if (Object.keys(exposed).length > 0) body.ExposedPorts = exposed;
  if (Object.keys(published.bindings).length > 0) body.HostConfig.PortBindings = published.bindings;

  const anonymous: Record<string, Record<string, never>> = {};
  const binds = new Set<string>();
  for (const volume of flags.volume) {
    if (volume === '') throw new Error('invalid empty volume spec');
    // Two characters or fewer can hold no source: docker takes them for a path, and the engine refuses them.
    if (!volume.includes(':') || volume.length <= 2) anonymous[volume] = {};
    else binds.add(bindSpec(volume));
  }
  if (Object.keys(anonymous).length > 0) body.Volumes = anonymous;
  if (binds.size > 0) body.HostConfig.Binds = [...binds];

  const endpoints = endpointsConfig(flags);
  if (Object.keys(endpoints).length > 0) body.NetworkingConfig = { EndpointsConfig: endpoints };
  return body;
}

/** A relative host path is one of the client's. */
function bindSpec(volume: string): string {
  const colon = volume.indexOf(':');
  const source = volume.slice(0, colon);
  if (volume.split(':').some((part, index) => part === '' && index < 2)) {
    throw new Error(`invalid spec: ${volume}: empty section between colons`);
  }
  return source.startsWith('.') ? `${resolve(source)}${volume.slice(colon)}` : volume;
}

function proxyEnvironment(proxy: ProxyConfig | undefined, given: readonly string[]): string[] {
  if (!proxy) return [];
  const names = new Set(given.map((pair) => pair.split('=')[0]));
  const lines: string[] = [];
  for (const [key, name] of [
    ['httpProxy', 'HTTP_PROXY'],
    ['httpsProxy', 'HTTPS_PROXY'],
    ['noProxy', 'NO_PROXY'],
    ['ftpProxy', 'FTP_PROXY'],
    ['allProxy', 'ALL_PROXY'],
  ] as const) {
    const value = proxy[key];
    if (!value) continue;
    for (const one of [name, name.toLowerCase()]) if (!names.has(one)) lines.push(`${one}=${value}`);
  }
  return lines;
}

function healthConfig(flags: Flags): HealthConfig | undefined {
  const settings: [keyof HealthConfig & string, number, string][] = [
    ['Interval', flags['health-interval'], 'health-interval'],
    ['Timeout', flags['health-timeout'], 'health-timeout'],
    ['Retries', flags['health-retries'], 'health-retries'],
    ['StartPeriod', flags['health-start-period'], 'health-start-period'],
    ['StartInterval', flags['health-start-interval'], 'health-start-interval'],
  ];
  const any = flags['health-cmd'] !== '' || settings.some(([, value]) => value !== 0);
  if (flags['no-healthcheck']) {
    if (any) throw new Error('--no-healthcheck conflicts with --health-* options');
    return { Test: ['NONE'] };
  }
  if (!any) return undefined;
  const health: Record<string, unknown> = {};
  if (flags['health-cmd'] !== '') health.Test = ['CMD-SHELL', flags['health-cmd']];
  for (const [key, value, name] of settings) {
    if (value < 0) throw new Error(`--${name} cannot be negative`);
    if (value > 0) health[key] = value;
  }
  return health as HealthConfig;
}

function endpointsConfig(flags: Flags): Record<string, EndpointSettings> {
  const networks = [...flags.network, ...flags.net];
  if (networks.length === 0) networks.push(parseNetwork('default'));
  const endpoints: Record<string, EndpointSettings> = {};
  const aliases = [...flags['network-alias'], ...flags['net-alias']];
  const both = (what: string) => new Error(`conflicting options: cannot specify both ${what}`);
  networks.forEach((given, index) => {
    const option = { ...given };
    // The flags without a network of their own mean the first.
    if (index === 0) {
      if (option.aliases.length > 0 && aliases.length > 0) throw both('--network-alias and per-network alias');
      if (option.ipv4 !== '' && flags.ip !== '') throw both('--ip and per-network IPv4 address');
      if (option.ipv6 !== '' && flags.ip6 !== '') throw both('--ip6 and per-network IPv6 address');
      if (option.mac !== '' && flags['mac-address'] !== '') throw both('--mac-address and per-network MAC address');
      if (option.linkLocal.length > 0 && flags['link-local-ip'].length > 0) {
        throw both('--link-local-ip and per-network link-local IP addresses');
      }
      if (aliases.length > 0) option.aliases = aliases;
      if (flags.link.length > 0 && isUserDefined(option.target)) option.links = [...flags.link];
      if (flags.ip !== '') option.ipv4 = flags.ip;
      if (flags.ip6 !== '') option.ipv6 = flags.ip6;
      if (flags['mac-address'] !== '') option.mac = flags['mac-address'];
      if (flags['link-local-ip'].length > 0) option.linkLocal = [...flags['link-local-ip']];
    }
    if (endpoints[option.target]) throw new Error(`network "${option.target}" is specified multiple times`);
    const settings = endpointSettings(option);
    if (settings || networks.length > 1) endpoints[option.target] = settings ?? {};
  });
  const user = networks.filter((network) => isUserDefined(network.target)).length;
  if (user > 0 && user < networks.length) {
    throw new Error('conflicting options: cannot attach both user-defined and non-user-defined network-modes');
  }
  return endpoints;
}

function hostConfig({ flags, changed }: CreateInput): Partial<HostConfig> {
  const host: Record<string, unknown> = {};
  /** Sets what is not the API's own default. */
  const set = (key: keyof HostConfig, value: unknown) => {
    const empty = value === '' || value === 0 || value === false || (Array.isArray(value) && value.length === 0);
    if (!empty && value !== undefined) host[key] = value;
  };
  const swappiness = flags['memory-swappiness'];
  if (swappiness < -1 || swappiness > 100) {
    throw new Error(`invalid value: ${swappiness}. Valid memory swappiness range is 0-100`);
  }
  if (swappiness !== -1) host.MemorySwappiness = swappiness;
  for (const [name, key, valid] of [
    ['pid', 'PidMode', /^(|host|container:.+)$/],
    ['uts', 'UTSMode', /^(|host)$/],
    ['userns', 'UsernsMode', /^(|host)$/],
    ['cgroupns', 'CgroupnsMode', /^(|host|private)$/],
  ] as const) {
    const what = { pid: 'PID', uts: 'UTS', userns: 'USER', cgroupns: 'CGROUP' }[name];
    if (!valid.test(flags[name])) throw new Error(`--${name}: invalid ${what} mode`);
    set(key, flags[name]);
  }
  const restart = parseRestart(flags.restart);
  if (flags.rm && restart.Name !== '' && restart.Name !== 'no') {
    throw new Error('conflicting options: cannot specify both --restart and --rm');
  }
  if (changed.has('restart')) host.RestartPolicy = restart;

  const logOptions = toMap(flags['log-opt']);
  if (flags['log-driver'] === 'none' && flags['log-opt'].length > 0) {
    throw new Error('invalid logging opts for driver none');
  }
  if (flags['log-driver'] !== '' || flags['log-opt'].length > 0) {
    host.LogConfig = { Type: flags['log-driver'], Config: logOptions };
  }
  securityOptions(flags['security-opt'], host);
  for (const option of flags['storage-opt']) if (!option.includes('=')) throw new Error('invalid storage option');
  if (flags['storage-opt'].length > 0) host.StorageOpt = toMap(flags['storage-opt']);
  if (flags.tmpfs.length > 0) {
    host.Tmpfs = Object.fromEntries(
      flags.tmpfs.map((spec) => {
        const colon = spec.indexOf(':');
        return colon < 0 ? [spec, ''] : [spec.slice(0, colon), spec.slice(colon + 1)];
      }),
    );
  }
  if (flags.sysctl.length > 0) host.Sysctls = toMap(flags.sysctl);
  if (flags.annotation.length > 0) host.Annotations = toMap(flags.annotation);
  if (flags.ulimit.length > 0) {
    const byName = new Map(flags.ulimit.map((limit) => [limit.Name, limit]));
    host.Ulimits = [...byName.values()].sort((a, b) => (a.Name < b.Name ? -1 : 1));
  }
  const devices = parseDevices(flags.device);
  set('Devices', devices.mappings);
  set('DeviceRequests', [...flags.gpus, ...devices.requests]);
  if (changed.has('init')) host.Init = flags.init;
  if (changed.has('kernel-memory')) host.KernelMemory = flags['kernel-memory'];
  const network = flags.network[0] ?? flags.net[0];
  if (network) host.NetworkMode = network.target;

  set('ContainerIDFile', flags.cidfile);
  set('AutoRemove', flags.rm);
  set('Privileged', flags.privileged);
  set('PublishAllPorts', flags['publish-all']);
  set('ReadonlyRootfs', flags['read-only']);
  set('Links', flags.link);
  set('Dns', flags.dns);
  set('DnsSearch', flags['dns-search']);
  set('DnsOptions', [...flags['dns-option'], ...flags['dns-opt']]);
  set('ExtraHosts', flags['add-host']);
  set('VolumesFrom', flags['volumes-from']);
  set('VolumeDriver', flags['volume-driver']);
  set('IpcMode', flags.ipc);
  const capabilities = effectiveCapabilities(flags['cap-add'], flags['cap-drop']);
  set('CapAdd', capabilities.add);
  set('CapDrop', capabilities.drop);
  set('GroupAdd', flags['group-add']);
  set('OomScoreAdj', flags['oom-score-adj']);
  set('OomKillDisable', flags['oom-kill-disable']);
  set('Isolation', flags.isolation);
  set('Runtime', flags.runtime);
  set('ShmSize', flags['shm-size']);
  set('Mounts', flags.mount);
  set('CgroupParent', flags['cgroup-parent']);
  set('Memory', flags.memory);
  set('MemoryReservation', flags['memory-reservation']);
  set('MemorySwap', flags['memory-swap']);
  set('NanoCpus', flags.cpus);
  set('CpuShares', flags['cpu-shares']);
  set('CpuPeriod', flags['cpu-period']);
  set('CpuQuota', flags['cpu-quota']);
  set('CpuRealtimePeriod', flags['cpu-rt-period']);
  set('CpuRealtimeRuntime', flags['cpu-rt-runtime']);
  set('CpusetCpus', flags['cpuset-cpus']);
  set('CpusetMems', flags['cpuset-mems']);
  set('PidsLimit', flags['pids-limit']);
  set('BlkioWeight', flags['blkio-weight']);
  set('BlkioWeightDevice', flags['blkio-weight-device']);
  set('BlkioDeviceReadBps', flags['device-read-bps']);
  set('BlkioDeviceWriteBps', flags['device-write-bps']);
  set('BlkioDeviceReadIOps', flags['device-read-iops']);
  set('BlkioDeviceWriteIOps', flags['device-write-iops']);
  set('DeviceCgroupRules', flags['device-cgroup-rule']);
  return host as Partial<HostConfig>;
}

/** Names in their full form, sorted; ALL swallows the rest. */
function effectiveCapabilities(add: readonly string[], drop: readonly string[]): { add: string[]; drop: string[] } {
  const full = (names: readonly string[]) => {
    const set = new Set(
      names.map((name) => {
        const upper = name.trim().toUpperCase();
        return upper === 'ALL' || upper === 'RESET' || upper.startsWith('CAP_') ? upper : `CAP_${upper}`;
      }),
    );
    return set.has('ALL') ? ['ALL'] : [...set].sort();
  };
  return { add: full(add), drop: full(drop) };
}

/** A seccomp profile is a file of the client's, sent as its text; systempaths=unconfined becomes two empty lists. */
function securityOptions(options: readonly string[], host: Record<string, unknown>): void {
  const kept: string[] = [];
  for (const option of options) {
    if (option === 'systempaths=unconfined') {
      host.MaskedPaths = [];
      host.ReadonlyPaths = [];
      continue;
    }
    const match = /^([^=:]*)[=:](.*)$/s.exec(option);
    if (!match && option !== 'no-new-privileges') throw new Error(`Invalid --security-opt: ${JSON.stringify(option)}`);
    if (match?.[1] === 'seccomp' && match[2] !== 'unconfined' && match[2] !== 'builtin') {
      kept.push(`seccomp=${readProfile(match[2]!)}`);
    } else {
      kept.push(option);
    }
  }
  if (kept.length > 0) host.SecurityOpt = kept;
}

function readProfile(path: string): string {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    const why =
      (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'no such file or directory' : (error as Error).message;
    throw new Error(`opening seccomp profile (${path}) failed: open ${path}: ${why}`, { cause: error });
  }
  try {
    return JSON.stringify(JSON.parse(text));
  } catch (error) {
    throw new Error(`compacting json for seccomp profile (${path}) failed: ${(error as Error).message}`, {
      cause: error,
    });
  }
}
