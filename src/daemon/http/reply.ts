import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex, Writable } from 'node:stream';
import type { WebSocket } from 'ws';
import { GantryError, messageOf } from '../../api/errors.ts';
import type { Logger } from '../../engine/context.ts';
import type { ApiReply } from '../contract.ts';
import { type BareTakeover, continueRaw, releaseResponse } from './hijack.ts';

/** Milliseconds that a client may go on sending the body of a request that was refused. */
const REFUSED_BODY_TIMEOUT = 10_000;

/** How the connection of a request can be taken over, if at all. */
export type Takeover =
  | { kind: 'none' }
  | { kind: 'bare'; bare: BareTakeover }
  | { kind: 'upgrade'; socket: Socket; head: Buffer; protocol: string };

const switching = (protocol: string) => ['HTTP/1.1 101 UPGRADED', 'Connection: Upgrade', `Upgrade: ${protocol}`];

/** One reply on a node:http response. */
export class HttpReply implements ApiReply {
  readonly #request: IncomingMessage;
  readonly #response: ServerResponse;
  readonly #takeover: Takeover;
  readonly #commonHeaders: Record<string, string>;
  #taken = false;
  #streaming = false;
  #plainErrors = false;

  constructor(
    request: IncomingMessage,
    response: ServerResponse,
    takeover: Takeover,
    commonHeaders: Record<string, string>,
  ) {
    this.#request = request;
    this.#response = response;
    this.#takeover = takeover;
    this.#commonHeaders = commonHeaders;
  }

  /** The connection is no longer node:http's. */
  get taken(): boolean {
    return this.#taken;
  }

  /** A body without a known end is being sent: a client that closes its side wants no more of it. */
  get streaming(): boolean {
    return this.#streaming;
  }

  /** Errors as text: for clients from before the JSON form, which would print it as it is. */
  usePlainErrors(): void {
    this.#plainErrors = true;
  }

  json(status: number, value: unknown): void {
    this.rawJson(status, JSON.stringify(value) ?? 'null');
  }

  rawJson(status: number, text: string): void {
    const body = `${text}\n`;
    this.#response.writeHead(status, {
      ...this.#commonHeaders,
      'Content-Type': 'application/json',
      'Content-Length': Buffer.byteLength(body),
    });
    this.#response.end(this.#request.method === 'HEAD' ? undefined : body);
  }

  empty(status: number, headers: Record<string, string> = {}): void {
    const bodiless = status === 204 || status === 304;
    this.#response.writeHead(status, {
      ...this.#commonHeaders,
      ...(bodiless || 'Content-Length' in headers ? {} : { 'Content-Length': '0' }),
      ...headers,
    });
    this.#response.end();
  }

  stream(status: number, headers: Record<string, string>): Writable {
    this.#streaming = true;
    this.#response.writeHead(status, { ...this.#commonHeaders, ...headers });
    // Clients wait for the head before the first line of a quiet stream.
    this.#response.flushHeaders();
    return this.#response;
  }

  hijack(contentType: string): Duplex {
    const takeover = this.#takeover;
    if (takeover.kind === 'none') {
      throw new GantryError('invalid_parameter', 'this operation cannot take over the connection');
    }
    this.#taken = true;
    const headers = Object.entries({ 'Content-Type': contentType, ...this.#commonHeaders }).map(
      ([name, value]) => `${name}: ${value}`,
    );
    if (takeover.kind === 'upgrade') {
      releaseResponse(this.#response, takeover.socket);
      return continueRaw(takeover.socket, takeover.head, [...switching(takeover.protocol), ...headers]);
    }
    const { socket, head } = takeover.bare.take();
    releaseResponse(this.#response, socket);
    // Some clients name the protocol without a Connection header: no upgrade to node:http, but they wait for one all the same.
    const protocol = this.#request.headers.upgrade;
    return continueRaw(socket, head, [
      ...(protocol === undefined ? ['HTTP/1.1 200 OK'] : switching(protocol)),
      ...headers,
    ]);
  }

  async webSocket(options: { textMessages: boolean }): Promise<Duplex> {
    const takeover = this.#takeover;
    if (takeover.kind !== 'upgrade' || takeover.protocol.toLowerCase() !== 'websocket') {
      throw new GantryError('invalid_parameter', 'not websocket protocol');
    }
    const { WebSocketServer, createWebSocketStream } = await import('ws');
    this.#taken = true;
    releaseResponse(this.#response, takeover.socket);
    return await new Promise((resolve) => {
      const server = new WebSocketServer({ noServer: true, perMessageDeflate: false });
      server.on('headers', (lines) => {
        for (const [name, value] of Object.entries(this.#commonHeaders)) lines.push(`${name}: ${value}`);
      });
      server.handleUpgrade(this.#request, takeover.socket, takeover.head, (webSocket) => {
        if (options.textMessages) sendTextMessages(webSocket);
        const stream = createWebSocketStream(webSocket);
        stream.on('error', () => stream.destroy());
        resolve(stream);
      });
    });
  }

  /** Docker's error body. Once a stream has begun there is no room for one: the connection is cut, so that no client takes the part for the whole. */
  fail(error: unknown, log: Logger): void {
    const status = error instanceof GantryError ? error.status : 500;
    const message = messageOf(error);
    if (status >= 500) {
      log.error(`Handler for ${this.#request.method} ${this.#request.url} returned error: ${message}`, {
        ...(error instanceof GantryError ? {} : { stack: error instanceof Error ? (error.stack ?? '') : '' }),
      });
    } else log.debug(`Handler for ${this.#request.method} ${this.#request.url} returned error: ${message}`);
    if (this.#taken) return;
    if (this.#response.headersSent) {
      this.#response.destroy();
      return;
    }
    if (status === 304) this.empty(304);
    else if (this.#plainErrors) this.#refuse(status, `${message}\n`, 'text/plain; charset=utf-8');
    else this.#refuse(status, `${JSON.stringify({ message })}\n`, 'application/json');
  }

  /**
   * The client may still be sending a body that nobody wants. It gets the answer at once, but the connection stays until it has
   * seen it and stopped: closed earlier, the client's kernel throws the answer away with the connection.
   */
  #refuse(status: number, body: string, type: string): void {
    const request = this.#request;
    const response = this.#response;
    const headers = { 'Content-Type': type, 'Content-Length': Buffer.byteLength(body) };
    response.writeHead(status, { ...this.#commonHeaders, ...headers });
    const text = request.method === 'HEAD' ? '' : body;
    if (request.complete || request.destroyed) {
      response.end(text);
      return;
    }
    if (text !== '') response.write(text);
    const end = () => {
      clearTimeout(timer);
      response.end();
    };
    const timer = setTimeout(end, REFUSED_BODY_TIMEOUT);
    request.once('end', end);
    request.once('close', end);
    request.resume();
  }
}

/** The stream gives bytes, which would go as binary messages. */
function sendTextMessages(webSocket: WebSocket): void {
  const send = webSocket.send.bind(webSocket);
  webSocket.send = (data: Parameters<typeof send>[0], done?: unknown) =>
    send(data, { binary: false }, done as (error?: Error) => void);
}
