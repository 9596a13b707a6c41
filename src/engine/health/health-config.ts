import type { ContainerConfig } from '../../api/schemas/container.ts';

/** A container's health check with Docker's defaults in place; times in milliseconds. */
export interface HealthSettings {
  args: string[];
  intervalMs: number;
  timeoutMs: number;
  retries: number;
  startPeriodMs: number;
  startIntervalMs: number;
}

/** null for a container without a check, or with NONE. The API's times are nanoseconds, 0 meaning the default. */
export function healthSettings(config: ContainerConfig): HealthSettings | null {
  const check = config.Healthcheck;
  const [kind, ...words] = check?.Test ?? [];
  if (check === undefined || (kind !== 'CMD' && kind !== 'CMD-SHELL') || words.length === 0) return null;
  const shell = config.Shell?.length ? config.Shell : ['/bin/sh', '-c'];
  const milliseconds = (nanoseconds: number | undefined, byDefault: number) =>
    nanoseconds ? nanoseconds / 1e6 : byDefault;
  return {
    args: kind === 'CMD' ? words : [...shell, ...words],
    intervalMs: milliseconds(check.Interval, 30_000),
    timeoutMs: milliseconds(check.Timeout, 30_000),
    retries: check.Retries && check.Retries > 0 ? check.Retries : 3,
    startPeriodMs: milliseconds(check.StartPeriod, 0),
    startIntervalMs: milliseconds(check.StartInterval, 5000),
  };
}
