import { GantryError } from '../api/errors.ts';

export type RuntimeExitCode = 125 | 126 | 127;
export type RuntimeStage = 'create' | 'start' | 'exec';

/** A container or exec that did not come to run: Docker's message and the exit code its CLI ends with. */
export class RuntimeError extends GantryError {
  readonly exitCode: RuntimeExitCode;

  constructor(exitCode: RuntimeExitCode, message: string) {
    // Docker answers 400 when the command is to blame and 500 otherwise.
    super(exitCode === 125 ? 'system' : 'invalid_parameter', message);
    this.name = 'RuntimeError';
    this.exitCode = exitCode;
  }
}

/**
 * Says in Docker's words why a runtime call failed. `message` is the runtime's own; crun's is brought to runc's wording, which
 * clients look for. 127: no such command; 126: it cannot be run; 125: anything else.
 */
export function runtimeFailure(
  message: string,
  stage: RuntimeStage = 'create',
  command = '',
): { exitCode: RuntimeExitCode; message: string } {
  let text = message.trim().replace(/\.$/, '');
  const missing = /^executable file `(.*)` not found(?: in \$PATH)?: No such file or directory$/s.exec(text);
  const refused = /^open executable: (Permission denied|Operation not permitted)$/.exec(text);
  const what = missing?.[1] ?? command;
  if (missing !== null || refused !== null) {
    const reason =
      refused !== null
        ? 'permission denied'
        : what.includes('/')
          ? `stat ${what}: no such file or directory`
          : 'executable file not found in $PATH';
    text = `${stage === 'exec' ? 'exec' : `crun ${stage}`} failed: unable to start container process: exec: ${JSON.stringify(what)}: ${reason}`;
  }
  const profile = /^write file `(\/proc\/.*\/attr\/.*exec)`: No such file or directory$/.exec(text);
  if (profile !== null) {
    text = `unable to start container process: error during container init: unable to apply apparmor profile: apparmor failed to apply profile: write ${profile[1]}: no such file or directory`;
  }
  const lower = text.toLowerCase();
  let exitCode: RuntimeExitCode = 125;
  if (/executable file not found|no such file or directory|system cannot find the file specified/.test(lower))
    exitCode = 127;
  if (/permission denied|is a directory/.test(lower)) exitCode = 126;
  if (lower.includes('not a directory')) {
    exitCode = 127;
    text +=
      ': Are you trying to mount a directory onto a file (or vice-versa)? Check if the specified host path exists and is the expected type';
  }
  const prefix =
    stage === 'create'
      ? 'failed to create task for container: failed to create shim task: '
      : stage === 'start'
        ? 'failed to start task: '
        : '';
  return { exitCode, message: `${prefix}OCI runtime ${stage} failed: ${text}: unknown` };
}

/** The last error in a runtime's `--log-format json` file, or null. */
export function lastRuntimeError(log: string): string | null {
  for (const line of log.trimEnd().split('\n').reverse()) {
    try {
      const entry = JSON.parse(line) as { level?: string; msg?: string };
      if ((entry.level === 'error' || entry.level === 'fatal') && entry.msg) return entry.msg;
    } catch {
      // a line cut short by a crash of the runtime
    }
  }
  return null;
}
