import { GantryError, messageOf } from '../../api/errors.ts';

/** A start that failed: what the API answers and what the container's State keeps. */
export interface StartFailure {
  error: GantryError;
  exitCode: number;
}

/**
 * Docker's reading of a runtime's error at start: 127 for a command that is not there, 126 for one that may not run (both the
 * client's fault, 400), 128 for all else (500).
 */
export function startFailure(cause: unknown, command: string): StartFailure {
  const exitCode = (cause as { exitCode?: unknown } | null)?.exitCode;
  const message = messageOf(cause);
  const lower = message.toLowerCase();
  if (
    exitCode === 127 ||
    (lower.includes(command.toLowerCase()) && /executable file .*not found|no such file or directory/.test(lower))
  ) {
    return { error: new GantryError('invalid_parameter', message, { cause }), exitCode: 127 };
  }
  if (exitCode === 126 || lower.includes('permission denied')) {
    return { error: new GantryError('invalid_parameter', message, { cause }), exitCode: 126 };
  }
  if (lower.includes('not a directory')) {
    const hint =
      'Are you trying to mount a directory onto a file (or vice-versa)? Check if the specified host path exists and is the expected type';
    return { error: new GantryError('invalid_parameter', `${message}: ${hint}`, { cause }), exitCode: 127 };
  }
  if (cause instanceof GantryError) return { error: cause, exitCode: 128 };
  return { error: new GantryError('system', message, { cause }), exitCode: 128 };
}
