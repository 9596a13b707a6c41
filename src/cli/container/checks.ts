/** Checks of single flag values; each returns the value as it is kept, or throws docker's message. */

import { parseBytes } from '../../api/units.ts';

const netModule = () => process.getBuiltinModule('node:net') as typeof import('node:net');

export function checkAttach(text: string): string {
  const stream = text.toLowerCase();
  if (!['stdin', 'stdout', 'stderr'].includes(stream)) throw new Error('valid streams are STDIN, STDOUT and STDERR');
  return stream;
}

export function checkIp(text: string): string {
  if (netModule().isIP(text.trim()) === 0) throw new Error(`IP address is not correctly formatted: ${text}`);
  return text.trim();
}

export function checkDnsSearch(text: string): string {
  const domain = text.trim();
  if (domain === '.') return domain;
  if (!/^[a-zA-Z0-9]([a-zA-Z0-9_.-]*[a-zA-Z0-9_.])?$/.test(domain)) throw new Error(`${text} is not a valid domain`);
  return domain;
}

export function checkEnv(text: string): string {
  if (text === '' || text.startsWith('=')) throw new Error(`invalid environment variable: ${text}`);
  return text;
}

export function checkLabel(text: string): string {
  if (text === '' || text.startsWith('=')) throw new Error(`invalid label '${text}': empty name`);
  return text;
}

export function checkLink(text: string): string {
  if (text === '') throw new Error('empty string specified for links');
  if (text.split(':').length > 2) throw new Error(`bad format for links: ${text}`);
  return text;
}

/** "host:ip" and "host=ip", the address in brackets or not; kept as "host:ip". */
export function checkExtraHost(text: string): string {
  const equals = text.indexOf('=');
  const at = equals > 0 ? equals : text.indexOf(':');
  const host = text.slice(0, at);
  const address = text.slice(at + 1);
  if (at <= 0 || address === '') throw new Error(`bad format for add-host: "${text}"`);
  if (address === 'host-gateway') return `${host}:${address}`;
  const bare = address.replace(/^\[(.*)\]$/, '$1');
  if (netModule().isIP(bare) === 0) throw new Error(`invalid IP address in add-host: "${bare}"`);
  return `${host}:${bare}`;
}

export function checkCgroupRule(text: string): string {
  if (!/^[acb] ([0-9]+|\*):([0-9]+|\*) [rwm]{1,3}$/.test(text))
    throw new Error(`invalid device cgroup format '${text}'`);
  return text;
}

const SYSCTLS = new Set(
  ['msgmax', 'msgmnb', 'msgmni', 'sem', 'shmall', 'shmmax', 'shmmni', 'shm_rmid_forced'].map(
    (name) => `kernel.${name}`,
  ),
);

/** Only the settings that the kernel keeps per namespace. */
export function checkSysctl(text: string): string {
  const name = text.split('=')[0]!;
  const known = SYSCTLS.has(name) || name.startsWith('net.') || name.startsWith('fs.mqueue.');
  if (!text.includes('=') || !known) throw new Error(`sysctl '${text}' is not allowed`);
  return text;
}

export interface Ulimit {
  Name: string;
  Soft: number;
  Hard: number;
}

const ULIMITS =
  'as core cpu data fsize locks memlock msgqueue nice nofile nproc rss rtprio rttime sigpending stack'.split(' ');

/** name=soft[:hard]; -1 is no limit. */
export function parseUlimit(text: string): Ulimit {
  const equals = text.indexOf('=');
  if (equals < 0) throw new Error(`invalid ulimit argument: ${text}`);
  const name = text.slice(0, equals);
  const limits = text.slice(equals + 1).split(':');
  if (!ULIMITS.includes(name)) throw new Error(`invalid ulimit type: ${name}`);
  if (limits.length > 2 || limits[0] === '')
    throw new Error(
      `too many limit value arguments - ${text.slice(equals + 1)}, can only have up to two, \`soft[:hard]\``,
    );
  const numbers = limits.map((limit) => {
    if (!/^-?[0-9]+$/.test(limit))
      throw new Error(`strconv.ParseInt: parsing ${JSON.stringify(limit)}: invalid syntax`);
    return Number(limit);
  });
  const soft = numbers[0]!;
  const hard = numbers[1] ?? soft;
  if (hard !== -1 && (soft === -1 || soft > hard)) {
    throw new Error(
      soft === -1
        ? `ulimit soft limit must be less than or equal to hard limit: soft: -1 (unlimited), hard: ${hard}`
        : `ulimit soft limit must be less than or equal to hard limit: ${soft} > ${hard}`,
    );
  }
  return { Name: name, Soft: soft, Hard: hard };
}

function devicePath(text: string): [string, string] {
  const colon = text.indexOf(':');
  if (colon < 0) throw new Error(`bad format: ${text}`);
  const path = text.slice(0, colon);
  if (!path.startsWith('/dev/')) throw new Error(`bad format for device path: ${text}`);
  return [path, text.slice(colon + 1)];
}

export function parseWeightDevice(text: string): { Path: string; Weight: number } {
  const [path, weight] = devicePath(text);
  const value = Number(weight);
  if (!/^[0-9]+$/.test(weight) || (value > 0 && (value < 10 || value > 1000))) {
    throw new Error(`invalid weight for device: ${text}`);
  }
  return { Path: path, Weight: value };
}

/** device:rate; the rate in bytes may have a unit. */
export function parseThrottle(text: string, bytes: boolean): { Path: string; Rate: number } {
  const [path, rate] = devicePath(text);
  const value = bytes ? parseBytes(rate) : /^[0-9]+$/.test(rate) ? Number(rate) : null;
  if (value === null) {
    const form = bytes
      ? '<device-path>:<number>[<unit>]. Number must be a positive integer. Unit is optional and can be kb, mb, or gb'
      : '<device-path>:<number>. Number must be a positive integer';
    throw new Error(`invalid rate for device: ${text}. The correct format is ${form}`);
  }
  return { Path: path, Rate: value };
}

/** Bytes with a unit of powers of 1024. */
export function parseMemory(text: string): number {
  const size = parseBytes(text);
  if (size === null) throw new Error(`invalid size: '${text}'`);
  return size;
}

/** A number of CPUs, also as a fraction ("1.5", "3/2"), in billionths. */
export function parseCpus(text: string): number {
  const match = /^([+-]?[0-9]*\.?[0-9]+(?:[eE][+-]?[0-9]+)?)(?:\/([0-9]+))?$/.exec(text);
  if (!match) throw new Error(`failed to parse ${text} as a rational number`);
  const nano = (Number(match[1]) / Number(match[2] ?? 1)) * 1e9;
  if (Math.abs(nano - Math.round(nano)) > 1e-6) throw new Error('value is too precise');
  return Math.round(nano);
}

/** no, always, unless-stopped, on-failure[:count]. */
export function parseRestart(text: string): { Name: string; MaximumRetryCount: number } {
  const [name = '', count, more] = text.split(':');
  if (text === '') return { Name: '', MaximumRetryCount: 0 };
  if (name === '') throw new Error('invalid restart policy format: no policy provided before colon');
  if (more !== undefined) throw new Error('invalid restart policy format');
  if (count !== undefined && count !== '' && !/^[+-]?[0-9]+$/.test(count)) {
    throw new Error('invalid restart policy format: maximum retry count must be an integer');
  }
  return { Name: name, MaximumRetryCount: Number(count || 0) };
}
