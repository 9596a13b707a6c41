/** What flags take, in every command that has them; `completeFlags` of a command goes before. */

import type { Completion } from '../command.ts';

const words = (...list: string[]): Completion => ({ kind: 'words', words: list });
const yesOrNo = words('true', 'false');

const CAPABILITIES = words(
  'ALL',
  ...(
    'AUDIT_CONTROL AUDIT_READ AUDIT_WRITE BLOCK_SUSPEND BPF CHECKPOINT_RESTORE CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID ' +
    'IPC_LOCK IPC_OWNER KILL LEASE LINUX_IMMUTABLE MAC_ADMIN MAC_OVERRIDE MKNOD NET_ADMIN NET_BIND_SERVICE NET_BROADCAST NET_RAW ' +
    'PERFMON SETFCAP SETGID SETPCAP SETUID SYSLOG SYS_ADMIN SYS_BOOT SYS_CHROOT SYS_MODULE SYS_NICE SYS_PACCT SYS_PTRACE SYS_RAWIO ' +
    'SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG WAKE_ALARM'
  ).split(' '),
);
const SIGNALS = words(
  'ABRT',
  'ALRM',
  'CONT',
  'HUP',
  'INT',
  'KILL',
  'QUIT',
  'STOP',
  'TERM',
  'TSTP',
  'USR1',
  'USR2',
  'WINCH',
);
const FILE: Completion = { kind: 'file' };

export const FLAG_VALUES: Readonly<Record<string, Completion>> = {
  attach: words('stderr', 'stdin', 'stdout'),
  'cap-add': CAPABILITIES,
  'cap-drop': CAPABILITIES,
  cgroupns: words('host', 'private'),
  cidfile: FILE,
  config: FILE,
  context: { kind: 'context' },
  device: FILE,
  env: { kind: 'variable' },
  'env-file': FILE,
  ipc: words('container:', 'host', 'none', 'private', 'shareable'),
  'label-file': FILE,
  link: { kind: 'container' },
  'log-driver': words('json-file', 'local', 'none'),
  'log-level': words('debug', 'info', 'warn', 'error', 'fatal'),
  'log-opt': words('compress=', 'env=', 'env-regex=', 'labels=', 'labels-regex=', 'max-file=', 'max-size=', 'tag='),
  mount: words('type=bind,', 'type=tmpfs,', 'type=volume,'),
  network: { kind: 'network' },
  output: FILE,
  pid: words('container:', 'host'),
  platform: words(
    'linux/386',
    'linux/amd64',
    'linux/arm/v6',
    'linux/arm/v7',
    'linux/arm64',
    'linux/ppc64le',
    'linux/riscv64',
    'linux/s390x',
  ),
  pull: words('always', 'missing', 'never'),
  restart: words('no', 'always', 'on-failure', 'on-failure:', 'unless-stopped'),
  'security-opt': words('apparmor=', 'label=', 'no-new-privileges', 'seccomp=', 'systempaths=unconfined'),
  signal: SIGNALS,
  'stop-signal': SIGNALS,
  tlscacert: FILE,
  tlscert: FILE,
  tlskey: FILE,
  ulimit: words(
    ...'core cpu data fsize locks memlock msgqueue nice nofile nproc rss rtprio rttime sigpending stack'
      .split(' ')
      .map((name) => `${name}=`),
  ),
  userns: words('host'),
  uts: words('host'),
  volume: { kind: 'volume', files: true },
  'volumes-from': { kind: 'container' },
};

/** Commands that list objects, by their first name; those in RAW know the format of that name. */
const LISTS: ReadonlySet<string> = new Set([
  'container ls',
  'container stats',
  'context ls',
  'image history',
  'image ls',
  'network ls',
  'system df',
  'volume ls',
]);
const RAW: ReadonlySet<string> = new Set(['container ls', 'image ls', 'network ls', 'system df', 'volume ls']);

/** What --format of the command of that name takes besides templates. */
export function formats(name: string): string[] {
  if (!LISTS.has(name)) return ['json'];
  return RAW.has(name) ? ['json', 'raw', 'table'] : ['json', 'table'];
}

const PRUNE = { label: null, 'label!': null, until: null };

/** Keys of --filter by command, each with what its values are; null where nothing can be offered. */
export const FILTERS: Readonly<Record<string, Readonly<Record<string, Completion | null>>>> = {
  'container ls': {
    ancestor: { kind: 'image' },
    before: { kind: 'container' },
    exited: null,
    expose: null,
    health: words('healthy', 'none', 'starting', 'unhealthy'),
    id: null,
    'is-task': yesOrNo,
    label: null,
    name: { kind: 'container' },
    network: { kind: 'network' },
    publish: null,
    since: { kind: 'container' },
    status: words('created', 'dead', 'exited', 'paused', 'removing', 'restarting', 'running'),
    volume: { kind: 'volume' },
  },
  'image ls': {
    before: { kind: 'image' },
    dangling: yesOrNo,
    label: null,
    reference: { kind: 'image' },
    since: { kind: 'image' },
    until: null,
  },
  'network ls': {
    dangling: yesOrNo,
    driver: words('bridge', 'host', 'ipvlan', 'macvlan', 'null'),
    id: null,
    label: null,
    name: { kind: 'network' },
    scope: words('global', 'local', 'swarm'),
    type: words('builtin', 'custom'),
  },
  'volume ls': { dangling: yesOrNo, driver: words('local'), label: null, name: { kind: 'volume' } },
  'system events': {
    container: { kind: 'container' },
    daemon: null,
    event: words(
      ...(
        'attach commit connect copy create delete destroy detach die disconnect exec_create exec_detach exec_die exec_start export ' +
        'health_status import kill load mount oom pause prune reload remove rename resize restart save start stop tag top unmount unpause ' +
        'untag update'
      ).split(' '),
    ),
    image: { kind: 'image' },
    label: null,
    network: { kind: 'network' },
    scope: words('local', 'swarm'),
    type: words('container', 'daemon', 'image', 'network', 'volume'),
    volume: { kind: 'volume' },
  },
  'container prune': PRUNE,
  'image prune': PRUNE,
  'system prune': PRUNE,
  'volume prune': { all: yesOrNo, label: null, 'label!': null },
};
