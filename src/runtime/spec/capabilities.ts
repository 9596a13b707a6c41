import { GantryError } from '../../api/errors.ts';
import type { OciCapabilities } from './types.ts';

/** By number (capabilities(7), <linux/capability.h>). */
export const CAPABILITIES: readonly string[] = [
  'CAP_CHOWN',
  'CAP_DAC_OVERRIDE',
  'CAP_DAC_READ_SEARCH',
  'CAP_FOWNER',
  'CAP_FSETID',
  'CAP_KILL',
  'CAP_SETGID',
  'CAP_SETUID',
  'CAP_SETPCAP',
  'CAP_LINUX_IMMUTABLE',
  'CAP_NET_BIND_SERVICE',
  'CAP_NET_BROADCAST',
  'CAP_NET_ADMIN',
  'CAP_NET_RAW',
  'CAP_IPC_LOCK',
  'CAP_IPC_OWNER',
  'CAP_SYS_MODULE',
  'CAP_SYS_RAWIO',
  'CAP_SYS_CHROOT',
  'CAP_SYS_PTRACE',
  'CAP_SYS_PACCT',
  'CAP_SYS_ADMIN',
  'CAP_SYS_BOOT',
  'CAP_SYS_NICE',
  'CAP_SYS_RESOURCE',
  'CAP_SYS_TIME',
  'CAP_SYS_TTY_CONFIG',
  'CAP_MKNOD',
  'CAP_LEASE',
  'CAP_AUDIT_WRITE',
  'CAP_AUDIT_CONTROL',
  'CAP_SETFCAP',
  'CAP_MAC_OVERRIDE',
  'CAP_MAC_ADMIN',
  'CAP_SYSLOG',
  'CAP_WAKE_ALARM',
  'CAP_BLOCK_SUSPEND',
  'CAP_AUDIT_READ',
  'CAP_PERFMON',
  'CAP_BPF',
  'CAP_CHECKPOINT_RESTORE',
];

/** What a container has when it asks for nothing: Docker's fourteen. */
export const DEFAULT_CAPABILITIES: readonly string[] = [
  'CAP_CHOWN',
  'CAP_DAC_OVERRIDE',
  'CAP_FSETID',
  'CAP_FOWNER',
  'CAP_MKNOD',
  'CAP_NET_RAW',
  'CAP_SETGID',
  'CAP_SETUID',
  'CAP_SETFCAP',
  'CAP_SETPCAP',
  'CAP_NET_BIND_SERVICE',
  'CAP_SYS_CHROOT',
  'CAP_KILL',
  'CAP_AUDIT_WRITE',
];

/** Names of the bits set in a mask as /proc/<pid>/status prints it (hexadecimal). */
export function capabilitiesOfMask(hex: string): string[] {
  const mask = BigInt(`0x${hex}`);
  return CAPABILITIES.filter((_, bit) => (mask >> BigInt(bit)) & 1n);
}

/**
 * Upper case, with CAP_; "ALL" stays. Throws invalid_parameter for names nobody knows and for those that the daemon
 * itself lacks.
 */
export function normalizeCapabilities(names: readonly string[], available: readonly string[]): string[] {
  return names.map((given) => {
    const upper = given.toUpperCase();
    if (upper === 'ALL') return upper;
    const name = upper.startsWith('CAP_') ? upper : `CAP_${upper}`;
    if (!CAPABILITIES.includes(name)) {
      throw new GantryError('invalid_parameter', `unknown capability: "${name}"`);
    }
    if (!available.includes(name)) {
      throw new GantryError(
        'invalid_parameter',
        `capability not supported by your kernel or not available in the current environment: "${name}"`,
      );
    }
    return name;
  });
}

/** The capabilities of a container: --privileged beats --cap-add=ALL beats --cap-drop=ALL beats single names. */
export function containerCapabilities(
  request: { privileged: boolean; add: readonly string[]; drop: readonly string[] },
  available: readonly string[],
): string[] {
  if (request.privileged) return [...available];
  const add = normalizeCapabilities(request.add, available);
  const drop = normalizeCapabilities(request.drop, available);
  if (add.includes('ALL')) return available.filter((name) => !drop.includes(name));
  if (drop.includes('ALL')) return [...new Set(add)];
  // A daemon that itself runs with less than the default set cannot hand out what it does not have.
  const basics = DEFAULT_CAPABILITIES.filter((name) => available.includes(name) && !drop.includes(name));
  return [...new Set([...basics, ...add])];
}

/**
 * No inheritable set, as Docker since CVE-2022-24769. A user other than root loses effective and permitted at
 * execve(2).
 */
export function capabilitySets(names: readonly string[]): OciCapabilities {
  return { bounding: [...names], effective: [...names], permitted: [...names] };
}
