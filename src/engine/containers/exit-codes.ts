import { GantryError, messageOf } from '../../api/errors.ts';
import { RuntimeError } from '../../runtime/runtime-error.ts';

/** A start that failed: what the API answers and what the container's State, or the exec, keeps. */
export interface StartFailure {
  error: GantryError;
  exitCode: number;
}

/**
 * Docker's exit codes of what never ran: 127 for a command that is not there, 126 for one that cannot be run, `otherwise` (128 for a
 * container, 126 for an exec) for all else.
 */
export function startFailure(cause: unknown, otherwise: 126 | 128): StartFailure {
  const error = cause instanceof GantryError ? cause : new GantryError('system', messageOf(cause), { cause });
  const known = cause instanceof RuntimeError && cause.exitCode !== 125;
  return { error, exitCode: known ? cause.exitCode : otherwise };
}
