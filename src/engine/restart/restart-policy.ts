import type { RestartPolicy } from '../../api/schemas/host-config.ts';

const FIRST_DELAY_MS = 100;
const LONGEST_DELAY_MS = 60_000;
/** A process that lived this long was not failing at its start: the next delay is the first again. */
const STEADY_AFTER_MS = 10_000;

/** Waiting times between restarts of one container: 100 ms, doubled each time up to a minute, reset by a run of 10 s. */
export class BackOff {
  #delay = 0;

  /** Delay in ms before the restart that follows a run of `ranForMs`. */
  next(ranForMs: number): number {
    if (this.#delay === 0 || ranForMs >= STEADY_AFTER_MS) this.#delay = FIRST_DELAY_MS;
    else this.#delay = Math.min(this.#delay * 2, LONGEST_DELAY_MS);
    return this.#delay;
  }

  reset(): void {
    this.#delay = 0;
  }
}

export interface ExitFacts {
  exitCode: number;
  stoppedByUser: boolean;
  /** Restarts so far since the last start by a user. */
  restartCount: number;
}

/** Whether the policy starts an exited container again (Engine API, RestartPolicy). */
export function shouldRestart(policy: RestartPolicy | undefined, facts: ExitFacts): boolean {
  if (facts.stoppedByUser) return false;
  switch (policy?.Name) {
    case 'always':
    case 'unless-stopped':
      return true;
    case 'on-failure': {
      const limit = policy.MaximumRetryCount ?? 0;
      return facts.exitCode !== 0 && (limit === 0 || facts.restartCount < limit);
    }
    default:
      return false;
  }
}

/**
 * Whether a container that does not run is started with the daemon: `always` even if the user stopped it, `unless-stopped` if he did not, `on-failure`
 * when its last run failed and retries are left, for instance because it was stopped with the daemon.
 */
export function startsWithDaemon(policy: RestartPolicy | undefined, facts: ExitFacts): boolean {
  return policy?.Name === 'always' || shouldRestart(policy, facts);
}
