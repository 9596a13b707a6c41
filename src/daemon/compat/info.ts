/** The shape of SystemInfo that older API versions have (Engine API, version history). */
import type { SystemInfo } from '../../api/schemas/system.ts';
import type { ApiVersion } from '../contract.ts';

export function legacyInfo(info: SystemInfo, version: ApiVersion): object {
  let result: Record<string, unknown> = { ...info };
  if (!version.lessThan('1.50')) {
    delete result.BridgeNfIptables;
    delete result.BridgeNfIp6tables;
  }
  if (version.lessThan('1.49')) {
    delete result.FirewallBackend;
    for (const name of ['ContainerdCommit', 'RuncCommit', 'InitCommit'] as const) {
      result[name] = { ...info[name], Expected: info[name]?.ID ?? '' };
    }
  }
  if (version.lessThan('1.48')) {
    result.RegistryConfig = {
      AllowNondistributableArtifactsCIDRs: null,
      AllowNondistributableArtifactsHostnames: null,
      ...info.RegistryConfig,
    };
  }
  if (version.lessThan('1.46')) delete result.Containerd;
  if (version.lessThan('1.44')) {
    result.Runtimes = Object.fromEntries(
      Object.entries(info.Runtimes ?? {}).map(([name, { status: _new, ...runtime }]) => [name, runtime]),
    );
  }
  if (version.lessThan('1.39')) {
    result = {
      ...result,
      KernelVersion: info.KernelVersion || '<unknown>',
      OperatingSystem: info.OperatingSystem || '<unknown>',
    };
  }
  if (version.lessThan('1.25')) {
    // Names alone: "name=seccomp,profile=builtin" was "seccomp".
    const names = (info.SecurityOptions ?? []).map((option) => /(?:^|,)name=([^,]*)/.exec(option)?.[1] ?? option);
    result = { ...result, ExecutionDriver: '<not supported>', SecurityOptions: names };
  }
  return result;
}
