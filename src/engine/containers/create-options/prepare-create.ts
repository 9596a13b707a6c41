import { hostname as hostHostname } from 'node:os';
import { GantryError } from '../../../api/errors.ts';
import { listed } from '../../../api/listed.ts';
import type { ContainerConfig, EndpointSettings, NetworkingConfig } from '../../../api/schemas/container.ts';
import type { HostConfig } from '../../../api/schemas/host-config.ts';
import type { NetworkRecord } from '../../../network/contract.ts';
import type { HostFacts } from '../../../runtime/spec/host-facts.ts';
import { DEFAULT_READONLY_PATHS, defaultMaskedPaths } from '../../../runtime/spec/masked-paths.ts';
import { parseSecurityOptions } from '../../../runtime/spec/security-opt.ts';
import type { ContainerRecord } from '../../container-record.ts';
import type { ImageRecord } from '../../image-record.ts';
import { checkEndpoint } from '../../networks/endpoint-settings.ts';
import type { EngineSettings } from '../../settings.ts';
import { checkMountRequests } from '../../volumes/mount-request.ts';
import { checkConfig } from './config-rules.ts';
import { checkHostConfig, checkPublishedPorts, refuseUnsupported } from './host-config-rules.ts';
import { mergeImageConfig } from './image-defaults.ts';
import { checkNamespaces, checkNetworkMode, checkSysctls } from './namespace-rules.ts';
import { checkResources } from './resource-rules.ts';

/** Body of ContainerCreate. */
export type CreateBody = ContainerConfig & { HostConfig?: HostConfig; NetworkingConfig?: NetworkingConfig };

export interface CreateContext {
  settings: EngineSettings;
  host: HostFacts;
  /** null for a container without an image. */
  image: ImageRecord | null;
  /** See CreateRequest. */
  hostCgroupns: boolean;
  /** ID the container will have: its first 12 digits are the default host name. */
  id: string;
  /** By name, ID or unambiguous prefix; null when there is none. */
  resolveContainer(reference: string): ContainerRecord | null;
  /** The network that a name or an ID stands for, null when there is none. */
  network(reference: string): NetworkRecord | null;
  /** Throws invalid_parameter for an unknown log driver or option. */
  checkLogConfig(type: string, options: Record<string, string>): void;
}

export interface PreparedContainer {
  config: ContainerConfig;
  hostConfig: HostConfig;
  endpointsConfig: Record<string, EndpointSettings>;
  path: string;
  args: string[];
  warnings: string[];
}

/**
 * From a create request to a container's final configuration: checked, merged with the image, completed with the
 * daemon's defaults. Changes nothing anywhere. Throws invalid_parameter with Docker's messages, not_supported for what
 * this version does not have.
 */
export function prepareCreate(body: CreateBody, context: CreateContext): PreparedContainer {
  const { settings, host, image } = context;
  const { HostConfig: givenHost = {}, NetworkingConfig: networking, ...givenConfig } = structuredClone(body);
  const hostConfig: HostConfig = givenHost;
  if (Object.keys(givenConfig).length === 0) {
    throw new GantryError('invalid_parameter', 'config cannot be empty in order to create a container');
  }

  refuseUnsupported(hostConfig);
  normalizeNetworkMode(hostConfig);
  checkNetworkMode(hostConfig, givenConfig);
  checkNamespaces(hostConfig, givenConfig);
  checkSysctls(hostConfig);
  const userConfig = checkConfig(givenConfig);
  checkHostConfig(hostConfig, host);
  checkMountRequests(hostConfig);
  parseSecurityOptions(hostConfig.SecurityOpt ?? [], settings.noNewPrivileges);
  const warnings = checkResources(hostConfig, host, false);
  if ((hostConfig.KernelMemoryTCP ?? 0) > 0) {
    hostConfig.KernelMemoryTCP = 0;
    warnings.push(
      'Your kernel does not support kernel memory limit capabilities or the cgroup is not mounted. Limitation discarded.',
    );
  }
  if (!host.ipv4Forwarding && !['host', 'none'].includes(hostConfig.NetworkMode ?? '')) {
    warnings.push('IPv4 forwarding is disabled. Networking will not work.');
  }

  const config = checkConfig(image === null ? userConfig : mergeImageConfig(userConfig, image.config));
  const { path, args } = commandOf(config);
  warnings.push(...checkPublishedPorts(hostConfig, config));
  applyDefaults(hostConfig, context);
  context.checkLogConfig(hostConfig.LogConfig!.Type!, hostConfig.LogConfig!.Config!);
  config.Hostname = hostnameOf(config, hostConfig, context.id);
  config.Labels ??= {};
  config.Env ??= [];
  const endpointsConfig = endpointsOf(networking, hostConfig, config, context.network);
  return { config, hostConfig, endpointsConfig, path, args, warnings };
}

/**
 * Entrypoint, then command. An entrypoint of one empty string is how clients take the image's away. Throws
 * invalid_parameter.
 */
function commandOf(config: ContainerConfig): { path: string; args: string[] } {
  if (config.Entrypoint?.length === 1 && config.Entrypoint[0] === '') delete config.Entrypoint;
  const [path, ...args] = [...(config.Entrypoint ?? []), ...(config.Cmd ?? [])];
  if (path === undefined) throw new GantryError('invalid_parameter', 'no command specified');
  return { path, args };
}

/**
 * "default" is what clients send for the platform's own network; on Linux that is the bridge, and inspect shows it so.
 */
function normalizeNetworkMode(hostConfig: HostConfig): void {
  if (!hostConfig.NetworkMode || hostConfig.NetworkMode === 'default') hostConfig.NetworkMode = 'bridge';
}

function applyDefaults(hostConfig: HostConfig, context: CreateContext): void {
  const { settings, host } = context;
  const privileged = hostConfig.Privileged === true;

  if ((hostConfig.Memory ?? 0) > 0 && !hostConfig.MemorySwap) hostConfig.MemorySwap = hostConfig.Memory! * 2;
  if ((hostConfig.CpuShares ?? 0) > 0) {
    hostConfig.CpuShares = Math.min(Math.max(hostConfig.CpuShares!, 2), 262_144);
  }
  if (host.features.oomKillDisable) hostConfig.OomKillDisable ??= false;
  hostConfig.ShmSize ||= settings.defaultShmSize;

  if (!hostConfig.IpcMode) hostConfig.IpcMode = settings.defaultIpcMode;
  if (!hostConfig.CgroupnsMode) {
    const shared = host.cgroup !== 'v2' && (privileged || context.hostCgroupns || settings.defaultCgroupnsMode === '');
    const mode = settings.defaultCgroupnsMode === '' ? 'private' : settings.defaultCgroupnsMode;
    hostConfig.CgroupnsMode = shared ? 'host' : (mode as 'host' | 'private');
  }
  for (const key of ['PidMode', 'IpcMode', 'NetworkMode'] as const) joinById(hostConfig, key, context);

  const labelled = hostConfig.SecurityOpt?.some((option) => option.startsWith('label=')) ?? false;
  if (!labelled && (privileged || hostConfig.IpcMode === 'host' || hostConfig.PidMode === 'host')) {
    hostConfig.SecurityOpt = [...(hostConfig.SecurityOpt ?? []), 'label=disable'];
  }
  if (!privileged) {
    hostConfig.MaskedPaths ??= defaultMaskedPaths(host.thermalThrottlePaths);
    hostConfig.ReadonlyPaths ??= [...DEFAULT_READONLY_PATHS];
  }

  const runtime = hostConfig.Runtime || settings.defaultRuntime;
  if (!settings.runtimes.has(runtime)) {
    throw new GantryError('invalid_parameter', `unknown or invalid runtime name: ${runtime}`);
  }
  hostConfig.Runtime = runtime;
  hostConfig.RestartPolicy = {
    Name: hostConfig.RestartPolicy?.Name || 'no',
    MaximumRetryCount: hostConfig.RestartPolicy?.MaximumRetryCount ?? 0,
  };
  hostConfig.LogConfig = logConfigOf(hostConfig, settings);
  hostConfig.ConsoleSize ??= [0, 0];
  hostConfig.PortBindings ??= {};
  hostConfig.Dns ??= [];
  hostConfig.DnsOptions ??= [];
  hostConfig.DnsSearch ??= [];
}

/** A rename of the other container must not break the tie: its name is replaced by its ID. */
function joinById(hostConfig: HostConfig, key: 'PidMode' | 'IpcMode' | 'NetworkMode', context: CreateContext): void {
  const mode = hostConfig[key] ?? '';
  if (!mode.startsWith('container:')) return;
  const other = context.resolveContainer(mode.slice('container:'.length));
  if (other !== null) hostConfig[key] = `container:${other.id}`;
}

/** The daemon's options hold for its own driver alone. */
function logConfigOf(hostConfig: HostConfig, settings: EngineSettings): NonNullable<HostConfig['LogConfig']> {
  const type = hostConfig.LogConfig?.Type || settings.logDriver;
  const own = hostConfig.LogConfig?.Config ?? {};
  const options = type === settings.logDriver ? { ...settings.logOpts, ...own } : own;
  return { Type: type, Config: options };
}

function hostnameOf(config: ContainerConfig, hostConfig: HostConfig, id: string): string {
  if (config.Hostname) return config.Hostname;
  if (hostConfig.NetworkMode === 'host' || hostConfig.UTSMode === 'host') return hostHostname();
  // The other container's name, which may change until this one starts, is filled in then.
  if (hostConfig.NetworkMode?.startsWith('container:')) return '';
  return id.slice(0, 12);
}

/**
 * The networks that the container is on, that of its mode among them, by name. One that is not there is kept as it was named: the start
 * says that it is missing.
 */
function endpointsOf(
  networking: NetworkingConfig | undefined,
  hostConfig: HostConfig,
  config: ContainerConfig,
  network: (reference: string) => NetworkRecord | null,
): Record<string, EndpointSettings> {
  const mode = hostConfig.NetworkMode!;
  // Clients name the other container here too; what it has is not ours to set.
  if (mode.startsWith('container:')) return {};
  const nameOf = (reference: string) => (reference === 'default' ? 'bridge' : (network(reference)?.name ?? reference));
  const own = nameOf(mode);
  const endpoints: Record<string, EndpointSettings> = { [own]: {} };
  const problems: string[] = [];
  for (const [reference, settings] of Object.entries(networking?.EndpointsConfig ?? {})) {
    const name = nameOf(reference);
    if (name !== own && (own === 'none' || name === 'none')) {
      throw new GantryError(
        'invalid_parameter',
        'container cannot be connected to multiple networks with one of the networks in private (none) mode',
      );
    }
    if (name !== own && (own === 'host' || name === 'host')) {
      throw new GantryError(
        'invalid_parameter',
        'container cannot be disconnected from host network or connected to host network',
      );
    }
    try {
      checkEndpoint(settings ?? {}, name, network(name));
    } catch (error) {
      if (!(error instanceof GantryError) || error.code !== 'invalid_parameter') throw error;
      problems.push(`invalid config for network ${reference}: ${error.message}`);
    }
    endpoints[name] = settings ?? {};
  }
  if (problems.length > 0) throw new GantryError('invalid_parameter', listed(problems));
  if (config.MacAddress && mode !== 'none') {
    const given = endpoints[own]?.MacAddress;
    if (given && given !== config.MacAddress) {
      throw new GantryError(
        'invalid_parameter',
        'the container-wide MAC address must match the endpoint-specific MAC address for the main network, or be left empty',
      );
    }
    endpoints[own] = { ...endpoints[own], MacAddress: config.MacAddress };
    delete config.MacAddress;
  }
  return endpoints;
}
