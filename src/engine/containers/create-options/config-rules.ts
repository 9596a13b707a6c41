import { posix } from 'node:path';
import { GantryError } from '../../../api/errors.ts';
import type { HealthConfig } from '../../../api/schemas/common.ts';
import type { ContainerConfig } from '../../../api/schemas/container.ts';
import { parseSignal } from '../signals.ts';

const invalid = (message: string) => new GantryError('invalid_parameter', message);

/** Shortest interval of a health check, nanoseconds. */
const MINIMUM_DURATION = 1_000_000;

/** Checks Config and returns it with the working directory cleaned. Throws invalid_parameter. */
export function checkConfig(config: ContainerConfig): ContainerConfig {
  const checked = { ...config };
  if (config.WorkingDir) {
    if (!config.WorkingDir.startsWith('/')) {
      throw invalid(`the working directory '${config.WorkingDir}' is invalid, it needs to be an absolute path`);
    }
    const clean = posix.normalize(config.WorkingDir);
    checked.WorkingDir = clean.length > 1 ? clean.replace(/\/$/, '') : clean;
  }
  if (config.StopSignal) parseSignal(config.StopSignal);
  for (const entry of config.Env ?? []) {
    if (entry === '' || entry.startsWith('=')) throw invalid(`invalid environment variable: ${entry}`);
  }
  if (config.Healthcheck !== undefined) checkHealthcheck(config.Healthcheck);
  for (const port of Object.keys(config.ExposedPorts ?? {})) checkPort(port);
  for (const path of Object.keys(config.Volumes ?? {})) checkVolumePath(path);
  return checked;
}

function checkHealthcheck(health: HealthConfig): void {
  for (const key of ['Interval', 'Timeout', 'StartPeriod', 'StartInterval'] as const) {
    const value = health[key];
    if (value !== undefined && value !== 0 && value < MINIMUM_DURATION) {
      throw invalid(`${key} in Healthcheck cannot be less than 1ms`);
    }
  }
  if ((health.Retries ?? 0) < 0) throw invalid('Retries in Healthcheck cannot be negative');
  const kind = health.Test?.[0];
  if (kind !== undefined && !['NONE', 'CMD', 'CMD-SHELL'].includes(kind)) {
    throw invalid(`Unknown type '${kind}' in healthcheck (try 'CMD')`);
  }
}

/** "80", "80/tcp", "8000-8010/udp". */
function checkPort(text: string): void {
  const match = /^(\d+)(?:-(\d+))?(?:\/([a-zA-Z]+))?$/.exec(text);
  const protocol = (match?.[3] ?? 'tcp').toLowerCase();
  if (match === null || !['tcp', 'udp', 'sctp'].includes(protocol))
    throw invalid(`invalid port specification: "${text}"`);
  const from = Number(match[1]);
  const to = Number(match[2] ?? match[1]);
  if (from > 65_535 || to > 65_535 || to < from) throw invalid(`invalid port specification: "${text}"`);
}

function checkVolumePath(path: string): void {
  if (posix.normalize(path) === '/') {
    throw invalid(
      `invalid volume specification: '${path}': invalid mount config for type "volume": invalid specification: destination can't be '/'`,
    );
  }
  if (!path.startsWith('/')) {
    throw invalid(
      `invalid volume specification: '${path}': invalid mount config for type "volume": invalid mount path: '${path}' mount path must be absolute`,
    );
  }
}
