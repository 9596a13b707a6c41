import { readFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import { errnoOf, GantryError, messageOf } from '../api/errors.ts';
import type { PluginAddress } from './plugin-address.ts';

/** Media type of the protocol (Docker's plugin API, version 1.2). */
const MEDIA_TYPE = 'application/vnd.docker.plugins.v1.2+json';
/** How long a plugin that does not listen is waited for where `retry` says so, and for an answer, as in dockerd. */
const RETRY_MS = 30_000;
const ANSWER_MS = 120_000;
/** An answer beyond this is none of the protocol's. */
const MAX_ANSWER = 8 << 20;
const UNREACHED = ['ECONNREFUSED', 'ENOENT'];

export interface CallOptions {
  /** A plugin that is being restarted is waited for. */
  retry?: boolean;
}

/** Calls a plugin: a POST a call, JSON both ways. */
export class PluginClient {
  readonly #address: PluginAddress;
  readonly #retryMs: number;

  constructor(address: PluginAddress, retryMs: number = RETRY_MS) {
    this.#address = address;
    this.#retryMs = retryMs;
  }

  /** The answer's object. Throws system: what the plugin says is wrong, in its own words, or why it cannot be reached. */
  async call(method: string, parameters: object | null, options: CallOptions = {}): Promise<Record<string, unknown>> {
    const until = performance.now() + (options.retry === true ? this.#retryMs : 0);
    for (let wait = 1000; ; wait = Math.min(2 * wait, RETRY_MS)) {
      try {
        return await this.#once(method, parameters);
      } catch (error) {
        // Nothing has been asked yet: asking again does nothing twice.
        if (!UNREACHED.includes(errnoOf(error) ?? '')) throw error;
        if (performance.now() + wait > until) throw unreached(method, error);
        await sleep(wait);
      }
    }
  }

  async #once(method: string, parameters: object | null): Promise<Record<string, unknown>> {
    const { status, text } = await this.#post(method, parameters === null ? '' : JSON.stringify(parameters));
    let answer: unknown;
    try {
      answer = text.trim() === '' ? {} : JSON.parse(text);
    } catch {
      answer = null;
    }
    const object = typeof answer === 'object' && answer !== null ? (answer as Record<string, unknown>) : null;
    const complaint = typeof object?.Err === 'string' ? object.Err : '';
    if (status !== 200) throw new GantryError('system', `${method}: ${complaint || text.trim() || `status ${status}`}`);
    if (complaint !== '') throw new GantryError('system', complaint);
    if (object === null) throw new GantryError('system', `${method}: the plugin's answer is no JSON object`);
    return object;
  }

  #post(method: string, body: string): Promise<{ status: number; text: string }> {
    const { url, tls } = this.#address;
    const secure = url.protocol === 'https:';
    const request = (secure ? https : http).request({
      ...(url.protocol === 'unix:' ? { socketPath: decodeURIComponent(url.pathname) } : {}),
      ...(url.protocol === 'unix:' ? {} : { host: url.hostname.replace(/^\[|\]$/g, ''), port: url.port || undefined }),
      ...(secure ? tlsOptions(tls) : {}),
      agent: false,
      method: 'POST',
      path: `/${method}`,
      headers: { Accept: MEDIA_TYPE, 'Content-Type': MEDIA_TYPE, 'Content-Length': Buffer.byteLength(body) },
      signal: AbortSignal.timeout(ANSWER_MS),
    });
    return new Promise((resolve, reject) => {
      request.once('error', reject);
      request.once('response', (response) => {
        const parts: Buffer[] = [];
        let size = 0;
        response.on('data', (part: Buffer) => {
          size += part.length;
          if (size > MAX_ANSWER)
            response.destroy(new GantryError('system', `${method}: the plugin's answer is too long`));
          else parts.push(part);
        });
        response.once('error', reject);
        response.once('end', () =>
          resolve({ status: response.statusCode ?? 0, text: Buffer.concat(parts).toString() }),
        );
      });
      request.end(body);
    });
  }
}

function unreached(method: string, cause: unknown): GantryError {
  return new GantryError('system', `${method}: the plugin does not answer: ${messageOf(cause)}`, { cause });
}

function tlsOptions(tls: PluginAddress['tls']): https.RequestOptions {
  return {
    rejectUnauthorized: !tls.insecure,
    ...(tls.caFile === '' ? {} : { ca: readFileSync(tls.caFile) }),
    ...(tls.certFile === '' ? {} : { cert: readFileSync(tls.certFile) }),
    ...(tls.keyFile === '' ? {} : { key: readFileSync(tls.keyFile) }),
  };
}
