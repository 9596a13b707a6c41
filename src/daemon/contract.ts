/**
 * The small frame between HTTP and the engine. A route turns a request into one engine call and its result into a reply; it
 * holds no logic of its own. Thrown GantryErrors become Docker's error body {"message": ...} with the error's status.
 */
import type { IncomingHttpHeaders } from 'node:http';
import type { Duplex, Readable, Writable } from 'node:stream';
import type { TSchema } from 'typebox';
import type { Filters } from '../api/filters.ts';

/** API version of a request: from the path prefix, or the newest. */
export interface ApiVersion {
  major: number;
  minor: number;
  /** version.lessThan('1.44') */
  lessThan(other: string): boolean;
  toString(): string;
}

export interface Query {
  has(name: string): boolean;
  /** '' when missing. */
  string(name: string): string;
  /** All values of a repeated parameter. */
  strings(name: string): string[];
  /** Docker's rule: false for '', 0, no, false, none; true otherwise. `missing`: value when the parameter is absent (false). */
  bool(name: string, missing?: boolean): boolean;
  /** null when missing; throws invalid_parameter when not a whole number. */
  int(name: string): number | null;
  /** The `filters` parameter, both forms: {"label":["a"]} and {"label":{"a":true}}. */
  filters(): Filters;
}

export interface ApiRequest<B = unknown> {
  readonly method: string;
  readonly path: string;
  readonly version: ApiVersion;
  /** Decoded path parameters. */
  readonly params: Record<string, string>;
  readonly query: Query;
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
  /** Completes a websocket handshake. Frames in are stdin, binary frames out. */
  webSocket(): Promise<Duplex>;
}

export interface Route {
  method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'DELETE';
  /** '/containers/:id/json'; ':name*' matches across slashes (image names). */
  path: string;
  /** The Engine API's operationId, e.g. ContainerInspect. */
  operationId: string;
  /** Schema of a JSON body. Missing bodies are {}. nulls and unknown fields are dropped before validation. */
  body?: TSchema;
  /** Body may be absent or of another content type (exec start of old clients). */
  bodyOptional?: boolean;
  handler(request: ApiRequest<never>, reply: ApiReply): Promise<void>;
}
