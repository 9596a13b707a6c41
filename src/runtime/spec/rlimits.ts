import type { HostFacts } from './host-facts.ts';
import type { OciRlimit } from './types.ts';

interface Ulimit {
  Name?: string;
  Soft?: number;
  Hard?: number;
}

/** Names as in getrlimit(2), lower case without RLIMIT_. */
export const RLIMIT_NAMES: readonly string[] = [
  'as',
  'core',
  'cpu',
  'data',
  'fsize',
  'locks',
  'memlock',
  'msgqueue',
  'nice',
  'nofile',
  'nproc',
  'rss',
  'rtprio',
  'rttime',
  'sigpending',
  'stack',
];

/** RLIM_INFINITY is 2^64-1, which no JavaScript number holds: stringifySpec prints this value as the exact one. */
export const RLIM_INFINITY = 2 ** 64;

/**
 * Limits of the process: the container's, then the daemon's defaults for names it does not set. Others are inherited.
 * Without CAP_SYS_RESOURCE the kernel refuses to raise a hard limit (setrlimit(2)), and RLIMIT_NOFILE never goes above
 * fs.nr_open: then the host's bound is taken.
 */
export function buildRlimits(ulimits: readonly Ulimit[], defaults: readonly Ulimit[], host: HostFacts): OciRlimit[] {
  const named = new Set(ulimits.map((ulimit) => ulimit.Name));
  const extra = defaults.filter((ulimit) => !named.has(ulimit.Name));
  return [
    ...ulimits.map((ulimit) => bounded(ulimit, host, false)),
    ...extra.map((ulimit) => bounded(ulimit, host, true)),
  ];
}

function bounded(ulimit: Ulimit, host: HostFacts, isDefault: boolean): OciRlimit {
  const name = ulimit.Name ?? '';
  let soft = unsigned(ulimit.Soft ?? 0);
  let hard = unsigned(ulimit.Hard ?? 0);
  let bound = RLIM_INFINITY;
  if (!host.capabilities.includes('CAP_SYS_RESOURCE')) bound = host.rlimits[name]?.hard ?? RLIM_INFINITY;
  if (isDefault && name === 'nofile') bound = Math.min(bound, host.nrOpen);
  hard = Math.min(hard, bound);
  soft = Math.min(soft, hard);
  return { type: `RLIMIT_${name.toUpperCase()}`, soft, hard };
}

function unsigned(value: number): number {
  return value < 0 ? RLIM_INFINITY : value;
}
