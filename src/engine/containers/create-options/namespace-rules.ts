import { GantryError } from '../../../api/errors.ts';
import type { ContainerConfig } from '../../../api/schemas/container.ts';
import type { HostConfig } from '../../../api/schemas/host-config.ts';

const invalid = (message: string) => new GantryError('invalid_parameter', message);

/**
 * Modes of the pid, ipc, uts, user and cgroup namespaces, and sysctls that belong to one the container does not own.
 */
export function checkNamespaces(hostConfig: HostConfig, config: ContainerConfig): void {
  checkJoinable('IPC', hostConfig.IpcMode ?? '', ['', 'none', 'private', 'shareable', 'host']);
  checkJoinable('PID', hostConfig.PidMode ?? '', ['', 'host']);
  if (!['', 'host'].includes(hostConfig.UTSMode ?? '')) throw invalid(`invalid UTS mode: ${hostConfig.UTSMode}`);
  if (!['', 'host'].includes(hostConfig.UsernsMode ?? '')) throw invalid(`invalid USER mode: ${hostConfig.UsernsMode}`);
  if (!['', 'host', 'private'].includes(hostConfig.CgroupnsMode ?? '')) {
    throw invalid(`invalid cgroup namespace mode: ${hostConfig.CgroupnsMode}`);
  }
  if (hostConfig.UTSMode === 'host' && config.Hostname) {
    throw invalid('conflicting options: hostname and the UTS mode');
  }
  if ((hostConfig.ShmSize ?? 0) < 0) throw invalid('SHM size can not be less than 0');
}

function checkJoinable(kind: string, mode: string, words: string[]): void {
  if (words.includes(mode)) return;
  if (/^container:[^:]+$/.test(mode)) return;
  throw invalid(`invalid ${kind} mode: ${mode}`);
}

/**
 * Sysctls that are namespaced and whose namespace is the container's own (sysctl(5), namespaces(7)); runc refuses
 * others at start, this says so at create.
 */
export function checkSysctls(hostConfig: HostConfig): void {
  const network = hostConfig.NetworkMode ?? '';
  for (const key of Object.keys(hostConfig.Sysctls ?? {})) {
    if (key.startsWith('net.')) {
      if (network === 'host') throw invalid(`sysctl '${key}' not allowed in host network namespace`);
      if (network.startsWith('container:')) {
        throw invalid(`sysctl '${key}' not allowed in the network namespace of another container`);
      }
    } else if (isIpcSysctl(key)) {
      if (hostConfig.IpcMode === 'host') throw invalid(`sysctl '${key}' not allowed in host ipc namespace`);
    } else if (key === 'kernel.domainname' || key === 'kernel.hostname') {
      if (hostConfig.UTSMode === 'host') throw invalid(`sysctl '${key}' not allowed in host UTS namespace`);
    } else {
      throw invalid(`sysctl '${key}' is not allowed: it is not namespaced`);
    }
  }
}

function isIpcSysctl(key: string): boolean {
  return (
    key.startsWith('fs.mqueue.') ||
    /^kernel\.(msgmax|msgmnb|msgmni|sem|shmall|shmmax|shmmni|shm_rmid_forced)$/.test(key)
  );
}

/** What a network mode excludes. Throws invalid_parameter. */
export function checkNetworkMode(hostConfig: HostConfig, config: ContainerConfig): void {
  const mode = hostConfig.NetworkMode ?? '';
  const joins = mode === 'container' || mode.startsWith('container:');
  if (joins) {
    if (!/^container:[^:]+$/.test(mode)) {
      throw invalid('invalid network mode: invalid container format container:<name|id>');
    }
    const conflicts: [boolean, string][] = [
      [Boolean(config.Hostname), 'hostname and the network mode'],
      [
        Boolean(hostConfig.Links?.length),
        "container type network can't be used with links. This would result in undefined behavior",
      ],
      [Boolean(hostConfig.Dns?.length), 'dns and the network mode'],
      [Boolean(hostConfig.ExtraHosts?.length), 'custom host-to-IP mapping and the network mode'],
      [Boolean(config.MacAddress), 'mac-address and the network mode'],
      [
        Object.keys(hostConfig.PortBindings ?? {}).length > 0 || hostConfig.PublishAllPorts === true,
        'port publishing and the container type network mode',
      ],
      [Object.keys(config.ExposedPorts ?? {}).length > 0, 'port exposing and the container type network mode'],
    ];
    for (const [conflict, what] of conflicts) if (conflict) throw invalid(`conflicting options: ${what}`);
    return;
  }
  if (mode === 'host') {
    if (config.MacAddress) throw invalid('conflicting options: mac-address and the network mode');
    if (hostConfig.Links?.length) {
      throw invalid(
        "conflicting options: host type networking can't be used with links. This would result in undefined behavior",
      );
    }
    return;
  }
}
