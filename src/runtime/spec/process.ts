import { capabilitySets } from './capabilities.ts';
import { containerEnv } from './env.ts';
import type { OciProcess, OciUser } from './types.ts';

export interface ExecInput {
  /** The container's process, as its spec has it. */
  container: OciProcess;
  /**
   * The container's Config.Env and hostname: an exec starts from these, not from what the container's process made of
   * them.
   */
  containerEnv: readonly string[];
  hostname: string;
  args: string[];
  env: readonly string[];
  /** Absolute; '' for the container's. */
  workingDir: string;
  tty: boolean;
  privileged: boolean;
  /** From lookupUser(); the container's own user when null. */
  user: OciUser | null;
  consoleSize: { rows: number; columns: number } | null;
  /** Bounding set of the daemon: what --privileged gives. */
  available: readonly string[];
}

/**
 * The process object of `docker exec`. Limits, no_new_privs and the AppArmor profile are the container's even with
 * --privileged, which only adds capabilities (a privileged exec of a confined container stays confined, as with
 * Docker).
 */
export function buildProcess(input: ExecInput): OciProcess {
  const { consoleSize: _, ...inherited } = input.container;
  return {
    ...inherited,
    terminal: input.tty,
    ...consoleSizeOf(input.tty, input.consoleSize),
    user: input.user ?? input.container.user,
    args: input.args,
    env: [...execEnvironment(input)],
    cwd: input.workingDir || input.container.cwd,
    capabilities: input.privileged ? capabilitySets(input.available) : input.container.capabilities,
  };
}

function execEnvironment(input: ExecInput): string[] {
  return containerEnv({ hostname: input.hostname, tty: input.tty, env: [...input.containerEnv, ...input.env] });
}

/** Initial size of a terminal; absent when the client gave none. */
export function consoleSizeOf(
  tty: boolean,
  size: { rows: number; columns: number } | null,
): Pick<OciProcess, 'consoleSize'> {
  if (!tty || size === null || size.rows === 0 || size.columns === 0) return {};
  return { consoleSize: { height: size.rows, width: size.columns } };
}
