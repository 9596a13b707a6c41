import type { HealthConfig } from '../../../api/schemas/common.ts';
import type { ContainerConfig } from '../../../api/schemas/container.ts';
import type { ImageConfig } from '../../../api/schemas/image.ts';

/**
 * The user's configuration completed by the image's. An entrypoint of the user's drops the image's command (its
 * arguments were for another program); an empty one drops the image's entrypoint as well.
 */
export function mergeImageConfig(user: ContainerConfig, image: ImageConfig): ContainerConfig {
  const merged: ContainerConfig = { ...user };
  if (!merged.User) merged.User = image.User ?? '';
  if (image.ExposedPorts) merged.ExposedPorts = { ...image.ExposedPorts, ...user.ExposedPorts };
  merged.Env = mergeImageEnv(user.Env ?? [], image.Env ?? []);
  merged.Labels = { ...image.Labels, ...user.Labels };
  if (!user.Entrypoint?.length) {
    if (!user.Cmd?.length) {
      if (image.Cmd !== undefined) merged.Cmd = image.Cmd;
      if (image.ArgsEscaped) merged.ArgsEscaped = image.ArgsEscaped;
    }
    if (user.Entrypoint === undefined && image.Entrypoint !== undefined) merged.Entrypoint = image.Entrypoint;
  }
  const healthcheck = mergeHealthcheck(user.Healthcheck, image.Healthcheck);
  if (healthcheck !== undefined) merged.Healthcheck = healthcheck;
  if (!merged.WorkingDir) merged.WorkingDir = image.WorkingDir ?? '';
  merged.Volumes = { ...user.Volumes, ...image.Volumes };
  // Clients send an empty map for none; inspect shows none.
  if (Object.keys(merged.Volumes).length === 0) delete merged.Volumes;
  if (!merged.StopSignal && image.StopSignal) merged.StopSignal = image.StopSignal;
  if (!merged.Shell && image.Shell) merged.Shell = image.Shell;
  if (image.OnBuild) merged.OnBuild = image.OnBuild;
  return merged;
}

/** The user's variables first, then those of the image that the user does not name. */
function mergeImageEnv(user: string[], image: string[]): string[] {
  const named = new Set(user.map((entry) => entry.split('=', 1)[0]));
  return [...user, ...image.filter((entry) => !named.has(entry.split('=', 1)[0]))];
}

/** Field by field: what the user leaves empty or 0 is the image's. */
function mergeHealthcheck(user: HealthConfig | undefined, image: HealthConfig | undefined): HealthConfig | undefined {
  if (user === undefined || image === undefined) return user ?? image;
  const merged: HealthConfig = { ...user };
  if (!user.Test?.length && image.Test !== undefined) merged.Test = image.Test;
  for (const key of ['Interval', 'Timeout', 'Retries', 'StartPeriod', 'StartInterval'] as const) {
    if (!user[key] && image[key]) merged[key] = image[key];
  }
  return merged;
}
