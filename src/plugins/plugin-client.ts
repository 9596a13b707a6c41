import { readFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import { errnoOf, GantryError, messageOf } from '../api/errors.ts';
import type { PluginAddress } from './plugin-address.ts';

/** Media type of the protocol (Docker's plugin API, version 1.2). */
const MEDIA_TYPE = 'application/vnd.docker.plugins.v1.2+json';
/** How long a plugin that does not listen is waited for where `retry` says so, and for an answer, as in dockerd. */
export const RETRY_MS = 30_000;
const ANSWER_MS = 120_000;
/** An answer beyond this is none of the protocol's. */
const MAX_ANSWER = 8 << 20;
const UNREACHED = ['ECONNREFUSED', 'ENOENT'];

export interface CallOptions {
  /** A plugin that is being restarted is waited for. */
  retry?: boolean;
  /** So is one that is not there at all: it has been before. */
  appear?: boolean;
}

/** How long a plugin is waited for, milliseconds. */
export interface Patience {
  /** One that does not listen, where a call says `retry`. */
  retryMs?: number | undefined;
  /** An answer. */
  answerMs?: number | undefined;
}

/** The plugin was reached and has answered, but not with what was asked for: in its own words why. */
export class PluginComplaint extends GantryError {
  /** Of the HTTP answer; 200 for an error of the protocol, 0 for an answer that is none of the protocol's. */
  readonly answerStatus: number;

  constructor(message: string, answerStatus: number) {
    super('system', message);
    this.answerStatus = answerStatus;
  }
}

/** Calls a plugin: a POST a call, JSON both ways. */
export class PluginClient {
  readonly #address: PluginAddress;
  readonly #retryMs: number;
  readonly #answerMs: number;

  constructor(address: PluginAddress, { retryMs = RETRY_MS, answerMs = ANSWER_MS }: Patience = {}) {
    this.#address = address;
    this.#retryMs = retryMs;
    this.#answerMs = answerMs;
  }

  /** The answer's object. Throws system: PluginComplaint, or with a cause why there is no answer. */
  async call(method: string, parameters: object | null, options: CallOptions = {}): Promise<Record<string, unknown>> {
    const until = performance.now() + (options.retry === true ? this.#retryMs : 0);
    for (let wait = 1000; ; wait = Math.min(2 * wait, RETRY_MS)) {
      try {
        return await this.#once(method, parameters);
      } catch (error) {
        if (error instanceof GantryError) throw error;
        // Where nothing has been asked yet, asking again does nothing twice.
        const again = UNREACHED.includes(errnoOf(error) ?? '') && performance.now() + wait <= until;
        if (!again) throw unreached(method, error);
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
    // IPAM plugins call it Error.
    const complaint = [object?.Err, object?.Error].find((one) => typeof one === 'string' && one !== '');
    if (status !== 200) {
      throw new PluginComplaint(`${method}: ${complaint || text.trim() || `status ${status}`}`, status);
    }
    if (complaint !== undefined) throw new PluginComplaint(String(complaint), status);
    if (object === null) throw new PluginComplaint(`${method}: the plugin's answer is no JSON object`, 0);
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
      signal: AbortSignal.timeout(this.#answerMs),
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
