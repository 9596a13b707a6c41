/**
 * Client of the Engine API. It keeps connections for reuse, opens none before the first request, and asks for no version
 * beforehand: requests go without a version prefix, which every engine answers in its own newest version; the
 * `Api-Version` header of any answer then tells which one that is. When an engine is newer than MAX_API_VERSION, later
 * requests name that version.
 */

import type { Duplex } from 'node:stream';
import { API_VERSION } from '../version.ts';
import { type BodySink, Connection, type ResponseHead } from './connection.ts';
import { type Endpoint, openStream } from './endpoint.ts';
import { ApiError, connectionError } from './errors.ts';

/** The newest version that this client speaks. */
export const MAX_API_VERSION = API_VERSION;

export type QueryValue = string | number | boolean | readonly string[] | undefined;

export interface RequestOptions {
  /** true is sent as 1, false as 0, an array as a repeated key, undefined not at all. */
  query?: Readonly<Record<string, QueryValue>>;
  /** Sent as JSON. */
  json?: unknown;
  /** Sent chunked, as it comes. */
  stream?: AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
  headers?: Readonly<Record<string, string>>;
  contentType?: string;
}

/** A connection that has left HTTP (attach, exec): the raw stream and what was already read from it. */
export interface Hijacked {
  readonly stream: Duplex;
  readonly head: Buffer;
  /** Content-Type of the answer: application/vnd.docker.multiplexed-stream or ...raw-stream; '' from old engines. */
  readonly mediaType: string;
}

export interface ClientOptions {
  endpoint: Endpoint;
  /** DOCKER_API_VERSION: every request names it. */
  version?: string | undefined;
  /** HttpHeaders of the configuration file. */
  headers?: Readonly<Record<string, string>> | undefined;
  userAgent: string;
}

const HIGH_WATER = 1 << 20;

/** An answer whose body is read once: as text, as JSON, or piece by piece (`for await`). */
export class Response implements AsyncIterable<Buffer> {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly #connection: Connection;
  #queue: Buffer[] = [];
  #size = 0;
  #ended = false;
  #error: Error | undefined;
  #wake: (() => void) | undefined;
  readonly sink: BodySink;

  constructor(head: ResponseHead, connection: Connection) {
    this.status = head.status;
    this.headers = head.headers;
    this.#connection = connection;
    this.sink = {
      data: (chunk) => {
        this.#queue.push(chunk);
        this.#size += chunk.length;
        if (this.#size > HIGH_WATER) connection.stream.pause();
        this.#notify();
      },
      end: (error) => {
        this.#ended = true;
        this.#error = error;
        this.#notify();
      },
    };
  }

  #notify(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Buffer> {
    try {
      for (;;) {
        const chunk = this.#queue.shift();
        if (chunk) {
          this.#size -= chunk.length;
          if (this.#size < HIGH_WATER / 2 && this.#connection.stream.isPaused()) this.#connection.stream.resume();
          yield chunk;
        } else if (this.#ended) {
          if (this.#error) throw this.#error;
          return;
        } else {
          await new Promise<void>((resolve) => {
            this.#wake = resolve;
          });
        }
      }
    } finally {
      if (!this.#ended) this.#connection.destroy();
    }
  }

  async bytes(): Promise<Buffer> {
    const chunks: Buffer[] = [];
    for await (const chunk of this) chunks.push(chunk);
    return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
  }

  async text(): Promise<string> {
    return (await this.bytes()).toString();
  }

  async json<T>(): Promise<T> {
    return JSON.parse(await this.text()) as T;
  }

  /** Ends the connection: nobody wants the rest. */
  abort(): void {
    this.#connection.destroy();
  }
}

export class Client {
  readonly endpoint: Endpoint;
  readonly #fixedVersion: string | undefined;
  readonly #headers: string;
  readonly #idle: Connection[] = [];
  readonly #all = new Set<Connection>();
  #prefix: string;
  #serverVersion: string | undefined;
  /** Headers of the last answer (Server, Ostype, Api-Version...). */
  lastHeaders: Readonly<Record<string, string>> = {};

  constructor(options: ClientOptions) {
    this.endpoint = options.endpoint;
    this.#fixedVersion = options.version;
    this.#prefix = options.version ? `/v${options.version}` : '';
    const host =
      options.endpoint.kind === 'tcp' ? `${options.endpoint.host}:${options.endpoint.port}` : 'api.moby.localhost';
    let headers = `Host: ${host}\r\nUser-Agent: ${options.userAgent}\r\n`;
    for (const [name, value] of Object.entries(options.headers ?? {})) headers += `${name}: ${value}\r\n`;
    this.#headers = headers;
  }

  /** Opens connections ahead of the requests that will use them. */
  preconnect(count: number): void {
    while (this.#idle.length < count) this.#idle.push(this.#open());
  }

  /** The version that requests are answered in; asks the engine (`/_ping`) when no answer has told it yet. */
  async apiVersion(): Promise<string> {
    if (this.#fixedVersion) return this.#fixedVersion;
    if (!this.#serverVersion) await (await this.request('HEAD', '/_ping')).bytes();
    const server = this.#serverVersion ?? '1.24';
    return compareVersions(server, MAX_API_VERSION) > 0 ? MAX_API_VERSION : server;
  }

  /** Sends a request and resolves with the head of the answer. Throws ApiError for 4xx and 5xx, ConnectionError. */
  async request(method: string, path: string, options: RequestOptions = {}): Promise<Response> {
    const response = await this.#exchange(method, path, options);
    if (response.status >= 400) throw await apiError(response);
    return response;
  }

  /** Sends a request and resolves with its JSON answer. */
  async json<T>(method: string, path: string, options: RequestOptions = {}): Promise<T> {
    return await (await this.request(method, path, options)).json<T>();
  }

  /** Sends a request whose answer has no body worth reading; resolves with the status. */
  async send(method: string, path: string, options: RequestOptions = {}): Promise<number> {
    const response = await this.request(method, path, options);
    await response.bytes();
    return response.status;
  }

  /** Sends a request that turns the connection into a raw stream. Throws as `request` does. */
  hijack(method: string, path: string, options: RequestOptions = {}): Promise<Hijacked> {
    return new Promise((resolve, reject) => {
      const connection = this.#take();
      connection.expect(
        method,
        (head) => {
          this.#note(head);
          if (head.status === 101 || head.status === 200) {
            queueMicrotask(() => {
              this.#all.delete(connection);
              resolve({
                stream: connection.stream,
                head: connection.detach(),
                mediaType: head.headers['content-type'] ?? '',
              });
            });
            return undefined;
          }
          const response = new Response(head, connection);
          apiError(response).then(reject, reject);
          return response.sink;
        },
        (error) => reject(connectionError(this.endpoint.display, error)),
      );
      const body = options.json === undefined ? '' : JSON.stringify(options.json);
      const extra = `Connection: Upgrade\r\nUpgrade: tcp\r\n`;
      connection.stream.write(
        this.#head(
          method,
          path,
          options,
          `${extra}${body === '' ? '' : 'Content-Type: application/json\r\n'}Content-Length: ${Buffer.byteLength(body)}\r\n`,
        ) + body,
      );
    });
  }

  /** Closes every connection, also those in use. */
  close(): void {
    for (const connection of this.#all) connection.destroy();
  }

  #exchange(method: string, path: string, options: RequestOptions): Promise<Response> {
    return new Promise((resolve, reject) => {
      const connection = this.#take();
      let answered = false;
      connection.expect(
        method,
        (head) => {
          answered = true;
          this.#note(head);
          const response = new Response(head, connection);
          resolve(response);
          return response.sink;
        },
        (error) => {
          answered = true;
          reject(connectionError(this.endpoint.display, error));
        },
      );
      if (options.stream !== undefined) {
        const type = options.contentType ?? 'application/x-tar';
        connection.stream.write(
          this.#head(method, path, options, `Content-Type: ${type}\r\nTransfer-Encoding: chunked\r\n`),
        );
        this.#upload(connection, options.stream, () => answered).catch((error: unknown) => {
          connection.destroy();
          reject(error);
        });
      } else if (options.json !== undefined) {
        const body = JSON.stringify(options.json);
        connection.stream.write(
          this.#head(
            method,
            path,
            options,
            `Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(body)}\r\n`,
          ) + body,
        );
      } else {
        connection.stream.write(
          this.#head(method, path, options, method === 'GET' || method === 'HEAD' ? '' : 'Content-Length: 0\r\n'),
        );
      }
    });
  }

  async #upload(
    connection: Connection,
    source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
    answered: () => boolean,
  ): Promise<void> {
    const { stream } = connection;
    for await (const chunk of source) {
      // An answer before the end is a refusal: what is left would only be thrown away.
      if (stream.destroyed || answered()) return;
      if (chunk.length === 0) continue;
      stream.write(`${chunk.length.toString(16)}\r\n`);
      stream.write(chunk);
      if (!stream.write('\r\n')) {
        await new Promise<void>((resolve) => {
          const done = () => {
            stream.off('drain', done);
            stream.off('close', done);
            resolve();
          };
          stream.once('drain', done);
          stream.once('close', done);
        });
      }
    }
    if (!stream.destroyed) stream.write('0\r\n\r\n');
  }

  #head(method: string, path: string, options: RequestOptions, extra: string): string {
    const base = this.endpoint.kind === 'tcp' ? (this.endpoint.prefix ?? '') : '';
    let head = `${method} ${base}${this.#prefix}${path}${queryString(options.query)} HTTP/1.1\r\n${this.#headers}${extra}`;
    if (options.headers) for (const [name, value] of Object.entries(options.headers)) head += `${name}: ${value}\r\n`;
    return `${head}\r\n`;
  }

  #note(head: ResponseHead): void {
    this.lastHeaders = head.headers;
    const version = head.headers['api-version'];
    if (version === undefined || version === this.#serverVersion) return;
    this.#serverVersion = version;
    if (!this.#fixedVersion && compareVersions(version, MAX_API_VERSION) > 0) this.#prefix = `/v${MAX_API_VERSION}`;
  }

  #take(): Connection {
    for (;;) {
      const connection = this.#idle.shift();
      if (!connection) return this.#open();
      if (connection.usable) return connection;
    }
  }

  #open(): Connection {
    const connection: Connection = new Connection(openStream(this.endpoint), () => this.#idle.unshift(connection));
    this.#all.add(connection);
    connection.stream.once('close', () => this.#all.delete(connection));
    return connection;
  }
}

async function apiError(response: Response): Promise<Error> {
  const text = await response.text().catch(() => '');
  let message = text.trim();
  try {
    message = (JSON.parse(text) as { message?: string }).message ?? message;
  } catch {
    // Not JSON: a proxy in between, or an engine before 1.24; its text is the message.
  }
  return new ApiError(response.status, message === '' ? `request returned ${response.status}` : message);
}

function queryString(query: RequestOptions['query']): string {
  if (!query) return '';
  const parts: string[] = [];
  for (const [key, value] of Object.entries(query)) {
    if (value === undefined) continue;
    const values = Array.isArray(value)
      ? (value as string[])
      : [value === true ? '1' : value === false ? '0' : String(value)];
    for (const one of values) parts.push(`${encodeURIComponent(key)}=${encodeURIComponent(one)}`);
  }
  return parts.length === 0 ? '' : `?${parts.join('&')}`;
}

/** Compares API versions ("1.9" is before "1.24"): negative, zero or positive. */
export function compareVersions(a: string, b: string): number {
  const [majorA = 0, minorA = 0] = a.split('.').map(Number);
  const [majorB = 0, minorB = 0] = b.split('.').map(Number);
  return majorA - majorB || minorA - minorB;
}
