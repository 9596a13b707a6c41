import os from 'node:os';
import type { SystemInfo } from '../../api/schemas/system.ts';
import { formatNano } from '../../api/timestamp.ts';
import type { HostFacts } from '../../runtime/spec/host-facts.ts';
import type { ContainerRecord } from '../container-record.ts';
import type { EngineContext } from '../context.ts';
import { flag, machine, openFiles, operatingSystem } from './host-report.ts';

export interface InfoSources {
  context: EngineContext;
  host: HostFacts;
  containers(): ContainerRecord[];
  imageCount(): number;
  logDrivers(): string[];
  version: string;
  /** Versions of the default runtime and of the init, '' when they cannot be asked. */
  programs: { runtime: string; init: string };
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
function warnings(host: HostFacts): string[] {
  const { features } = host;
  const list: [boolean, string][] = [
    [!features.memory, 'WARNING: No memory limit support'],
    [features.memory && !features.swap, 'WARNING: No swap limit support'],
    [!features.cpuCfs, 'WARNING: No cpu cfs quota support'],
    [!features.cpuShares, 'WARNING: No cpu shares support'],
    [!features.cpuset, 'WARNING: No cpuset support'],
    [!features.pids, 'WARNING: No pids limit support'],
    [!host.ipv4Forwarding, 'WARNING: IPv4 forwarding is disabled'],
  ];
  return list.filter(([on]) => on).map(([, text]) => text);
}

function securityOptions(host: HostFacts): string[] {
  return [
    ...(host.apparmor ? ['name=apparmor'] : []),
    ...(host.seccomp ? ['name=seccomp,profile=builtin'] : []),
    ...(host.cgroup === 'v2' ? ['name=cgroupns'] : []),
  ];
}

/** `docker info` (Engine API, SystemInfo). */
export function systemInfo(sources: InfoSources): SystemInfo {
  const { context, host } = sources;
  const { settings } = context;
  const { features } = host;
  const system = operatingSystem();
  const commit = (id: string) => ({ ID: id });
  return {
    ID: settings.engineId,
    ...counts(sources.containers()),
    Images: sources.imageCount(),
    Driver: 'overlay2',
    DriverStatus: context.storage.status(),
    Plugins: { Volume: ['local'], Network: ['bridge', 'host', 'null'], Authorization: [], Log: sources.logDrivers() },
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
    SystemTime: formatNano(BigInt(Date.now()) * 1_000_000n),
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
      InsecureRegistryCIDRs: settings.insecureRegistries.filter((entry) => /\/\d+$/.test(entry)),
      IndexConfigs: {},
      Mirrors: settings.registryMirrors,
    },
    NCPU: host.cpuCount,
    MemTotal: os.totalmem(),
    GenericResources: null,
    DockerRootDir: settings.dataRoot,
    HttpProxy: settings.httpProxy,
    HttpsProxy: settings.httpsProxy,
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
    InitBinary: 'tini',
    ContainerdCommit: commit(''),
    RuncCommit: commit(sources.programs.runtime),
    InitCommit: commit(sources.programs.init),
    SecurityOptions: securityOptions(host),
    DefaultAddressPools: (settings.bridge?.pools ?? []).map(({ base, size }) => ({ Base: base, Size: size })),
    FirewallBackend: { Driver: 'nftables' },
    CDISpecDirs: [],
    Warnings: warnings(host),
  };
}
