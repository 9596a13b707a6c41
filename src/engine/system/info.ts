import os from 'node:os';
import { maskCredentials } from '../../api/mask-credentials.ts';
import type { SystemInfo } from '../../api/schemas/system.ts';
import { formatNano } from '../../api/timestamp.ts';
import { wallClock } from '../../linux/clock.ts';
import type { HostFacts } from '../../runtime/spec/host-facts.ts';
import type { ContainerRecord } from '../container-record.ts';
import type { EngineContext } from '../context.ts';
import type { EngineSettings } from '../settings.ts';
import { flag, machine, openFiles, operatingSystem } from './host-report.ts';

export interface InfoSources {
  context: EngineContext;
  host: HostFacts;
  containers(): ContainerRecord[];
  imageCount(): number;
  /** Names of the volume drivers that have been used. */
  volumeDrivers(): string[];
  logDrivers(): string[];
  version: string;
  /** Commits of runc and version of the init, '' when they cannot be asked. */
  programs: { runc: string; init: string };
}

function counts(
  records: readonly ContainerRecord[],
): Pick<SystemInfo, 'Containers' | 'ContainersRunning' | 'ContainersPaused' | 'ContainersStopped'> {
  const of = (...states: string[]): number => records.filter(({ state }) => states.includes(state.status)).length;
  const running = of('running', 'restarting');
  const paused = of('paused');
  return {
    Containers: records.length,
    ContainersRunning: running,
    ContainersPaused: paused,
    ContainersStopped: records.length - running - paused,
  };
}

/** What a limit that the kernel does not know means to the user, in Docker's words. */
function warnings(host: HostFacts, settings: EngineSettings): string[] {
  const { features } = host;
  const list: [boolean, string][] = [
    [!features.memory, 'WARNING: No memory limit support'],
    [features.memory && !features.swap, 'WARNING: No swap limit support'],
    [!features.cpuCfs, 'WARNING: No cpu cfs quota support'],
    [!features.cpuShares, 'WARNING: No cpu shares support'],
    [!features.cpuset, 'WARNING: No cpuset support'],
    [!features.pids, 'WARNING: No pids limit support'],
    [!host.ipv4Forwarding, 'WARNING: IPv4 forwarding is disabled'],
    [
      host.seccomp && settings.seccompProfileName !== 'builtin',
      'WARNING: daemon is not using the default seccomp profile',
    ],
  ];
  return [
    ...settings.openAddresses.map(
      (address) =>
        `WARNING: API is accessible on ${address} without ${address.startsWith('https') ? 'TLS client verification' : 'encryption'}. Access to the remote API is equivalent to root access on the host.`,
    ),
    ...list.filter(([on]) => on).map(([, text]) => text),
  ];
}

function securityOptions(host: HostFacts, settings: EngineSettings): string[] {
  // An empty default mode is private on v2 alone.
  const ownCgroupns =
    settings.defaultCgroupnsMode === '' ? host.cgroup === 'v2' : settings.defaultCgroupnsMode === 'private';
  return [
    ...(host.apparmor ? ['name=apparmor'] : []),
    ...(host.seccomp ? [`name=seccomp,profile=${settings.seccompProfileName}`] : []),
    ...(host.features.cgroupNamespaces && ownCgroupns ? ['name=cgroupns'] : []),
    ...(settings.noNewPrivileges ? ['name=no-new-privileges'] : []),
  ];
}

/** `docker info` (Engine API, SystemInfo). */
export function systemInfo(sources: InfoSources): SystemInfo {
  const { context, host } = sources;
  const { settings } = context;
  const { features } = host;
  const system = operatingSystem();
  const commit = (id: string) => ({ ID: id || 'N/A' });
  return {
    ID: settings.engineId,
    ...counts(sources.containers()),
    Images: sources.imageCount(),
    Driver: 'overlay2',
    DriverStatus: context.storage.status(),
    Plugins: {
      Volume: sources.volumeDrivers(),
      Network: context.networks.drivers(),
      Authorization: [],
      Log: sources.logDrivers().filter((name) => name !== 'none'),
    },
    MemoryLimit: features.memory,
    SwapLimit: features.swap,
    CpuCfsPeriod: features.cpuCfs,
    CpuCfsQuota: features.cpuCfs,
    CPUShares: features.cpuShares,
    CPUSet: features.cpuset,
    PidsLimit: features.pids,
    OomKillDisable: host.cgroup !== 'v2' && features.memory,
    IPv4Forwarding: host.ipv4Forwarding,
    BridgeNfIptables: flag('/proc/sys/net/bridge/bridge-nf-call-iptables'),
    BridgeNfIp6tables: flag('/proc/sys/net/bridge/bridge-nf-call-ip6tables'),
    Debug: settings.debug,
    NFd: openFiles(),
    NGoroutines: process.getActiveResourcesInfo().length,
    SystemTime: formatNano(wallClock()),
    LoggingDriver: settings.logDriver,
    CgroupDriver: 'cgroupfs',
    CgroupVersion: host.cgroup === 'v2' ? '2' : '1',
    NEventsListener: context.events.listeners,
    KernelVersion: os.release(),
    OperatingSystem: system.name,
    OSVersion: system.version,
    OSType: 'linux',
    Architecture: machine(),
    IndexServerAddress: '',
    RegistryConfig: {
      // Registries on this host need no certificate.
      InsecureRegistryCIDRs: [
        ...settings.insecureRegistries.filter((entry) => /\/\d+$/.test(entry)),
        '::1/128',
        '127.0.0.0/8',
      ],
      IndexConfigs: Object.fromEntries(
        settings.insecureRegistries
          .filter((entry) => !/\/\d+$/.test(entry))
          .map((Name) => [Name, { Name, Mirrors: [], Secure: false, Official: false }]),
      ),
      Mirrors: settings.registryMirrors.map((mirror) => `${mirror.replace(/\/$/, '')}/`),
    },
    NCPU: host.cpuCount,
    MemTotal: os.totalmem(),
    GenericResources: null,
    DockerRootDir: settings.dataRoot,
    HttpProxy: maskCredentials(settings.httpProxy),
    HttpsProxy: maskCredentials(settings.httpsProxy),
    NoProxy: settings.noProxy,
    Name: os.hostname(),
    Labels: settings.labels,
    ExperimentalBuild: false,
    ServerVersion: sources.version,
    Runtimes: Object.fromEntries(
      [...settings.runtimes].map(([name, { path, args }]) => [
        name,
        { path, ...(args.length > 0 ? { runtimeArgs: args } : {}) },
      ]),
    ),
    DefaultRuntime: settings.defaultRuntime,
    Swarm: {
      NodeID: '',
      NodeAddr: '',
      LocalNodeState: 'inactive',
      ControlAvailable: false,
      Error: '',
      RemoteManagers: null,
    },
    // Containers always outlive the daemon.
    LiveRestoreEnabled: true,
    Isolation: '',
    InitBinary: settings.initPath,
    // Clients print all three; this is Docker's word for one that there is nothing to say of.
    ContainerdCommit: commit(''),
    RuncCommit: commit(sources.programs.runc),
    InitCommit: commit(sources.programs.init),
    SecurityOptions: securityOptions(host, settings),
    ...(settings.bridge === null || settings.bridge.pools.length === 0
      ? {}
      : { DefaultAddressPools: settings.bridge.pools.map(({ base, size }) => ({ Base: base, Size: size })) }),
    ...(settings.hostNetworking.enableIptables ? { FirewallBackend: { Driver: 'nftables' } } : {}),
    CDISpecDirs: [],
    Warnings: warnings(host, settings),
  };
}
