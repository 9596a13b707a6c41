/**
 * The one error type of the project. Its code says what went wrong in a word, its status is what the Engine API
 * answers (https://docs.docker.com/reference/api/engine, "Error" responses), its message names the object and says what to do.
 */

/** Codes and the HTTP status each is answered with. docs/errors.md lists the same; a test keeps them in step. */
export const ERROR_STATUS = {
  not_modified: 304,
  invalid_parameter: 400,
  unauthorized: 401,
  forbidden: 403,
  not_found: 404,
  method_not_allowed: 405,
  conflict: 409,
  too_large: 413,
  system: 500,
  not_supported: 501,
  unavailable: 503,
  no_space: 500,
} as const;

export type ErrorCode = keyof typeof ERROR_STATUS;

export interface ErrorOptionsWithHint {
  /** What the user can do about it; printed after the message by the CLI. */
  hint?: string;
  cause?: unknown;
}

export class GantryError extends Error {
  readonly code: ErrorCode;
  readonly hint: string | undefined;

  constructor(code: ErrorCode, message: string, options: ErrorOptionsWithHint = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'GantryError';
    this.code = code;
    this.hint = options.hint;
  }

  get status(): number {
    return ERROR_STATUS[this.code];
  }
}

/** A feature the Engine API names that this version does not have: refused, never ignored. */
export function notSupportedYet(what: string, hint?: string): GantryError {
  return new GantryError('not_supported', `${what} is not supported yet`, hint === undefined ? {} : { hint });
}

/** The message of anything thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The errno name ("ENOENT") of a system error, or undefined. */
export function errnoOf(error: unknown): string | undefined {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' && /^E[A-Z0-9]+$/.test(code) ? code : undefined;
}
