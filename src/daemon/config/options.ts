/**
 * What gantryd can be told, by flag and by daemon.json: one table for both. Names, kinds and defaults are dockerd's
 * (https://docs.docker.com/reference/cli/dockerd/), so that its users find what they know.
 */

export type OptionKind =
  | 'bool'
  | 'string'
  | 'int'
  | 'bytes'
  | 'list'
  | 'map'
  | 'bools'
  | 'ulimits'
  | 'runtimes'
  | 'pools';

export interface OptionSpec {
  flag: string;
  short?: string;
  /** Name in daemon.json; the flag's when left out, null when it has none there. */
  key?: string | null;
  kind: OptionKind;
  help: string;
  /** Read again at SIGHUP. */
  reloads?: true;
}

/** Options that exist. */
export const OPTIONS: readonly OptionSpec[] = [
  {
    flag: 'add-runtime',
    key: 'runtimes',
    kind: 'runtimes',
    help: 'Register an additional OCI compatible runtime',
    reloads: true,
  },
  { flag: 'bip', kind: 'string', help: 'IPv4 address for the default bridge' },
  { flag: 'bridge', short: 'b', kind: 'string', help: 'Attach containers to a network bridge; "none" for no bridge' },
  { flag: 'cgroup-parent', kind: 'string', help: 'Set parent cgroup for all containers' },
  { flag: 'config-file', key: null, kind: 'string', help: 'Daemon configuration file' },
  { flag: 'data-root', kind: 'string', help: 'Root directory of persistent state' },
  { flag: 'debug', short: 'D', kind: 'bool', help: 'Enable debug mode', reloads: true },
  {
    flag: 'default-address-pool',
    key: 'default-address-pools',
    kind: 'pools',
    help: 'Default address pools for networks (base=CIDR,size=BITS)',
  },
  {
    flag: 'default-cgroupns-mode',
    kind: 'string',
    help: 'Default mode for containers cgroup namespace ("host" | "private")',
    reloads: true,
  },
  {
    flag: 'default-ipc-mode',
    kind: 'string',
    help: 'Default mode for containers ipc ("shareable" | "private")',
    reloads: true,
  },
  { flag: 'default-runtime', kind: 'string', help: 'Default OCI runtime for containers', reloads: true },
  { flag: 'default-shm-size', kind: 'bytes', help: 'Default shm size for containers', reloads: true },
  { flag: 'default-ulimit', key: 'default-ulimits', kind: 'ulimits', help: 'Default ulimits for containers' },
  { flag: 'dns', kind: 'list', help: 'DNS server to use' },
  { flag: 'dns-opt', key: 'dns-opts', kind: 'list', help: 'DNS options to use' },
  { flag: 'dns-search', kind: 'list', help: 'DNS search domains to use' },
  { flag: 'exec-opt', key: 'exec-opts', kind: 'list', help: 'Runtime execution options' },
  { flag: 'exec-root', kind: 'string', help: 'Root directory for execution state files' },
  { flag: 'feature', key: 'features', kind: 'bools', help: 'Enable feature in the daemon', reloads: true },
  {
    flag: 'firewall-backend',
    kind: 'string',
    help: 'Firewall backend to use: nftables is the only one',
  },
  { flag: 'group', short: 'G', kind: 'string', help: 'Group for the unix socket' },
  { flag: 'host', short: 'H', key: 'hosts', kind: 'list', help: 'Daemon socket(s) to connect to' },
  {
    flag: 'host-gateway-ip',
    key: 'host-gateway-ips',
    kind: 'list',
    help: "IP addresses that the special 'host-gateway' string in --add-host resolves to",
  },
  { flag: 'http-proxy', kind: 'string', help: 'HTTP proxy URL to use for outgoing traffic' },
  { flag: 'https-proxy', kind: 'string', help: 'HTTPS proxy URL to use for outgoing traffic' },
  { flag: 'icc', kind: 'bool', help: 'Enable inter-container communication for the default bridge network' },
  { flag: 'init', kind: 'bool', help: 'Run an init in the container to forward signals and reap processes' },
  { flag: 'init-path', kind: 'string', help: 'Path to the init binary' },
  {
    flag: 'insecure-registry',
    key: 'insecure-registries',
    kind: 'list',
    help: 'Enable insecure registry communication',
    reloads: true,
  },
  { flag: 'ip', kind: 'string', help: 'Host IP for port publishing from the default bridge network' },
  { flag: 'ip-forward', kind: 'bool', help: 'Enable IP forwarding in system configuration' },
  {
    flag: 'ip-forward-no-drop',
    kind: 'bool',
    help: 'Do not set the filter-FORWARD policy to DROP when enabling IP forwarding',
  },
  { flag: 'ip-masq', kind: 'bool', help: 'Enable IP masquerading for the default bridge network' },
  { flag: 'ip6tables', kind: 'bool', help: 'Enable addition of packet filter rules for IPv6' },
  { flag: 'iptables', kind: 'bool', help: 'Enable addition of packet filter rules' },
  { flag: 'label', key: 'labels', kind: 'list', help: 'Set key=value labels to the daemon', reloads: true },
  {
    flag: 'live-restore',
    kind: 'bool',
    help: 'Containers outlive the daemon: always so, false is refused',
    reloads: true,
  },
  { flag: 'log-driver', kind: 'string', help: 'Default driver for container logs' },
  { flag: 'log-format', kind: 'string', help: 'Set the logging format ("text"|"json")' },
  {
    flag: 'log-level',
    short: 'l',
    kind: 'string',
    help: 'Set the logging level ("debug"|"info"|"warn"|"error"|"fatal")',
  },
  { flag: 'log-opt', key: 'log-opts', kind: 'map', help: 'Default log driver options for containers' },
  { flag: 'max-concurrent-downloads', kind: 'int', help: 'Set the max concurrent downloads', reloads: true },
  { flag: 'max-concurrent-uploads', kind: 'int', help: 'Set the max concurrent uploads', reloads: true },
  { flag: 'max-download-attempts', kind: 'int', help: 'Set the max download attempts for each pull', reloads: true },
  { flag: 'mtu', kind: 'int', help: 'Set the MTU for the default bridge network' },
  { flag: 'no-new-privileges', kind: 'bool', help: 'Set no-new-privileges by default for new containers' },
  {
    flag: 'no-proxy',
    kind: 'string',
    help: 'Comma-separated list of hosts or IP addresses for which the proxy is skipped',
  },
  { flag: 'pidfile', short: 'p', kind: 'string', help: 'Path to use for daemon PID file' },
  { flag: 'raw-logs', kind: 'bool', help: 'Full timestamps without ANSI coloring' },
  { flag: 'registry-mirror', key: 'registry-mirrors', kind: 'list', help: 'Preferred registry mirror', reloads: true },
  {
    flag: 'seccomp-profile',
    kind: 'string',
    help: 'Path to seccomp profile. Set to "unconfined" to disable the default seccomp profile',
  },
  { flag: 'shutdown-timeout', kind: 'int', help: 'Set the default shutdown timeout in seconds', reloads: true },
  { flag: 'stop-containers-on-shutdown', kind: 'bool', help: 'Stop the containers when the daemon stops' },
  { flag: 'storage-driver', short: 's', kind: 'string', help: 'Storage driver to use' },
  { flag: 'tls', kind: 'bool', help: 'Use TLS; implied by --tlsverify' },
  { flag: 'tlscacert', kind: 'string', help: 'Trust certs signed only by this CA' },
  { flag: 'tlscert', kind: 'string', help: 'Path to TLS certificate file' },
  { flag: 'tlskey', kind: 'string', help: 'Path to TLS key file' },
  { flag: 'tlsverify', kind: 'bool', help: 'Use TLS and verify the remote' },
  {
    flag: 'userland-proxy',
    kind: 'bool',
    help: 'Let the daemon relay published ports where packet filter rules cannot',
  },
  {
    flag: 'userland-proxy-path',
    kind: 'string',
    help: 'Refused: the daemon relays by itself, without a program',
  },
  { flag: 'validate', key: null, kind: 'bool', help: 'Validate daemon configuration and exit' },
  { flag: 'version', short: 'v', key: null, kind: 'bool', help: 'Print version information and quit' },
  { flag: 'help', short: 'h', key: null, kind: 'bool', help: 'Print usage' },
];

/**
 * dockerd's options for what this version does not have. A boolean may be given as false, which is how things are; anything
 * else is refused rather than ignored.
 */
export const NOT_YET: readonly { flag: string; key?: string; kind: OptionKind }[] = [
  { flag: 'allow-direct-routing', kind: 'bool' },
  { flag: 'allow-nondistributable-artifacts', kind: 'list' },
  { flag: 'api-cors-header', kind: 'string' },
  { flag: 'authorization-plugin', key: 'authorization-plugins', kind: 'list' },
  { flag: 'bip6', kind: 'string' },
  { flag: 'builder', kind: 'map' },
  { flag: 'cdi-spec-dir', key: 'cdi-spec-dirs', kind: 'list' },
  { flag: 'containerd', kind: 'string' },
  { flag: 'containerd-namespace', kind: 'string' },
  { flag: 'containerd-plugins-namespace', kind: 'string' },
  { flag: 'cpu-rt-period', kind: 'int' },
  { flag: 'cpu-rt-runtime', kind: 'int' },
  { flag: 'cri-containerd', kind: 'bool' },
  { flag: 'default-gateway', kind: 'string' },
  { flag: 'default-gateway-v6', kind: 'string' },
  { flag: 'default-network-opt', key: 'default-network-opts', kind: 'map' },
  { flag: 'experimental', kind: 'bool' },
  { flag: 'fixed-cidr', kind: 'string' },
  { flag: 'fixed-cidr-v6', kind: 'string' },
  { flag: 'ipv6', kind: 'bool' },
  { flag: 'metrics-addr', kind: 'string' },
  { flag: 'network-control-plane-mtu', kind: 'int' },
  { flag: 'network-diagnostic-port', kind: 'int' },
  { flag: 'node-generic-resource', key: 'node-generic-resources', kind: 'list' },
  { flag: 'oom-score-adjust', kind: 'int' },
  { flag: 'rootless', kind: 'bool' },
  { flag: 'selinux-enabled', kind: 'bool' },
  { flag: 'storage-opt', key: 'storage-opts', kind: 'list' },
  { flag: 'swarm-default-advertise-addr', kind: 'string' },
  { flag: 'swarm-raft-election-tick', kind: 'int' },
  { flag: 'swarm-raft-heartbeat-tick', kind: 'int' },
  { flag: 'userns-remap', kind: 'string' },
];

/** The name an option has in daemon.json and in a set of Values. */
export function keyOf(spec: { flag: string; key?: string | null }): string {
  return spec.key ?? spec.flag;
}

export type OptionValue =
  | boolean
  | string
  | number
  | string[]
  | Record<string, string>
  | Record<string, boolean>
  | { Name: string; Soft: number; Hard: number }[]
  | Record<string, { path: string; args: string[] }>
  | { base: string; size: number }[];

/** Options that were given, by daemon.json name. */
export type Values = Map<string, OptionValue>;
