import { readFileSync, realpathSync } from 'node:fs';
import { GantryError } from '../../api/errors.ts';
import type { ResolvedMount, SpecInput } from './input.ts';
import type { OciMount } from './types.ts';

/** Where the runtime binds the init binary. */
export const INIT_DESTINATION = '/sbin/docker-init';

/** What every Linux container finds mounted (config-linux.md, "Default Filesystems"), with Docker's options. */
const DEFAULT_MOUNTS: readonly OciMount[] = [
  { destination: '/proc', type: 'proc', source: 'proc', options: ['nosuid', 'noexec', 'nodev'] },
  {
    destination: '/dev',
    type: 'tmpfs',
    source: 'tmpfs',
    options: ['nosuid', 'strictatime', 'mode=755', 'size=65536k'],
  },
  {
    destination: '/dev/pts',
    type: 'devpts',
    source: 'devpts',
    options: ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620', 'gid=5'],
  },
  { destination: '/sys', type: 'sysfs', source: 'sysfs', options: ['nosuid', 'noexec', 'nodev', 'ro'] },
  {
    destination: '/sys/fs/cgroup',
    type: 'cgroup',
    source: 'cgroup',
    options: ['ro', 'nosuid', 'noexec', 'nodev'],
  },
  { destination: '/dev/mqueue', type: 'mqueue', source: 'mqueue', options: ['nosuid', 'noexec', 'nodev'] },
  { destination: '/dev/shm', type: 'tmpfs', source: 'shm', options: ['nosuid', 'noexec', 'nodev', 'mode=1777'] },
];

/** File systems that stay writable in a read-only container: they hold nothing of the image. */
const WRITABLE_WHEN_READONLY = new Set(['/proc', '/dev', '/dev/pts', '/dev/shm', '/dev/mqueue']);

/**
 * Default mounts that the user did not replace, then the container's files and the user's mounts, parents first; the
 * init binary last. Throws invalid_parameter for wrong tmpfs options and places.
 */
export function buildMounts(input: SpecInput, useInit: boolean): OciMount[] {
  const extra = [...fileMounts(input), ...shmMount(input), ...tmpfsMounts(input), ...input.mounts.map(withoutHints)];
  checkProc(extra);
  extra.sort((a, b) => depth(a.destination) - depth(b.destination));
  const replaced = new Set(extra.map((mount) => mount.destination));

  const readonlyRoot = input.hostConfig.ReadonlyRootfs === true;
  const privileged = input.hostConfig.Privileged === true;
  const mounts: OciMount[] = [];
  for (const { destination, type, source, options } of DEFAULT_MOUNTS) {
    if (replaced.has(destination)) continue;
    if (replaced.has('/dev') && destination.startsWith('/dev/')) continue;
    if (destination === '/dev/shm' && input.hostConfig.IpcMode === 'none') continue;
    let own = [...options];
    if (destination === '/dev/shm') own.push(`size=${input.hostConfig.ShmSize ?? 67_108_864}`);
    if (privileged && (destination === '/sys' || type === 'cgroup')) own = own.filter((option) => option !== 'ro');
    if (readonlyRoot && !privileged && !WRITABLE_WHEN_READONLY.has(destination) && !own.includes('ro')) own.push('ro');
    mounts.push({ destination, type, source, options: own });
  }
  mounts.push(...extra);
  if (useInit) {
    mounts.push({
      destination: INIT_DESTINATION,
      type: 'bind',
      source: input.daemon.initPath,
      options: ['bind', 'ro'],
    });
  }
  return mounts;
}

/** A shared or slave bind works only below a root that passes mount events on (mount_namespaces(7)). */
export function rootfsPropagation(mounts: readonly ResolvedMount[]): string | undefined {
  const modes = mounts.map((mount) => mount.propagation ?? '');
  if (modes.some((mode) => mode === 'shared' || mode === 'rshared')) return 'shared';
  if (modes.some((mode) => mode === 'slave' || mode === 'rslave')) return 'rslave';
  return undefined;
}

function withoutHints({ destination, type, source, options }: ResolvedMount): OciMount {
  return { destination, type, source, options };
}

/** Files in /proc that file systems such as lxcfs may cover; all else there is how the runtime confines the process. */
const COVERABLE = new Set(
  'cpuinfo diskstats loadavg meminfo net/dev slabinfo stat swaps sys/crypto/fips_enabled sys/kernel/ns_last_pid uptime'
    .split(' ')
    .map((file) => `/proc/${file}`),
);

/** runc refuses these mounts, crun makes them. */
function checkProc(mounts: readonly OciMount[]): void {
  for (const { destination, source } of mounts) {
    const inside = destination.startsWith('/proc/') && !COVERABLE.has(destination);
    const instead = destination === '/proc' && source !== '/proc';
    if (inside || instead) {
      throw new GantryError('invalid_parameter', `"${destination}" cannot be mounted because it is inside /proc`);
    }
  }
}

/** hosts, hostname and resolv.conf of the container, unless the user mounts something there. */
function fileMounts(input: SpecInput): OciMount[] {
  const taken = new Set(input.mounts.map((mount) => mount.destination));
  const files: [string, string | null][] = [
    ['/etc/resolv.conf', input.files.resolvConf],
    ['/etc/hostname', input.files.hostname],
    ['/etc/hosts', input.files.hosts],
  ];
  const options = ['rbind', 'rprivate', ...(input.hostConfig.ReadonlyRootfs === true ? ['ro'] : [])];
  return files.flatMap(([destination, source]) =>
    source === null || taken.has(destination) ? [] : [{ destination, type: 'bind', source, options: [...options] }],
  );
}

/** A /dev/shm that lives outside the container: the host's, or one that several containers share. */
function shmMount(input: SpecInput): OciMount[] {
  if (input.mounts.some((mount) => mount.destination === '/dev/shm')) return [];
  const source = input.hostConfig.IpcMode === 'host' ? '/dev/shm' : input.shmPath;
  if (source === null) return [];
  return [{ destination: '/dev/shm', type: 'bind', source, options: ['rbind', 'rprivate'] }];
}

function tmpfsMounts(input: SpecInput): OciMount[] {
  return Object.entries(input.hostConfig.Tmpfs ?? {}).map(([destination, options]) => ({
    destination,
    type: 'tmpfs',
    source: 'tmpfs',
    options: tmpfsOptions(options),
  }));
}

const TMPFS_FLAG_PAIRS: [on: string, off: string][] = [
  ['ro', 'rw'],
  ['nosuid', 'suid'],
  ['nodev', 'dev'],
  ['noexec', 'exec'],
  ['sync', 'async'],
  ['dirsync', 'dirsync'],
  ['noatime', 'atime'],
  ['nodiratime', 'diratime'],
  ['relatime', 'norelatime'],
  ['strictatime', 'nostrictatime'],
  ['mand', 'nomand'],
];
const PROPAGATIONS = ['private', 'rprivate', 'shared', 'rshared', 'slave', 'rslave', 'unbindable', 'runbindable'];
const TMPFS_FLAGS = new Set([...TMPFS_FLAG_PAIRS.flat(), ...PROPAGATIONS, ...['bind', 'rbind', 'remount', 'defaults']]);
const TMPFS_DATA = new Set(['mode', 'size', 'nr_inodes', 'nr_blocks', 'mpol', 'uid', 'gid']);

/**
 * Options of a tmpfs: noexec, nosuid, nodev unless the user says otherwise; a later option beats an earlier one of its
 * kind. Throws invalid_parameter.
 */
export function tmpfsOptions(text: string): string[] {
  const result: string[] = ['noexec', 'nosuid', 'nodev', 'rprivate'];
  for (const option of text === '' ? [] : text.split(',')) {
    const at = option.indexOf('=');
    const key = at < 0 ? option : option.slice(0, at);
    if (at < 0 ? !TMPFS_FLAGS.has(option) : !TMPFS_DATA.has(key)) {
      throw new GantryError('invalid_parameter', `invalid tmpfs option ${JSON.stringify(option)}`);
    }
    const rivals = [...TMPFS_FLAG_PAIRS, PROPAGATIONS].find((group) => group.includes(key)) ?? [key];
    for (let index = result.length - 1; index >= 0; index--) {
      const other = result[index]!;
      if (rivals.includes(other) || other.startsWith(`${key}=`)) result.splice(index, 1);
    }
    result.push(option);
  }
  return result;
}

function depth(path: string): number {
  return path.split('/').length;
}

/**
 * Checks that the mount below `source` passes mount events on, as a bind that asks for it needs. Throws
 * invalid_parameter with Docker's words.
 */
export function checkPropagation(
  source: string,
  propagation: string,
  mountinfo = readFileSync('/proc/self/mountinfo', 'utf8'),
): void {
  const shared = propagation === 'shared' || propagation === 'rshared';
  const slave = propagation === 'slave' || propagation === 'rslave';
  if (!shared && !slave) return;
  const path = realpathSync(source);
  let best = { mountPoint: '', optional: [] as string[] };
  for (const line of mountinfo.split('\n')) {
    const fields = line.split(' ');
    const mountPoint = fields[4]?.replace(/\\([0-7]{3})/g, (_, code: string) =>
      String.fromCharCode(Number.parseInt(code, 8)),
    );
    if (mountPoint === undefined) continue;
    const holds = mountPoint === '/' || path === mountPoint || path.startsWith(`${mountPoint}/`);
    // A later line hides an earlier one of the same place.
    if (holds && mountPoint.length >= best.mountPoint.length) {
      best = { mountPoint, optional: fields.slice(6, fields.indexOf('-')) };
    }
  }
  const isShared = best.optional.some((field) => field.startsWith('shared:'));
  const isSlave = best.optional.some((field) => field.startsWith('master:'));
  if (shared && !isShared) {
    throw new GantryError(
      'invalid_parameter',
      `path ${source} is mounted on ${best.mountPoint} but it is not a shared mount`,
    );
  }
  if (slave && !isShared && !isSlave) {
    throw new GantryError(
      'invalid_parameter',
      `path ${source} is mounted on ${best.mountPoint} but it is not a shared or slave mount`,
    );
  }
}
