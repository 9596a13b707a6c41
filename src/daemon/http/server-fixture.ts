/** An API server on a socket of its own with routes that show what the HTTP frame makes of a request. */
import { mkdtempSync, rmSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { type TSchema, Type } from 'typebox';
import { GantryError } from '../../api/errors.ts';
import { type ApiReply, type ApiRequest, type Route, type RouteSpec, route } from '../contract.ts';
import { filters, flag, list, number, type QueryShape, text } from './parameters.ts';
import { ApiServer } from './server.ts';

/** What the route of endless streams has seen. */
export interface StreamProbe {
  aborted: number;
  /** Writes to the latest stream. */
  emit(): void;
}

export interface Got {
  status: number;
  headers: http.IncomingHttpHeaders;
  text: string;
}

export interface TestServer {
  /** Its socket. */
  path: string;
  /** The errors that it has logged. */
  logged: string[];
  streams: StreamProbe;
  request(
    method: string,
    url: string,
    options?: { headers?: Record<string, string>; body?: string; agent?: http.Agent },
  ): Promise<Got>;
  /** Writes the pieces one after another, then ends the sending side; returns all that came back. */
  converse(pieces: string[], options?: { gap?: number; end?: boolean }): Promise<string>;
}

/** The server runs from before the first test of the file until after the last. */
export function testServer(): TestServer {
  const directory = mkdtempSync(join(tmpdir(), 'api-server-'));
  const path = join(directory, 'sock');
  const logged: string[] = [];
  const log = { debug() {}, info() {}, warn() {}, error: (message: string) => void logged.push(message) };
  const streams: StreamProbe = { aborted: 0, emit() {} };
  const api = new ApiServer({ routes: routes(streams), log, version: '1.2.3', onActivity() {} });
  before(async () => {
    const server = api.createServer(null);
    await new Promise<void>((resolve) => server.listen(path, resolve));
  });
  after(async () => {
    await api.close(100);
    rmSync(directory, { recursive: true });
  });
  return {
    path,
    logged,
    streams,
    request: (method, url, options) => request(path, method, url, options),
    converse: (pieces, options) => converse(path, pieces, options),
  };
}

/** Answers with what it was sent, line by line, and says when stdin has ended. */
const echo = async (request: ApiRequest, reply: ApiReply) => {
  await sleep(20);
  const stream = reply.hijack('application/vnd.docker.raw-stream');
  stream.write(`body=${JSON.stringify(request.body ?? null)};`);
  stream.on('data', (chunk) => stream.write(`[${chunk}]`));
  stream.on('end', () => stream.end('eof'));
};

/** A route of which only the work counts. */
const of = <const Q extends QueryShape = Record<never, never>, B extends TSchema = TSchema>(
  spec: Omit<RouteSpec<Q, B>, 'summary' | 'answers'>,
): Route => route<Q, B>({ ...spec, summary: '', answers: {} } as RouteSpec<Q, B>);

function routes(streams: StreamProbe): Route[] {
  return [
    of({
      method: 'GET',
      path: '/_ping',
      operationId: 'SystemPing',
      async handler(_, reply) {
        reply.json(200, 'OK');
      },
    }),
    of({
      method: 'HEAD',
      path: '/_ping',
      operationId: 'SystemPingHead',
      async handler(_, reply) {
        reply.empty(200, { 'X-Seen': '1' });
      },
    }),
    of({ method: 'POST', path: '/containers/:id/attach', operationId: 'ContainerAttach', handler: echo }),
    of({
      method: 'POST',
      path: '/exec/:id/start',
      operationId: 'ExecStart',
      body: Type.Object({ Tty: Type.Optional(Type.Boolean()) }),
      handler: echo,
    }),
    of({
      method: 'POST',
      path: '/exec/:id/eager',
      operationId: 'ExecStart',
      // Takes over without a pause, and reads only after one.
      async handler(_, reply) {
        const stream = reply.hijack('application/vnd.docker.raw-stream');
        await sleep(20);
        if (stream.readableEnded) stream.end('lost');
        stream.on('data', (chunk) => stream.write(`[${chunk}]`));
        stream.on('end', () => stream.end('eof'));
      },
    }),
    of({
      method: 'POST',
      path: '/exec/:id/fail',
      operationId: 'Fail',
      async handler() {
        throw new GantryError('conflict', 'no');
      },
    }),
    of({
      method: 'GET',
      path: '/containers/:id/attach/ws',
      operationId: 'ContainerAttachWebsocket',
      async handler(request, reply) {
        const stream = await reply.webSocket({ textMessages: request.version.lessThan('1.28') });
        stream.on('data', (chunk) => stream.write(`<${chunk}>`));
      },
    }),
    of({
      method: 'GET',
      path: '/events',
      operationId: 'SystemEvents',
      async handler(request, reply) {
        const stream = reply.stream(200, { 'Content-Type': 'application/json' });
        streams.emit = () => void stream.write('{}\n');
        await new Promise<void>((resolve) => request.signal.addEventListener('abort', () => resolve()));
        streams.aborted++;
        stream.end();
      },
    }),
    of({
      method: 'GET',
      path: '/query',
      operationId: 'Query',
      query: {
        flag: flag(''),
        on: flag('', { missing: true }),
        number: number(''),
        text: text('', { missing: 'none' }),
        list: list(''),
        filters: filters('', ['label']),
      },
      async handler({ query }, reply) {
        reply.json(200, { ...query, filters: query.filters.get('label') });
      },
    }),
    of({
      method: 'POST',
      path: '/body',
      operationId: 'Body',
      body: Type.Object({ Name: Type.Optional(Type.String()) }),
      async handler({ body }, reply) {
        reply.json(200, body);
      },
    }),
    of({
      method: 'GET',
      path: '/broken',
      operationId: 'Broken',
      async handler() {
        throw new TypeError('a bug');
      },
    }),
    of({
      method: 'GET',
      path: '/half',
      operationId: 'Half',
      async handler(_, reply) {
        reply.stream(200, {}).write('part');
        throw new Error('later');
      },
    }),
    of({
      method: 'POST',
      path: '/upload',
      operationId: 'Upload',
      async handler(request, reply) {
        let size = 0;
        for await (const chunk of request.input) size += chunk.length;
        reply.json(200, size);
      },
    }),
  ];
}

function request(
  path: string,
  method: string,
  url: string,
  options: { headers?: Record<string, string>; body?: string; agent?: http.Agent } = {},
): Promise<Got> {
  return new Promise((resolve, reject) => {
    const sent = http.request(
      { socketPath: path, method, path: url, headers: options.headers ?? {}, agent: options.agent ?? false },
      (response) => {
        let text = '';
        response.on('data', (chunk) => {
          text += chunk;
        });
        response.on('error', reject);
        response.on('end', () => resolve({ status: response.statusCode!, headers: response.headers, text }));
      },
    );
    sent.on('error', reject);
    sent.end(options.body);
  });
}

function converse(path: string, pieces: string[], { gap = 50, end = true } = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = net.connect({ path, allowHalfOpen: true });
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk;
    });
    socket.on('end', () => {
      socket.end();
      resolve(text);
    });
    socket.on('error', reject);
    void (async () => {
      for (const piece of pieces) {
        socket.write(piece);
        await sleep(gap);
      }
      if (end) socket.end();
    })();
  });
}
