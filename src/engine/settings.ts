import type { BridgeOptions, HostOptions } from '../network/contract.ts';
import type { RuntimeBinary } from '../runtime/contract.ts';

export interface Ulimit {
  Name: string;
  Soft: number;
  Hard: number;
}

/** What the engine needs to know of the daemon's flags and daemon.json. The reloadable ones are replaced in place at SIGHUP. */
export interface EngineSettings {
  dataRoot: string;
  execRoot: string;
  /** Stable ID of this engine, kept in the state store. */
  engineId: string;
  debug: boolean;
  labels: string[];
  runtimes: Map<string, RuntimeBinary>;
  defaultRuntime: string;
  defaultUlimits: Ulimit[];
  defaultShmSize: number;
  defaultIpcMode: string;
  defaultCgroupnsMode: string;
  /** Every container gets an init process unless it says otherwise. */
  init: boolean;
  initPath: string;
  logDriver: string;
  logOpts: Record<string, string>;
  cgroupParent: string;
  /** Of containers that name none: '' or 'builtin', 'unconfined', or a profile's JSON text. */
  seccompProfile: string;
  /** What --seccomp-profile says: one of these two words or the file's path. */
  seccompProfileName: string;
  noNewPrivileges: boolean;
  /** null when the daemon runs with --bridge=none. */
  bridge: BridgeOptions | null;
  /** What applies to all networks, and to published ports. */
  hostNetworking: HostOptions & { userlandProxy: boolean };
  dns: string[];
  dnsSearch: string[];
  dnsOptions: string[];
  /** What "host-gateway" in an extra host stands for, one address a family; empty for the bridge's. */
  hostGatewayIps: string[];
  shutdownTimeout: number;
  /** Stop containers when the daemon stops; off: they live on. */
  stopContainersOnShutdown: boolean;
  insecureRegistries: string[];
  registryMirrors: string[];
  /** Where everybody who reaches the address may use the API: "http://0.0.0.0:2375", or https without client certificates. */
  openAddresses: string[];
  httpProxy: string;
  httpsProxy: string;
  noProxy: string;
  /** Paths of the shim and such that come with the installation. */
  shimPath: string;
}
