import type { Monitor } from '../../runtime/contract.ts';
import type { Container } from '../containers/container.ts';

export interface ExecConfig {
  args: string[];
  env: string[];
  /** '' for the container's. */
  user: string;
  workingDir: string;
  tty: boolean;
  privileged: boolean;
  attachStdin: boolean;
  attachStdout: boolean;
  attachStderr: boolean;
  detachKeys: Buffer;
  consoleSize: { rows: number; columns: number } | null;
}

/** A command to run in a running container: created, running, exited. Kept in memory alone, as in Docker. */
export class Exec {
  readonly id: string;
  readonly container: Container;
  readonly config: ExecConfig;
  status: 'created' | 'running' | 'exited' = 'created';
  /** null until it has ended. */
  exitCode: number | null = null;
  /** In the daemon's pid namespace; 0 before it runs. */
  pid = 0;
  monitor: Monitor | null = null;

  constructor(id: string, container: Container, config: ExecConfig) {
    this.id = id;
    this.container = container;
    this.config = config;
  }

  get commandText(): string {
    return this.config.args.join(' ');
  }
}
