import type { ContainerConfig } from '../../api/schemas/container.ts';
import type { ImageConfig } from '../../api/schemas/image.ts';

const FIELDS = [
  'User',
  'ExposedPorts',
  'Env',
  'Cmd',
  'Healthcheck',
  'ArgsEscaped',
  'Volumes',
  'WorkingDir',
  'Entrypoint',
  'OnBuild',
  'Labels',
  'StopSignal',
  'Shell',
] as const;

/** The part of a container's config that an image carries (OCI image-spec, config.md, and Docker's additions). */
export function imageConfigOf(config: ContainerConfig | ImageConfig | null | undefined): ImageConfig {
  const result: Record<string, unknown> = {};
  for (const field of FIELDS) {
    const value = config?.[field];
    if (value !== undefined && value !== null) result[field] = structuredClone(value);
  }
  return result;
}

function envName(entry: string): string {
  const at = entry.indexOf('=');
  return at < 0 ? entry : entry.slice(0, at);
}

/** `user` with what it leaves open taken from `base`: the rules by which Docker merges a container's config with its image's. */
export function mergeConfig(user: ImageConfig, base: ImageConfig): ImageConfig {
  const merged = structuredClone(user);
  merged.User ||= base.User ?? '';
  merged.WorkingDir ||= base.WorkingDir ?? '';
  merged.StopSignal ||= base.StopSignal ?? '';
  merged.ExposedPorts = { ...base.ExposedPorts, ...user.ExposedPorts };
  merged.Volumes = { ...base.Volumes, ...user.Volumes };
  merged.Labels = { ...base.Labels, ...user.Labels };
  const names = new Set((user.Env ?? []).map(envName));
  merged.Env = [...(user.Env ?? []), ...(base.Env ?? []).filter((entry) => !names.has(envName(entry)))];
  if ((user.Entrypoint ?? []).length === 0) {
    if ((user.Cmd ?? []).length === 0) merged.Cmd = base.Cmd ?? [];
    if (user.Entrypoint === undefined) merged.Entrypoint = base.Entrypoint ?? [];
  }
  merged.Shell ??= base.Shell ?? null;
  merged.OnBuild ??= base.OnBuild ?? null;
  if (base.Healthcheck !== undefined) merged.Healthcheck = { ...base.Healthcheck, ...user.Healthcheck };
  return merged;
}
