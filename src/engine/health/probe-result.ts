import type { HealthcheckResult } from '../../api/schemas/container.ts';
import type { ContainerStateRecord } from '../container-record.ts';
import type { HealthSettings } from './health-config.ts';

type HealthState = NonNullable<ContainerStateRecord['health']>;

const KEPT_RESULTS = 5;

/**
 * Takes one probe's result into a container's health; pure. A failure within the start period does not count while the container has never been
 * healthy. `sinceStartMs`: from the container's start to that of the probe.
 */
export function applyProbe(
  health: HealthState,
  result: HealthcheckResult,
  settings: HealthSettings,
  sinceStartMs: number,
): HealthState {
  const log = [...health.log, result].slice(-KEPT_RESULTS);
  if (result.ExitCode === 0) return { status: 'healthy', failingStreak: 0, log };
  if (health.status === 'starting' && sinceStartMs < settings.startPeriodMs) return { ...health, log };
  const failingStreak = health.failingStreak + 1;
  return { status: failingStreak >= settings.retries ? 'unhealthy' : health.status, failingStreak, log };
}

/** Time until the next probe: denser while starting, and never past the end of the start period. */
export function nextProbeIn(status: HealthState['status'], settings: HealthSettings, sinceStartMs: number): number {
  const left = settings.startPeriodMs - sinceStartMs;
  if (left <= 0) return settings.intervalMs;
  return Math.min(left, status === 'starting' ? settings.startIntervalMs : settings.intervalMs);
}
