import { readFileSync } from 'node:fs';
import type { ServerOptions as TlsServerOptions } from 'node:https';
import { createSecureContext } from 'node:tls';
import { messageOf } from '../api/errors.ts';
import type { DaemonConfig } from './config/daemon-config.ts';

/** TLS settings of the tcp listeners, or null without TLS. Throws Error that names the file. */
export function tlsOptions(config: DaemonConfig): TlsServerOptions | null {
  // As in dockerd, naming tlsverify at all turns TLS on.
  if (!config.bool('tls') && !config.given('tlsverify')) return null;
  const verify = config.bool('tlsverify');
  const [cert, key, ca] = [config.string('tlscert'), config.string('tlskey'), config.string('tlscacert')];
  const pair = `(cert: "${cert}", key: "${key}")`;
  let options: TlsServerOptions;
  try {
    options = { cert: readFileSync(cert), key: readFileSync(key), minVersion: 'TLSv1.2' };
    createSecureContext(options);
  } catch (cause) {
    throw new Error(`could not load X509 key pair ${pair}: ${messageOf(cause)}`, { cause });
  }
  if (!verify) return options;
  try {
    return { ...options, ca: readFileSync(ca), requestCert: true, rejectUnauthorized: true };
  } catch (cause) {
    throw new Error(`could not read CA certificate "${ca}": ${messageOf(cause)}`, { cause });
  }
}
