import fs from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { processStartTime, signalProcess } from './pidfd.ts';

export type CgroupMode = 'v1' | 'v2' | 'hybrid';

/**
 * The control groups of a host, in either version (kernel docs: admin-guide/cgroup-v1, admin-guide/cgroup-v2). Paths named
 * `cgroupsPath` are those of the runtime spec's linux.cgroupsPath with the cgroupfs driver: absolute below each hierarchy.
 */
export interface Cgroups {
  /** 'hybrid': v1 hierarchies with a v2 mount beside them. */
  readonly mode: CgroupMode;
  readonly controllers: ReadonlySet<string>;
  /** A v2 mount beside v1 that holds controllers: crun and runc refuse `create` on such hosts unless it is out of sight. */
  readonly unifiedHoldsControllers: boolean;
  /** Mount point of every hierarchy, those without controllers (name=systemd) included. */
  readonly roots: readonly string[];
  /** Directory of a cgroup in the hierarchy of a controller ("memory"); null when the host lacks that controller. */
  directory(controller: string, cgroupsPath: string): string | null;
}

/** Reads what is mounted. `mounts` and `readText` are replaced in tests. */
export function detectCgroups(
  mounts = fs.readFileSync('/proc/self/mounts', 'utf8'),
  readText: (file: string) => string | null = readCgroupFile,
): Cgroups {
  const v1 = new Map<string, string>();
  let v2: string | null = null;
  const roots: string[] = [];
  for (const line of mounts.split('\n')) {
    const [, mountPoint = '', type, options = ''] = line.split(' ');
    if (type === 'cgroup' || type === 'cgroup2') roots.push(mountPoint);
    if (type === 'cgroup2') v2 ??= mountPoint;
    if (type !== 'cgroup') continue;
    for (const option of options.split(','))
      if (V1_CONTROLLERS.has(option) && !v1.has(option)) v1.set(option, mountPoint);
  }
  const unified = v2 === null ? [] : (readText(path.join(v2, 'cgroup.controllers')) ?? '').split(/\s+/).filter(Boolean);
  const mode: CgroupMode = v1.size === 0 ? 'v2' : v2 === null ? 'v1' : 'hybrid';
  return {
    mode,
    controllers: new Set(mode === 'v2' ? unified : v1.keys()),
    unifiedHoldsControllers: mode === 'hybrid' && unified.length > 0,
    roots,
    directory(controller, cgroupsPath) {
      const root = mode === 'v2' ? v2 : v1.get(controller);
      return root == null ? null : path.join(root, cgroupsPath);
    },
  };
}

const V1_CONTROLLERS = new Set(
  'blkio cpu cpuacct cpuset devices freezer hugetlb memory net_cls net_prio perf_event pids rdma misc'.split(' '),
);

/** Removes a cgroup from every hierarchy where it is empty. Never throws: one that is in use or gone is left. */
export function removeEmptyCgroup(cgroups: Cgroups, cgroupsPath: string): void {
  for (const root of cgroups.roots) {
    try {
      fs.rmdirSync(path.join(root, cgroupsPath));
    } catch {
      // EBUSY: another daemon's containers are in it; ENOENT: this hierarchy never had it.
    }
  }
}

/** A cgroup file's text, null when it is not there (ENOENT, or ENODEV for a cgroup that is going). */
export function readCgroupFile(file: string): string | null {
  try {
    return fs.readFileSync(file, 'utf8');
  } catch (error) {
    if (['ENOENT', 'ENODEV', 'ENOTDIR', 'EOPNOTSUPP'].includes((error as NodeJS.ErrnoException).code ?? ''))
      return null;
    throw error;
  }
}

/** The first word as a number of a one-value file; null for "max" and for what is not there. */
export function readCgroupNumber(file: string): number | null {
  const text = readCgroupFile(file)?.trim();
  return text === undefined || text === '' || text === 'max' ? null : Number(text);
}

/** A file of "key value" lines. */
export function readCgroupTable(file: string): Map<string, number> {
  const table = new Map<string, number>();
  for (const line of (readCgroupFile(file) ?? '').split('\n')) {
    const space = line.indexOf(' ');
    if (space > 0) table.set(line.slice(0, space), Number(line.slice(space + 1)));
  }
  return table;
}

/** All processes of a cgroup and those below it, in the daemon's pid namespace. Empty when there is no such cgroup. */
export function cgroupPids(cgroups: Cgroups, cgroupsPath: string): number[] {
  const directory = processDirectory(cgroups, cgroupsPath);
  if (directory === null) return [];
  const pids = new Set<number>();
  const visit = (dir: string) => {
    for (const pid of (readCgroupFile(path.join(dir, 'cgroup.procs')) ?? '').split('\n'))
      if (pid !== '') pids.add(Number(pid));
    let entries: fs.Dirent[] = [];
    try {
      entries = fs.readdirSync(dir, { withFileTypes: true });
    } catch {
      return; // removed meanwhile
    }
    for (const entry of entries) if (entry.isDirectory()) visit(path.join(dir, entry.name));
  };
  visit(directory);
  return [...pids].sort((a, b) => a - b);
}

function processDirectory(cgroups: Cgroups, cgroupsPath: string): string | null {
  for (const controller of ['pids', 'memory', 'freezer', 'devices', 'cpu']) {
    const directory = cgroups.directory(controller, cgroupsPath);
    if (directory !== null) return directory;
  }
  return null;
}

/** Stops or continues every process of a cgroup; resolves when all have stopped. Throws after 10 s, thawed again. */
export async function setFrozen(cgroups: Cgroups, cgroupsPath: string, frozen: boolean): Promise<void> {
  const directory = cgroups.directory('freezer', cgroupsPath);
  if (directory === null) throw new Error('the host has no freezer cgroup');
  const v2 = cgroups.mode === 'v2';
  const file = path.join(directory, v2 ? 'cgroup.freeze' : 'freezer.state');
  const values = v2 ? (['0', '1'] as const) : (['THAWED', 'FROZEN'] as const);
  const deadline = Date.now() + 10_000;
  for (let wait = 0; ; wait = Math.min(wait + 1, 20)) {
    // v1 may stay at FREEZING until it is told again (process in an uninterruptible wait, fork while freezing).
    if (!v2 || wait === 0) fs.writeFileSync(file, values[frozen ? 1 : 0]);
    const state = v2
      ? String(readCgroupTable(path.join(directory, 'cgroup.events')).get('frozen') ?? 0)
      : readCgroupFile(file)?.trim();
    if (state === values[frozen ? 1 : 0]) return;
    if (Date.now() > deadline) {
      if (frozen) fs.writeFileSync(file, values[0]);
      throw new Error(`cgroup ${cgroupsPath} did not ${frozen ? 'freeze' : 'thaw'} within 10 s`);
    }
    await sleep(wait);
  }
}

/**
 * Kills every process of a cgroup and removes it, in every hierarchy: what is being made may have got no further than the first one.
 * Tries for 10 s; never throws.
 */
export async function clearCgroup(cgroups: Cgroups, cgroupsPath: string): Promise<void> {
  const deadline = Date.now() + 10_000;
  let left = cgroups.roots.map((root) => path.join(root, cgroupsPath));
  for (;;) {
    left = left.filter((directory) => !removeCgroup(directory));
    if (left.length === 0 || Date.now() > deadline) return;
    for (const directory of left) {
      for (const pid of (readCgroupFile(path.join(directory, 'cgroup.procs')) ?? '').split('\n')) {
        const startTime = pid === '' ? null : processStartTime(Number(pid));
        if (startTime !== null) signalProcess(Number(pid), startTime, 'SIGKILL');
      }
    }
    // On v1 a frozen process takes even SIGKILL only when thawed.
    if (cgroups.mode !== 'v2') await setFrozen(cgroups, cgroupsPath, false).catch(() => {});
    await sleep(5);
  }
}

/** Whether it is gone now. */
function removeCgroup(directory: string): boolean {
  try {
    fs.rmdirSync(directory);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ENOENT';
  }
}

/** Whether the processes of a cgroup are stopped, or being stopped. False when there is no such cgroup. */
export function isFrozen(cgroups: Cgroups, cgroupsPath: string): boolean {
  const directory = cgroups.directory('freezer', cgroupsPath);
  if (directory === null) return false;
  const v2 = cgroups.mode === 'v2';
  const state = readCgroupFile(path.join(directory, v2 ? 'cgroup.freeze' : 'freezer.self_freezing'))?.trim();
  return state === '1';
}

/** Takes limits away from a cgroup. What the host lacks, and a cgroup that is gone, are passed over. */
export function liftLimits(
  cgroups: Cgroups,
  cgroupsPath: string,
  lifted: { swap: boolean; cpuQuota: boolean; pids: boolean },
): void {
  const v2 = cgroups.mode === 'v2';
  const write = (controller: string, file: string, value: string) => {
    const directory = cgroups.directory(controller, cgroupsPath);
    const path = directory === null ? null : `${directory}/${file}`;
    if (path !== null && fs.existsSync(path)) fs.writeFileSync(path, value);
  };
  if (lifted.swap) write('memory', v2 ? 'memory.swap.max' : 'memory.memsw.limit_in_bytes', v2 ? 'max' : '-1');
  if (lifted.cpuQuota) write('cpu', v2 ? 'cpu.max' : 'cpu.cfs_quota_us', v2 ? 'max' : '-1');
  if (lifted.pids) write('pids', 'pids.max', 'max');
}

/**
 * Touches the kernel's cgroup machinery: the first cgroup.procs write after about 20 ms of rest blocks 10-12 ms (an RCU grace
 * period of cgroup_threadgroup_rwsem), and this lets that time pass while the request is still being read. Moves the daemon
 * to where it already is; never throws.
 */
export async function warmCgroups(cgroups: Cgroups): Promise<void> {
  const [, controller = '', own = '/'] =
    readCgroupFile('/proc/self/cgroup')
      ?.split('\n')
      .map((line) => /^\d+:([^:]*):(.*)$/.exec(line) ?? [])
      .find(([, names = '']) => (cgroups.mode === 'v2' ? names === '' : names.split(',').includes('pids'))) ?? [];
  const directory = cgroups.directory(controller.split(',').includes('pids') ? 'pids' : controller, own);
  if (directory === null) return;
  await fs.promises.writeFile(path.join(directory, 'cgroup.procs'), '0').catch(() => {});
}
