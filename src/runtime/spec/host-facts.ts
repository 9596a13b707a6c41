import { existsSync, readdirSync, readFileSync } from 'node:fs';
import os from 'node:os';
import { APPARMOR_PARSER } from './apparmor-profile.ts';
import { CAPABILITIES, capabilitiesOfMask } from './capabilities.ts';
import { type HostDevices, SystemDevices } from './devices.ts';

/**
 * Cgroup controllers and files this kernel has; what is missing is dropped from a container's limits with a warning.
 */
export interface CgroupFeatures {
  memory: boolean;
  swap: boolean;
  reservation: boolean;
  swappiness: boolean;
  oomKillDisable: boolean;
  pids: boolean;
  cpuShares: boolean;
  cpuCfs: boolean;
  cpuRealtime: boolean;
  cpuset: boolean;
  blkioWeight: boolean;
  blkioWeightDevice: boolean;
  blkioThrottle: boolean;
  cgroupNamespaces: boolean;
}

/** What a spec depends on besides the request. Read once at start-up. */
export interface HostFacts {
  cgroup: 'v1' | 'v2' | 'hybrid';
  features: CgroupFeatures;
  kernel: [major: number, minor: number];
  /** As Go names it (amd64, arm64, ...). */
  arch: string;
  /** Bounding set of the daemon. */
  capabilities: string[];
  /** Resource limits of the daemon by ulimit name; Infinity for unlimited. */
  rlimits: Record<string, { soft: number; hard: number }>;
  /** fs.nr_open: no RLIMIT_NOFILE above it, whoever asks. */
  nrOpen: number;
  apparmor: boolean;
  seccomp: boolean;
  sysctls: { pingGroupRange: boolean; unprivilegedPortStart: boolean };
  /** As it is now: the daemon itself turns it on, and others may turn it off. */
  readonly ipv4Forwarding: boolean;
  /** Online CPUs and memory nodes in cpuset syntax. */
  cpus: string;
  mems: string;
  cpuCount: number;
  thermalThrottlePaths: string[];
  devices: HostDevices;
}

const GO_ARCH: Record<string, string> = { x64: 'amd64', ia32: '386', loong64: 'loong64' };

const LIMIT_NAMES: Record<string, string> = {
  'Max cpu time': 'cpu',
  'Max file size': 'fsize',
  'Max data size': 'data',
  'Max stack size': 'stack',
  'Max core file size': 'core',
  'Max resident set': 'rss',
  'Max processes': 'nproc',
  'Max open files': 'nofile',
  'Max locked memory': 'memlock',
  'Max address space': 'as',
  'Max file locks': 'locks',
  'Max pending signals': 'sigpending',
  'Max msgqueue size': 'msgqueue',
  'Max nice priority': 'nice',
  'Max realtime priority': 'rtprio',
  'Max realtime timeout': 'rttime',
};

/** Reads them from /proc and /sys. Takes about a millisecond. */
export function readHostFacts(): HostFacts {
  const status = read('/proc/self/status');
  const bounding = /^CapBnd:\s*([0-9a-f]+)/m.exec(status)?.[1];
  const release = os
    .release()
    .split('.')
    .map((part) => Number.parseInt(part, 10));
  const cgroup = cgroupMode();
  const cpus = read('/sys/devices/system/cpu/online').trim() || '0';
  return {
    cgroup,
    features: cgroup === 'v2' ? featuresV2() : featuresV1(),
    kernel: [release[0] ?? 0, release[1] ?? 0],
    arch: GO_ARCH[process.arch] ?? process.arch,
    capabilities: bounding === undefined ? [...CAPABILITIES] : capabilitiesOfMask(bounding),
    rlimits: parseLimits(read('/proc/self/limits')),
    nrOpen: Number(read('/proc/sys/fs/nr_open')) || 1_048_576,
    apparmor: hasAppArmor(),
    seccomp: /^Seccomp:/m.test(status),
    sysctls: {
      pingGroupRange: existsSync('/proc/sys/net/ipv4/ping_group_range'),
      unprivilegedPortStart: existsSync('/proc/sys/net/ipv4/ip_unprivileged_port_start'),
    },
    get ipv4Forwarding() {
      return read('/proc/sys/net/ipv4/ip_forward').trim() === '1';
    },
    cpus,
    mems: read('/sys/devices/system/node/online').trim() || '0',
    cpuCount: countList(cpus),
    thermalThrottlePaths: thermalThrottlePaths(),
    devices: new SystemDevices(),
  };
}

/** As containerd asks: a kernel that has it, its files in sight, and the program that loads profiles. Else containers go unconfined. */
function hasAppArmor(): boolean {
  return (
    read('/sys/module/apparmor/parameters/enabled').startsWith('Y') &&
    existsSync('/sys/kernel/security/apparmor') &&
    existsSync(APPARMOR_PARSER)
  );
}

/** Pure v2 has its control files at the root; a mount at unified/ beside v1 controllers is systemd's hybrid layout. */
function cgroupMode(): HostFacts['cgroup'] {
  if (existsSync('/sys/fs/cgroup/cgroup.controllers')) return 'v2';
  return existsSync('/sys/fs/cgroup/unified/cgroup.controllers') ? 'hybrid' : 'v1';
}

function featuresV2(): CgroupFeatures {
  const controllers = read('/sys/fs/cgroup/cgroup.controllers').trim().split(' ');
  const has = (name: string) => controllers.includes(name);
  return {
    memory: has('memory'),
    swap: has('memory') && accountsSwap(),
    reservation: has('memory'),
    swappiness: false,
    oomKillDisable: false,
    pids: has('pids'),
    cpuShares: has('cpu'),
    cpuCfs: has('cpu'),
    cpuRealtime: false,
    cpuset: has('cpuset'),
    blkioWeight: has('io') && someChildHas('io.weight', 'io.bfq.weight'),
    // Without BFQ runc passes a device's weight over, and crun fails.
    blkioWeightDevice: has('io') && someChildHas('io.bfq.weight'),
    blkioThrottle: has('io'),
    cgroupNamespaces: existsSync('/proc/self/ns/cgroup'),
  };
}

/** The root cgroup has no memory.swap.max, any child with the controller tells. Without one (no systemd), as the kernel was built and told. */
function accountsSwap(): boolean {
  if (someChildHas('memory.max')) return someChildHas('memory.swap.max');
  return existsSync('/proc/swaps') && !read('/proc/cmdline').includes('swapaccount=0');
}

function someChildHas(...files: string[]): boolean {
  const own = /^0::(.*)$/m.exec(read('/proc/self/cgroup'))?.[1] ?? '/';
  const children = readdirSync('/sys/fs/cgroup', { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => `/sys/fs/cgroup/${entry.name}`);
  return [`/sys/fs/cgroup${own}`, ...children].some((directory) =>
    files.some((file) => existsSync(`${directory}/${file}`)),
  );
}

function featuresV1(): CgroupFeatures {
  const has = (path: string) => existsSync(`/sys/fs/cgroup/${path}`);
  return {
    memory: has('memory/memory.limit_in_bytes'),
    swap: has('memory/memory.memsw.limit_in_bytes'),
    reservation: has('memory/memory.soft_limit_in_bytes'),
    swappiness: has('memory/memory.swappiness'),
    oomKillDisable: has('memory/memory.oom_control'),
    pids: has('pids/cgroup.procs'),
    cpuShares: has('cpu/cpu.shares'),
    cpuCfs: has('cpu/cpu.cfs_quota_us'),
    cpuRealtime: has('cpu/cpu.rt_runtime_us'),
    cpuset: has('cpuset/cpuset.cpus'),
    blkioWeight: has('blkio/blkio.weight') || has('blkio/blkio.bfq.weight'),
    blkioWeightDevice: has('blkio/blkio.weight_device') || has('blkio/blkio.bfq.weight_device'),
    blkioThrottle: has('blkio/blkio.throttle.read_bps_device'),
    cgroupNamespaces: existsSync('/proc/self/ns/cgroup'),
  };
}

function parseLimits(text: string): HostFacts['rlimits'] {
  const limits: HostFacts['rlimits'] = {};
  for (const line of text.split('\n')) {
    const match = /^(Max [a-z ]+?)\s{2,}(\S+)\s+(\S+)/.exec(line);
    const name = match === null ? undefined : LIMIT_NAMES[match[1]!];
    if (name !== undefined) limits[name] = { soft: limit(match![2]!), hard: limit(match![3]!) };
  }
  return limits;
}

function limit(text: string): number {
  return text === 'unlimited' ? Number.POSITIVE_INFINITY : Number(text);
}

/** How many numbers a cpuset list such as "0-3,7" names. */
export function countList(list: string): number {
  return list.split(',').reduce((sum, part) => {
    const [from, to] = part.split('-').map(Number);
    return sum + ((to ?? from!) - from! + 1);
  }, 0);
}

function thermalThrottlePaths(): string[] {
  const root = '/sys/devices/system/cpu';
  if (!existsSync(root)) return [];
  return readdirSync(root)
    .filter((name) => /^cpu\d+$/.test(name) && existsSync(`${root}/${name}/thermal_throttle`))
    .map((name) => `${root}/${name}/thermal_throttle`);
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
