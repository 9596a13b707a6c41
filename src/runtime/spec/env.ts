const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/**
 * Lays `overrides` over `defaults`: "KEY=value" replaces or appends, "KEY" alone removes. Order is that of first
 * appearance.
 */
function mergeEnv(defaults: readonly string[], overrides: readonly string[]): string[] {
  const merged = new Map<string, string>();
  for (const entry of defaults) merged.set(keyOf(entry), entry);
  for (const entry of overrides) {
    if (entry.includes('=')) merged.set(keyOf(entry), entry);
    else merged.delete(entry);
  }
  return [...merged.values()];
}

/**
 * Environment of a container's first process. HOME comes from the runtime, which reads the image's passwd file; runc takes an empty
 * one for a missing one, crun does not.
 */
export function containerEnv(options: { hostname: string; tty: boolean; env: readonly string[] }): string[] {
  const defaults = [`PATH=${DEFAULT_PATH}`, `HOSTNAME=${options.hostname}`];
  if (options.tty) defaults.push('TERM=xterm');
  return mergeEnv(defaults, options.env).filter((entry) => entry !== 'HOME=');
}

function keyOf(entry: string): string {
  const at = entry.indexOf('=');
  return at < 0 ? entry : entry.slice(0, at);
}
