/** What can go wrong between a client and an engine. */

/** The engine answered with an error. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly status: number;
  /** The engine's own words, without the prefix that `message` carries. */
  readonly detail: string;

  constructor(status: number, detail: string) {
    super(`Error response from daemon: ${detail}`);
    this.status = status;
    this.detail = detail;
  }
}

/** The engine could not be reached, or the connection broke. */
export class ConnectionError extends Error {
  override readonly name = 'ConnectionError';

  constructor(message: string, cause: unknown) {
    super(message, { cause });
  }
}

/** Names the endpoint in the error of a connection that could not be made. */
export function connectionError(display: string, error: Error): ConnectionError {
  const code = (error as NodeJS.ErrnoException).code;
  if (code === 'EACCES' || code === 'EPERM') {
    return new ConnectionError(
      `permission denied while trying to connect to the Gantry daemon socket at ${display}: ${error.message}`,
      error,
    );
  }
  if (code === 'ENOENT' || code === 'ECONNREFUSED' || code === 'ENOTSOCK' || error instanceof AggregateError) {
    return new ConnectionError(`Cannot connect to the Gantry daemon at ${display}. Is gantryd running?`, error);
  }
  return new ConnectionError(`error during connect: ${error.message} (${display})`, error);
}
