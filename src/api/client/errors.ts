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
  return new ConnectionError(`error during connect: ${tlsReason(error) ?? error.message} (${display})`, error);
}

/** What went wrong with TLS, in the words of Go's clients rather than OpenSSL's; undefined when it was something else. */
function tlsReason(error: Error): string | undefined {
  const { code = '', reason = '' } = error as NodeJS.ErrnoException & { reason?: string };
  const alert = /alert (.+)$/.exec(reason);
  if (alert) return `remote error: tls: ${alert[1]}`;
  const certificate = (why: string) => `tls: failed to verify certificate: x509: ${why}`;
  switch (code) {
    case 'SELF_SIGNED_CERT_IN_CHAIN':
    case 'DEPTH_ZERO_SELF_SIGNED_CERT':
    case 'UNABLE_TO_VERIFY_LEAF_SIGNATURE':
    case 'UNABLE_TO_GET_ISSUER_CERT':
    case 'UNABLE_TO_GET_ISSUER_CERT_LOCALLY':
      return certificate('certificate signed by unknown authority');
    case 'CERT_HAS_EXPIRED':
    case 'CERT_NOT_YET_VALID':
      return certificate('certificate has expired or is not yet valid');
    case 'ERR_TLS_CERT_ALTNAME_INVALID':
      return certificate(error.message);
    case 'ERR_SSL_WRONG_VERSION_NUMBER':
      return 'tls: first record does not look like a TLS handshake';
    default:
      return undefined;
  }
}
