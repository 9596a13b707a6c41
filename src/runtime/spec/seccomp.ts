import { GantryError, messageOf } from '../../api/errors.ts';
import { DEFAULT_SECCOMP_PROFILE } from './seccomp-profile.ts';
import type { OciSeccomp, OciSeccompArg, OciSyscall } from './types.ts';

interface SeccompFilter {
  caps?: string[];
  arches?: string[];
  /** "major.minor" */
  minKernel?: string;
}

/** A rule of a profile file; `name` is the older form of `names`. */
export interface SeccompRule {
  name?: string;
  names?: string[];
  action: string;
  errnoRet?: number;
  args?: OciSeccompArg[] | null;
  includes?: SeccompFilter;
  excludes?: SeccompFilter;
}

/** Docker's profile format: OCI's linux.seccomp with an architecture map and conditions on each rule. */
export interface SeccompProfile {
  defaultAction: string;
  defaultErrnoRet?: number;
  architectures?: string[];
  archMap?: { architecture: string; subArchitectures: string[] | null }[];
  flags?: string[];
  listenerPath?: string;
  listenerMetadata?: string;
  syscalls: SeccompRule[];
}

export interface SeccompConditions {
  /** Bounding set of the container. */
  capabilities: readonly string[];
  /** As Go names it: amd64, arm64, s390x, ... */
  arch: string;
  kernel: [major: number, minor: number];
}

const ARCHITECTURES: Record<string, string> = {
  amd64: 'SCMP_ARCH_X86_64',
  arm64: 'SCMP_ARCH_AARCH64',
  arm: 'SCMP_ARCH_ARM',
  '386': 'SCMP_ARCH_X86',
  mips64: 'SCMP_ARCH_MIPS64',
  mips64le: 'SCMP_ARCH_MIPSEL64',
  ppc64le: 'SCMP_ARCH_PPC64LE',
  s390x: 'SCMP_ARCH_S390X',
  riscv64: 'SCMP_ARCH_RISCV64',
  loong64: 'SCMP_ARCH_LOONGARCH64',
};

/**
 * What every runtime adds for other architectures is not there: calls of an architecture not listed are killed or
 * refused.
 */
export function defaultSeccomp(conditions: SeccompConditions): OciSeccomp {
  return resolveProfile(DEFAULT_SECCOMP_PROFILE, conditions);
}

/** A profile's JSON text, as --security-opt seccomp=FILE sends it. Throws invalid_parameter. */
export function customSeccomp(json: string, conditions: SeccompConditions): OciSeccomp {
  let profile: SeccompProfile;
  try {
    profile = JSON.parse(json) as SeccompProfile;
  } catch (cause) {
    throw new GantryError('invalid_parameter', `Decoding seccomp profile failed: ${messageOf(cause)}`, { cause });
  }
  if (typeof profile !== 'object' || profile === null || typeof profile.defaultAction !== 'string') {
    throw new GantryError('invalid_parameter', 'Decoding seccomp profile failed: defaultAction is missing');
  }
  if (profile.syscalls !== undefined && profile.syscalls !== null && !Array.isArray(profile.syscalls)) {
    throw new GantryError('invalid_parameter', 'Decoding seccomp profile failed: syscalls is not a list');
  }
  if (profile.archMap?.length && profile.architectures?.length) {
    throw new GantryError(
      'invalid_parameter',
      "'architectures' and 'archMap' were specified in the seccomp profile, use either 'architectures' or 'archMap'",
    );
  }
  return resolveProfile({ ...profile, syscalls: profile.syscalls ?? [] }, conditions);
}

function resolveProfile(profile: SeccompProfile, conditions: SeccompConditions): OciSeccomp {
  const syscalls: OciSyscall[] = [];
  for (const rule of profile.syscalls) {
    if (!applies(rule, conditions)) continue;
    if (rule.name !== undefined && rule.names?.length) {
      throw new GantryError(
        'invalid_parameter',
        "'name' and 'names' were specified in the seccomp profile, use either 'name' or 'names'",
      );
    }
    const args = rule.args ?? [];
    syscalls.push({
      names: rule.names?.length ? rule.names : [rule.name ?? ''],
      action: rule.action,
      ...(rule.errnoRet === undefined ? {} : { errnoRet: rule.errnoRet }),
      ...(args.length === 0 ? {} : { args }),
    });
  }
  const architectures = architecturesOf(profile, conditions.arch);
  return {
    defaultAction: profile.defaultAction,
    ...(profile.defaultErrnoRet === undefined ? {} : { defaultErrnoRet: profile.defaultErrnoRet }),
    ...(architectures.length === 0 ? {} : { architectures }),
    ...(profile.flags?.length ? { flags: profile.flags } : {}),
    ...(profile.listenerPath ? { listenerPath: profile.listenerPath } : {}),
    ...(profile.listenerMetadata ? { listenerMetadata: profile.listenerMetadata } : {}),
    syscalls,
  };
}

function architecturesOf(profile: SeccompProfile, arch: string): string[] {
  if (profile.architectures?.length) return profile.architectures;
  const native = ARCHITECTURES[arch];
  const entry = profile.archMap?.find((map) => map.architecture === native);
  return entry === undefined ? [] : [entry.architecture, ...(entry.subArchitectures ?? [])];
}

/** A rule holds when all its `includes` do (every capability, one architecture) and none of its `excludes`. */
function applies(rule: SeccompRule, conditions: SeccompConditions): boolean {
  const { includes, excludes } = rule;
  if (includes?.arches?.length && !includes.arches.includes(conditions.arch)) return false;
  if (includes?.caps?.some((name) => !conditions.capabilities.includes(name))) return false;
  if (includes?.minKernel && !kernelAtLeast(conditions.kernel, includes.minKernel)) return false;
  if (excludes?.arches?.includes(conditions.arch)) return false;
  if (excludes?.caps?.some((name) => conditions.capabilities.includes(name))) return false;
  if (excludes?.minKernel && kernelAtLeast(conditions.kernel, excludes.minKernel)) return false;
  return true;
}

function kernelAtLeast(kernel: [number, number], wanted: string): boolean {
  const [major = 0, minor = 0] = wanted.split('.').map(Number);
  return kernel[0] > major || (kernel[0] === major && kernel[1] >= minor);
}
