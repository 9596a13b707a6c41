import { createServer, type IncomingMessage, type Server, ServerResponse } from 'node:http';
import { createServer as createTlsServer, type ServerOptions as TlsServerOptions } from 'node:https';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { GantryError } from '../../api/errors.ts';
import { API_VERSION } from '../../api/version.ts';
import type { Logger } from '../../engine/context.ts';
import type { ApiRequest, ApiVersion, Route } from '../contract.ts';
import { readJsonBody } from './body.ts';
import { BodyReader } from './conform.ts';
import { BareTakeover } from './hijack.ts';
import { readQuery } from './parameters.ts';
import { HttpReply, type Takeover } from './reply.ts';
import { Router } from './router.ts';
import { isTooOld, NEWEST, requestedVersion } from './version.ts';

/** Operations whose connection becomes a raw stream. Any other request with an Upgrade header is answered as if it had none. */
const HIJACKS = new Set(['ContainerAttach', 'ExecStart', 'ContainerAttachWebsocket']);

/** Milliseconds a client may take to send a request's head: a bound on clients that trickle. */
const HEADERS_TIMEOUT = 60_000;
const KEEP_ALIVE_TIMEOUT = 120_000;

export interface ApiServerOptions {
  routes: readonly Route[];
  log: Logger;
  /** Shown in the Server header, without the product's name. */
  version: string;
  /** Called when a request comes, when one has been served, and when a connection ends. */
  onActivity: () => void;
}

/** The Engine API over HTTP: any number of node:http servers (one a listener) that share one table of routes. */
export class ApiServer {
  readonly #router: Router;
  readonly #log: Logger;
  readonly #onActivity: () => void;
  readonly #headers: Record<string, string>;
  readonly #bodies = new BodyReader();
  readonly #bare = new WeakMap<Duplex, BareTakeover>();
  readonly #servers: Server[] = [];
  readonly #aborts = new Set<AbortController>();

  constructor(options: ApiServerOptions) {
    this.#router = new Router(options.routes);
    this.#log = options.log;
    this.#onActivity = options.onActivity;
    this.#headers = {
      'Api-Version': API_VERSION,
      'Docker-Experimental': 'false',
      Ostype: 'linux',
      Server: `Gantry/${options.version} (linux)`,
    };
  }

  /** A server of this API that is not listening yet. `tls`: for tcp listeners with certificates. */
  createServer(tls: TlsServerOptions | null): Server {
    const options = {
      // The defaults cut uploads and followed logs after five minutes.
      requestTimeout: 0,
      headersTimeout: HEADERS_TIMEOUT,
      keepAliveTimeout: KEEP_ALIVE_TIMEOUT,
      noDelay: true,
      shouldUpgradeCallback: (request: IncomingMessage) => this.#takesOver(request),
    };
    const server =
      tls === null
        ? createServer(options)
        : createTlsServer({ ...options, ...tls, allowHalfOpen: true } as TlsServerOptions);
    // A client may close its sending side and still wait for the answer.
    (server as Server & { httpAllowHalfOpen: boolean }).httpAllowHalfOpen = true;
    server.on('connection', (socket: Socket) => socket.once('close', this.#onActivity));
    server.on('request', (request, response) => this.#onRequest(request, response));
    server.on('upgrade', (request, socket, head) => this.#onUpgrade(request, socket as Socket, head));
    server.on('clientError', (error, socket) => this.#onClientError(error, socket));
    this.#servers.push(server);
    return server;
  }

  /** Takes no new connections, ends idle ones, and after `grace` milliseconds the busy ones too. */
  async close(grace: number): Promise<void> {
    const closed = this.#servers.map((server) => new Promise<void>((resolve) => server.close(() => resolve())));
    for (const server of this.#servers) server.closeIdleConnections();
    // Streams without an end of their own (events, followed logs) are told to end.
    for (const abort of this.#aborts) abort.abort();
    const timer = setTimeout(() => {
      for (const server of this.#servers) server.closeAllConnections();
    }, grace);
    await Promise.race([
      Promise.all(closed),
      new Promise((resolve) => {
        setTimeout(resolve, grace + 100).unref();
      }),
    ]);
    clearTimeout(timer);
  }

  #takesOver(request: IncomingMessage): boolean {
    const path = pathOf(request.url ?? '/');
    try {
      const match = this.#router.find(request.method ?? '', splitVersion(path).rest);
      return match !== null && HIJACKS.has(match.route.operationId);
    } catch {
      return false;
    }
  }

  #onRequest(request: IncomingMessage, response: ServerResponse): void {
    let takeover: Takeover = { kind: 'none' };
    if (request.method === 'POST' && this.#takesOver(request)) {
      const bare = new BareTakeover(request);
      this.#bare.set(request.socket, bare);
      takeover = { kind: 'bare', bare };
      // The connection is never used again: attach ends with it.
      response.shouldKeepAlive = false;
      // The parser, still at work on the chunk that brought the request, will make the socket flow when it is through: a connection
      // that was taken over before that would lose the first bytes of stdin.
      process.nextTick(() => void this.#serve(request, response, takeover));
      return;
    }
    void this.#serve(request, response, takeover);
  }

  #onUpgrade(request: IncomingMessage, socket: Socket, head: Buffer): void {
    const response = new ServerResponse(request);
    response.shouldKeepAlive = false;
    response.assignSocket(socket);
    response.once('finish', () => {
      if (response.socket === null) return;
      response.detachSocket(socket);
      socket.end();
    });
    socket.on('error', () => socket.destroy());
    const protocol = request.headers.upgrade ?? 'tcp';
    void this.#serve(request, response, { kind: 'upgrade', socket, head, protocol });
  }

  async #serve(request: IncomingMessage, response: ServerResponse, takeover: Takeover): Promise<void> {
    this.#onActivity();
    const reply = new HttpReply(request, response, takeover, this.#headers);
    const abort = new AbortController();
    this.#aborts.add(abort);
    const { socket } = request;
    const gone = () => {
      this.#onActivity();
      this.#aborts.delete(abort);
      socket.off('end', ended);
      if (!response.writableFinished && !reply.taken) abort.abort();
    };
    const ended = () => {
      if (reply.streaming) abort.abort();
    };
    response.once('close', gone);
    socket.once('end', ended);
    try {
      const url = request.url ?? '/';
      const path = pathOf(url);
      const { prefix, rest } = splitVersion(path);
      const match = this.#router.find(request.method ?? '', rest);
      const options = request.method === 'OPTIONS';
      if (match === null && !options) throw new GantryError('not_found', 'page not found');
      if (isTooOld(prefix)) reply.usePlainErrors();
      const version: ApiVersion = prefix === '' ? NEWEST : requestedVersion(prefix);
      if (match === null) {
        // As dockerd for every path, there or not.
        reply.empty(200);
        return;
      }
      const { route, params } = match;
      const query = readQuery(route.query, url.slice(path.length + 1));
      const body = route.body === null ? null : await readJsonBody(route.body, request.headers, request, this.#bodies);
      const apiRequest: ApiRequest<never, never> = {
        method: request.method ?? '',
        path: rest,
        version,
        params,
        query: query as never,
        headers: request.headers,
        body: body as never,
        input: request,
        signal: abort.signal,
      };
      await route.handler(apiRequest, reply);
    } catch (error) {
      if (abort.signal.aborted && !response.headersSent && !reply.taken && socket.destroyed) return;
      reply.fail(error, this.#log);
    }
  }

  #onClientError(error: Error, socket: Duplex): void {
    const { code, rawPacket, bytesParsed } = error as Error & {
      code?: string;
      rawPacket?: Buffer;
      bytesParsed?: number;
    };
    const bare = this.#bare.get(socket);
    if (bare !== undefined && rawPacket !== undefined) {
      bare.keepRejected(rawPacket, bytesParsed ?? 0);
      return;
    }
    if (code === 'ECONNRESET' || !socket.writable) {
      socket.destroy();
      return;
    }
    const status =
      code === 'HPE_HEADER_OVERFLOW'
        ? '431 Request Header Fields Too Large'
        : code === 'ERR_HTTP_REQUEST_TIMEOUT'
          ? '408 Request Timeout'
          : '400 Bad Request';
    socket.end(`HTTP/1.1 ${status}\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n${status}`);
  }
}

function pathOf(url: string): string {
  const at = url.indexOf('?');
  return at < 0 ? url : url.slice(0, at);
}

/** '/v1.41/info' -> '1.41' and '/info'. */
function splitVersion(path: string): { prefix: string; rest: string } {
  const found = /^\/v([\d.]+)(\/.*)$/.exec(path);
  return found === null ? { prefix: '', rest: path } : { prefix: found[1]!, rest: found[2]! };
}
