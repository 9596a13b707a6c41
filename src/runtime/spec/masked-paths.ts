/**
 * Paths of /proc and /sys that tell too much of the host or its other users; hidden unless the container is privileged.
 */
const MASKED = [
  '/proc/acpi',
  '/proc/asound',
  '/proc/interrupts',
  '/proc/kcore',
  '/proc/keys',
  '/proc/latency_stats',
  '/proc/sched_debug',
  '/proc/scsi',
  '/proc/timer_list',
  '/proc/timer_stats',
  '/sys/devices/virtual/powercap',
  '/sys/firmware',
];

export const DEFAULT_READONLY_PATHS: readonly string[] = [
  '/proc/bus',
  '/proc/fs',
  '/proc/irq',
  '/proc/sys',
  '/proc/sysrq-trigger',
];

/** `thermalThrottlePaths`: those of this host's CPUs (a side channel like /proc/interrupts; GHSA-6fw5-f8r9-fgfm). */
export function defaultMaskedPaths(thermalThrottlePaths: readonly string[]): string[] {
  return [...MASKED, ...thermalThrottlePaths];
}
