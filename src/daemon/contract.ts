/**
 * The small frame between HTTP and the engine. A route turns a request into one engine call and its result into a reply; it
 * holds no logic of its own. Thrown GantryErrors become Docker's error body {"message": ...} with the error's status.
 */
import type { IncomingHttpHeaders } from 'node:http';
import type { Duplex, Readable, Writable } from 'node:stream';
import type { Static, TSchema } from 'typebox';
import type { QueryShape, QueryValues } from './http/parameters.ts';

/** API version of a request: from the path prefix, or the newest. */
export interface ApiVersion {
  /** version.lessThan('1.44') */
  lessThan(other: string): boolean;
  toString(): string;
}

export interface ApiRequest<B = unknown, Q = unknown> {
  readonly method: string;
  readonly path: string;
  readonly version: ApiVersion;
  /** Decoded path parameters. */
  readonly params: Record<string, string>;
  /** The declared parameters. */
  readonly query: Q;
  readonly headers: IncomingHttpHeaders;
  /** Parsed and validated JSON body of routes with a `body` schema. */
  readonly body: B;
  /** Raw body of routes without one. */
  readonly input: Readable;
  /** Aborted when the client goes away. */
  readonly signal: AbortSignal;
}

/** Exactly one of these is called for a request (or the handler throws before any). */
export interface ApiReply {
  json(status: number, value: unknown): void;
  /** JSON text made by the caller (numbers beyond 2^53). */
  rawJson(status: number, text: string): void;
  empty(status: number, headers?: Record<string, string>): void;
  /** Chunked body; the caller ends it. Backpressure by the Writable's own rules. */
  stream(status: number, headers: Record<string, string>): Writable;
  /** Takes the connection over: 101 when the client asked to upgrade, else Docker's bare 200; `contentType` e.g. application/vnd.docker.raw-stream. */
  hijack(contentType: string): Duplex;
  /** Completes a websocket handshake. Messages in are stdin, binary (or text) messages out. */
  webSocket(options: { textMessages: boolean }): Promise<Duplex>;
}

/** One way an operation succeeds. */
export interface Answer {
  description: string;
  /** Of the body, or of each object of a stream; without one the body is empty or not JSON. */
  schema?: TSchema;
  /** Media types of the body; application/json for one with a schema. */
  types?: readonly string[];
  headers?: Readonly<Record<string, string>>;
}

interface RouteHead {
  method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'DELETE';
  /** '/containers/:id/json'; ':name*' matches across slashes (image names). */
  path: string;
  /** The Engine API's operationId, e.g. ContainerInspect. */
  operationId: string;
  summary: string;
  /** By status. */
  answers: Readonly<Record<number, Answer>>;
  /** Statuses of the errors that belong to this operation; 400 and 500 may be any operation's. */
  refusals?: readonly number[];
}

/** An operation as the router knows it; made by route(), which ties the handler's types to the declaration. */
export interface Route extends RouteHead {
  query: QueryShape;
  body: TSchema | null;
  handler(request: ApiRequest<never, never>, reply: ApiReply): Promise<void>;
}

export interface RouteSpec<Q extends QueryShape, B extends TSchema> extends RouteHead {
  query?: Q;
  /** Schema of a JSON body. Missing bodies are {}. nulls and unknown fields are dropped before validation. */
  body?: B;
  handler(request: ApiRequest<Static<B>, QueryValues<Q>>, reply: ApiReply): Promise<void>;
}

export function route<const Q extends QueryShape = Record<never, never>, B extends TSchema = TSchema>(
  spec: RouteSpec<Q, B>,
): Route {
  return { ...spec, query: spec.query ?? {}, body: spec.body ?? null, handler: spec.handler as Route['handler'] };
}

/** What a handler that reads no declared value asks of its request. */
export type PlainRequest = Omit<ApiRequest, 'query' | 'body'>;
