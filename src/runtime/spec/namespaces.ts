import { GantryError } from '../../api/errors.ts';
import type { SpecInput } from './input.ts';
import type { OciNamespace } from './types.ts';

/** New namespaces, and those joined by path; a namespace that is shared with the host is left out. */
export function buildNamespaces(input: SpecInput): OciNamespace[] {
  const { hostConfig, joined, netns } = input;
  const namespaces: OciNamespace[] = [{ type: 'mount' }];

  if (netns === null) namespaces.push({ type: 'network' });
  else if (netns !== 'host') namespaces.push({ type: 'network', path: netns });

  if (hostConfig.UTSMode !== 'host') namespaces.push({ type: 'uts' });

  const pid = hostConfig.PidMode ?? '';
  if (pid.startsWith('container:')) namespaces.push({ type: 'pid', path: namespacePath(joined.pid, 'pid', pid) });
  else if (pid !== 'host') namespaces.push({ type: 'pid' });

  const ipc = hostConfig.IpcMode ?? '';
  if (ipc.startsWith('container:')) namespaces.push({ type: 'ipc', path: namespacePath(joined.ipc, 'ipc', ipc) });
  else if (ipc !== 'host') namespaces.push({ type: 'ipc' });

  if (hostConfig.CgroupnsMode === 'private') namespaces.push({ type: 'cgroup' });
  return namespaces;
}

function namespacePath(pid: number | undefined, kind: string, mode: string): string {
  if (pid === undefined || pid <= 0) {
    throw new GantryError('conflict', `cannot join ${kind.toUpperCase()} namespace: ${mode} is not running`);
  }
  return `/proc/${pid}/ns/${kind}`;
}
