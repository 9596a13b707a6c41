import { GantryError } from '../../api/errors.ts';
import { capabilitySets, containerCapabilities } from './capabilities.ts';
import { buildDevices } from './devices.ts';
import { containerEnv } from './env.ts';
import type { SpecInput } from './input.ts';
import { DEFAULT_READONLY_PATHS, defaultMaskedPaths } from './masked-paths.ts';
import { buildMounts, INIT_DESTINATION, rootfsPropagation } from './mounts.ts';
import { buildNamespaces } from './namespaces.ts';
import { consoleSizeOf } from './process.ts';
import { buildResources } from './resources.ts';
import { buildRlimits, RLIM_INFINITY } from './rlimits.ts';
import { customSeccomp, defaultSeccomp } from './seccomp.ts';
import { parseSecurityOptions, type SecurityOptions } from './security-opt.ts';
import { buildSysctls } from './sysctls.ts';
import type { OciProcess, OciSeccomp, OciSpec } from './types.ts';

/**
 * The OCI runtime configuration of a container, as dockerd would write it. Pure but for device files that the input's
 * host looks up. Any failure is one of starting, so whatever is wrong with the configuration is thrown as system, with
 * the same message.
 */
export function buildSpec(input: SpecInput): OciSpec {
  try {
    return build(input);
  } catch (error) {
    if (!(error instanceof GantryError) || error.code === 'conflict') throw error;
    throw new GantryError('system', error.message, { cause: error });
  }
}

/** JSON for config.json. "Unlimited" is 2^64-1, which a JavaScript number cannot hold. */
export function stringifySpec(value: OciSpec | OciProcess): string {
  return JSON.stringify(value).replace(
    new RegExp(`("soft"|"hard"):${RLIM_INFINITY}\\b`, 'g'),
    '$1:18446744073709551615',
  );
}

function build(input: SpecInput): OciSpec {
  const { config, hostConfig, daemon, host } = input;
  const privileged = hostConfig.Privileged === true;
  const security = parseSecurityOptions(hostConfig.SecurityOpt ?? [], daemon.noNewPrivileges);
  const capabilities = containerCapabilities(
    { privileged, add: hostConfig.CapAdd ?? [], drop: hostConfig.CapDrop ?? [] },
    host.capabilities,
  );
  // Another container's or the host's init reaps orphans there; a second one would never see them.
  const ownPids = (hostConfig.PidMode ?? '') === '';
  const useInit = ownPids && (hostConfig.Init ?? daemon.init);
  const { devices, rules } = buildDevices(hostConfig, host.devices);
  const seccomp = privileged ? null : seccompOf(input, security, capabilities);
  const propagation = rootfsPropagation(input.mounts);
  const hostUts = hostConfig.UTSMode === 'host';
  const annotations = hostConfig.Annotations ?? {};

  return {
    ociVersion: '1.0.2',
    process: {
      terminal: config.Tty === true,
      ...consoleSizeOf(config.Tty === true, input.consoleSize),
      user: input.user,
      args: [...(useInit ? [INIT_DESTINATION, '--'] : []), input.path, ...input.args],
      env: containerEnv({ hostname: config.Hostname ?? '', tty: config.Tty === true, env: config.Env ?? [] }),
      cwd: config.WorkingDir || '/',
      capabilities: capabilitySets(capabilities),
      rlimits: buildRlimits(hostConfig.Ulimits ?? [], daemon.defaultUlimits, host),
      noNewPrivileges: security.noNewPrivileges,
      ...appArmorOf(input, security),
      oomScoreAdj: hostConfig.OomScoreAdj ?? 0,
    },
    root: { path: input.rootfs, readonly: hostConfig.ReadonlyRootfs === true },
    ...(hostUts ? {} : { hostname: config.Hostname ?? '' }),
    mounts: buildMounts(input, useInit),
    ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
    linux: {
      namespaces: buildNamespaces(input),
      cgroupsPath: input.cgroupsPath,
      resources: { ...buildResources(hostConfig, host.devices), devices: rules },
      devices,
      sysctl: buildSysctls(input),
      ...(seccomp === null ? {} : { seccomp }),
      maskedPaths: privileged ? [] : (hostConfig.MaskedPaths ?? defaultMaskedPaths(host.thermalThrottlePaths)),
      readonlyPaths: privileged ? [] : (hostConfig.ReadonlyPaths ?? [...DEFAULT_READONLY_PATHS]),
      ...(propagation === undefined ? {} : { rootfsPropagation: propagation }),
    },
  };
}

/** null for unconfined. */
function seccompOf(input: SpecInput, security: SecurityOptions, capabilities: string[]): OciSeccomp | null {
  const { host, daemon } = input;
  const conditions = { capabilities, arch: host.arch, kernel: host.kernel };
  if (!host.seccomp) {
    if (security.seccomp !== '' && security.seccomp !== 'unconfined') {
      throw new GantryError(
        'invalid_parameter',
        'seccomp is not enabled in your kernel, cannot run a custom seccomp profile',
      );
    }
    return null;
  }
  const profile = security.seccomp === '' ? daemon.seccompProfile : security.seccomp;
  if (profile === 'unconfined') return null;
  if (profile === '' || profile === 'builtin') return defaultSeccomp(conditions);
  return customSeccomp(profile, conditions);
}

function appArmorOf(input: SpecInput, security: SecurityOptions): Pick<OciProcess, 'apparmorProfile'> {
  if (!input.host.apparmor) return {};
  if (security.appArmor !== '') return { apparmorProfile: security.appArmor };
  return { apparmorProfile: input.hostConfig.Privileged === true ? 'unconfined' : input.daemon.appArmorProfile };
}
