/** The flags that run and create share, as docker 28 has them. */

import { bool, duration, int, list, string, uint, value } from '../flags/spec.ts';
import * as check from './checks.ts';
import { parseGpus, parseMount, parseNetwork } from './mount.ts';

const bytes = (short: string, usage: string, extra = {}) =>
  value(short, 'bytes', usage, 0, (text) => check.parseMemory(text), extra);

/** A repeatable flag whose values are parsed one by one. */
function many<T>(type: string, usage: string, parse: (text: string) => T, extra = {}) {
  const none: T[] = [];
  return value('', type, usage, none, (text, previous, first) => [...(first ? [] : previous), parse(text)], extra);
}

const throttle = (usage: string, inBytes: boolean) =>
  many('list', usage, (text) => check.parseThrottle(text, inBytes), { showDefault: '[]' });

const windows = { hidden: true };

export const CONTAINER_FLAGS = {
  'add-host': list('', 'Add a custom host-to-IP mapping (host:ip)', check.checkExtraHost),
  annotation: list('', 'Add an annotation (handed to the OCI runtime)', undefined, {
    type: 'map',
    showDefault: 'map[]',
  }),
  attach: list('a', 'Attach to STDIN, STDOUT or STDERR', check.checkAttach),
  'blkio-weight': uint('', 'Block IO (relative weight), between 10 and 1000, or 0 to disable', 16, {
    showDefault: '0',
  }),
  'blkio-weight-device': many('list', 'Block IO weight (relative device weight)', check.parseWeightDevice, {
    showDefault: '[]',
  }),
  'cap-add': list('', 'Add Linux capabilities'),
  'cap-drop': list('', 'Drop Linux capabilities'),
  'cgroup-parent': string('', 'Optional parent cgroup of the container'),
  cgroupns: string(
    '',
    "Cgroup namespace to use (host|private)\n'host':    the host's own\n'private': one of its own\n'':        what the daemon has as default-cgroupns-mode (default)",
  ),
  cidfile: string('', 'Write the container ID to the file'),
  'cpu-count': int('', 'CPU count (Windows only)', 0, windows),
  'cpu-percent': int('', 'CPU percent (Windows only)', 0, windows),
  'cpu-period': int('', 'Period of the CPU CFS (Completely Fair Scheduler) limit'),
  'cpu-quota': int('', 'Quota of the CPU CFS (Completely Fair Scheduler) limit'),
  'cpu-rt-period': int('', 'Limit CPU real-time period in microseconds'),
  'cpu-rt-runtime': int('', 'Limit CPU real-time runtime in microseconds'),
  'cpu-shares': int('c', 'CPU shares (relative weight)'),
  cpus: value('', 'decimal', 'Number of CPUs', 0, (text) => check.parseCpus(text)),
  'cpuset-cpus': string('', 'CPUs in which to allow execution (0-3, 0,1)'),
  'cpuset-mems': string('', 'MEMs in which to allow execution (0-3, 0,1)'),
  device: list('', 'Add a host device to the container'),
  'device-cgroup-rule': list('', 'Add a rule to the list of devices that the cgroup allows', check.checkCgroupRule),
  'device-read-bps': throttle('Limit read rate (bytes per second) from a device', true),
  'device-read-iops': throttle('Limit read rate (IO per second) from a device', false),
  'device-write-bps': throttle('Limit write rate (bytes per second) to a device', true),
  'device-write-iops': throttle('Limit write rate (IO per second) to a device', false),
  dns: list('', 'Set custom DNS servers', check.checkIp),
  'dns-opt': list('', 'Set DNS options', undefined, { hidden: true }),
  'dns-option': list('', 'Set DNS options'),
  'dns-search': list('', 'Set custom DNS search domains', check.checkDnsSearch),
  domainname: string('', 'Container NIS domain name'),
  entrypoint: string('', "Replace the image's ENTRYPOINT"),
  env: list('e', 'Set environment variables', check.checkEnv),
  'env-file': list('', 'Read environment variables from a file'),
  expose: list('', 'Expose a port or a range of ports'),
  gpus: many('gpu-request', "GPU devices to add to the container ('all' for every one)", parseGpus),
  'group-add': list('', 'Add additional groups to join'),
  'health-cmd': string('', 'Command that checks the health'),
  'health-interval': duration('', 'Time between two checks (ms|s|m|h)'),
  'health-retries': int('', 'Failures in a row that count as unhealthy'),
  'health-start-interval': duration('', 'Time between two checks in the start period (ms|s|m|h)'),
  'health-start-period': duration('', 'Time that the container gets to start before failures count (ms|s|m|h)'),
  'health-timeout': duration('', 'Maximum time that one check may take (ms|s|m|h)'),
  hostname: string('h', 'Container host name'),
  init: bool('', 'Run an init inside the container that forwards signals and reaps processes'),
  interactive: bool('i', 'Keep STDIN open even if not attached'),
  'io-maxbandwidth': bytes('', 'Maximum IO bandwidth of the system drive (Windows only)', windows),
  'io-maxiops': uint('', 'Maximum IOps of the system drive (Windows only)', 64, windows),
  ip: string('', 'IPv4 address (e.g., 172.30.100.104)'),
  ip6: string('', 'IPv6 address (e.g., 2001:db8::33)'),
  ipc: string('', 'IPC mode to use'),
  isolation: string('', 'Container isolation technology'),
  'kernel-memory': bytes('', 'Kernel memory limit'),
  label: list('l', 'Set metadata on the container', check.checkLabel),
  'label-file': list('', 'Read labels from a file, one a line'),
  link: list('', 'Add a link to another container', check.checkLink),
  'link-local-ip': list('', 'Container IPv4/IPv6 link-local addresses'),
  'log-driver': string('', 'Logging driver of the container'),
  'log-opt': list('', 'Options of the logging driver'),
  'mac-address': string('', 'Container MAC address (e.g., 92:d0:c6:0a:29:33)'),
  memory: bytes('m', 'Memory limit'),
  'memory-reservation': bytes('', 'Memory soft limit'),
  'memory-swap': value('', 'bytes', "Limit of memory plus swap: '-1' for unlimited swap", 0, (text) =>
    text === '-1' ? -1 : check.parseMemory(text),
  ),
  'memory-swappiness': int('', "Tune the container's memory swappiness (0 to 100)", -1),
  mount: many('mount', 'Attach a filesystem mount to the container', parseMount),
  net: many('network', 'Connect the container to a network', parseNetwork, { hidden: true }),
  'net-alias': list('', 'Add a network-scoped alias for the container', undefined, { hidden: true }),
  network: many('network', 'Connect the container to a network', parseNetwork),
  'network-alias': list('', 'Add a network-scoped alias for the container'),
  'no-healthcheck': bool('', "Switch off the image's HEALTHCHECK"),
  'oom-kill-disable': bool('', 'Switch off the OOM killer'),
  'oom-score-adj': int('', "Tune the host's OOM preferences (-1000 to 1000)"),
  pid: string('', 'PID namespace to use'),
  'pids-limit': int('', 'Limit the number of processes (-1 for no limit)'),
  privileged: bool('', 'Give the container extended privileges'),
  publish: list('p', "Publish the container's port(s) to the host"),
  'publish-all': bool('P', 'Publish all exposed ports to random ports'),
  'read-only': bool('', "Mount the container's root filesystem read-only"),
  restart: string('', 'Restart policy when the container exits', 'no'),
  rm: bool('', 'Remove the container and its anonymous volumes when it exits'),
  runtime: string('', 'Runtime to use for this container'),
  'security-opt': list('', 'Security options'),
  'shm-size': bytes('', 'Size of /dev/shm'),
  'stop-signal': string('', 'Signal that stops the container'),
  'stop-timeout': int('', 'Seconds that the container gets to stop'),
  'storage-opt': list('', "Storage driver's options for the container"),
  sysctl: list('', 'Kernel parameters of the container', check.checkSysctl, { type: 'map', showDefault: 'map[]' }),
  tmpfs: list('', 'Mount a tmpfs directory'),
  tty: bool('t', 'Allocate a pseudo-TTY'),
  ulimit: many('ulimit', 'Resource limits', check.parseUlimit, { showDefault: '[]' }),
  user: string('u', 'User name or UID (format: <name|uid>[:<group|gid>])'),
  userns: string('', 'User namespace to use'),
  uts: string('', 'UTS namespace to use'),
  volume: list('v', 'Bind mount a directory, or mount a volume'),
  'volume-driver': string('', 'Volume driver of the container'),
  'volumes-from': list('', 'Mount the volumes of other containers'),
  workdir: string('w', 'Working directory inside the container'),
};

/** What create needs besides. */
export const CREATE_FLAGS = {
  ...CONTAINER_FLAGS,
  'disable-content-trust': bool('', 'Skip image verification', true),
  name: string('', 'Give the container a name'),
  platform: string('', 'Platform of the image, when there are several'),
  pull: string('', 'Pull the image before creating ("always", "missing", "never")', 'missing'),
  quiet: bool('q', 'Suppress the pull output'),
  'use-api-socket': bool('', 'Give the container the API socket and the registry credentials'),
};

/** What run needs besides. */
export const RUN_FLAGS = {
  ...CREATE_FLAGS,
  detach: bool('d', 'Run the container in the background and print its ID'),
  'detach-keys': string('', 'Key sequence that detaches from the container'),
  pull: string('', 'Pull the image before running ("always", "missing", "never")', 'missing'),
  'sig-proxy': bool('', 'Pass signals on to the process', true),
};

/** Flags that docker has for engines on Windows. */
export const WINDOWS_FLAGS = ['cpu-count', 'cpu-percent', 'io-maxbandwidth', 'io-maxiops'] as const;
