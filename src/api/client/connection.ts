/**
 * HTTP/1.1 on one byte stream, as much of it as the Engine API needs (RFC 9112): one exchange at a time, bodies by length, chunked
 * or up to the end of the stream, trailers ignored, and a stream that leaves HTTP altogether (101, or Docker's bare hijack).
 * node:http does the same for 8 ms more at the start of the process.
 */

import type { Duplex } from 'node:stream';

export interface ResponseHead {
  status: number;
  reason: string;
  /** Names in lower case; repeated ones joined by ", ". */
  headers: Record<string, string>;
}

/** What follows the head. */
export interface BodySink {
  data(chunk: Buffer): void;
  /** `error` is set when the stream broke off before the body was complete. */
  end(error?: Error): void;
}

type State = 'idle' | 'head' | 'length' | 'chunk-size' | 'chunk' | 'chunk-end' | 'trailer' | 'close' | 'raw' | 'dead';

const EMPTY = Buffer.alloc(0);

export class Connection {
  readonly stream: Duplex;
  #state: State = 'idle';
  #buffer: Buffer = EMPTY;
  #left = 0;
  #keepAlive = true;
  #noBody = false;
  #onHead: ((head: ResponseHead) => BodySink | undefined) | undefined;
  #onFail: ((error: Error) => void) | undefined;
  #sink: BodySink | undefined;
  #error: Error | undefined;
  #onIdle: () => void;
  readonly #data = (chunk: Buffer) => this.#feed(chunk);
  readonly #end = () => this.#finish(undefined);
  readonly #close = () => this.#finish(this.#error);

  /** `onIdle` is called each time an exchange has ended and the stream can carry another. */
  constructor(stream: Duplex, onIdle: () => void) {
    this.stream = stream;
    this.#onIdle = onIdle;
    stream.on('data', this.#data);
    stream.on('end', this.#end);
    stream.on('close', this.#close);
    stream.on('error', (error) => {
      this.#error = error;
      this.#finish(error);
    });
  }

  get usable(): boolean {
    return this.#state === 'idle' && !this.stream.destroyed;
  }

  /**
   * Starts an exchange: the caller has written (or goes on writing) the request. `onHead` gets the response's head and returns
   * where the body goes, or nothing to take over the raw stream with `detach`. `onFail` is called when no head comes.
   */
  expect(method: string, onHead: (head: ResponseHead) => BodySink | undefined, onFail: (error: Error) => void): void {
    this.#noBody = method === 'HEAD';
    this.#onHead = onHead;
    this.#onFail = onFail;
    if (this.#state === 'dead') {
      queueMicrotask(() => onFail(this.#error ?? new Error('EOF')));
      return;
    }
    this.#state = 'head';
  }

  /** Leaves HTTP: returns the bytes that were read too far. The stream is the caller's from now on, and paused. */
  detach(): Buffer {
    this.#state = 'raw';
    const rest = this.#buffer;
    this.#buffer = EMPTY;
    this.stream.pause();
    this.stream.off('data', this.#data);
    this.stream.off('end', this.#end);
    this.stream.off('close', this.#close);
    return rest;
  }

  destroy(): void {
    this.stream.destroy();
  }

  #feed(chunk: Buffer): void {
    this.#buffer = this.#buffer.length === 0 ? chunk : Buffer.concat([this.#buffer, chunk]);
    while (this.#step());
  }

  #step(): boolean {
    switch (this.#state) {
      case 'head': {
        const end = this.#buffer.indexOf('\r\n\r\n');
        if (end < 0) return false;
        const text = this.#buffer.toString('latin1', 0, end);
        this.#buffer = this.#buffer.subarray(end + 4);
        this.#takeHead(text);
        return true;
      }
      case 'length':
      case 'chunk': {
        if (this.#buffer.length === 0) return false;
        const part = this.#buffer.subarray(0, this.#left);
        this.#buffer = this.#buffer.subarray(part.length);
        this.#left -= part.length;
        this.#sink?.data(part);
        if (this.#left === 0) {
          if (this.#state === 'length') this.#complete();
          else this.#state = 'chunk-end';
        }
        return this.#buffer.length > 0;
      }
      case 'close': {
        if (this.#buffer.length > 0) this.#sink?.data(this.#buffer);
        this.#buffer = EMPTY;
        return false;
      }
      case 'chunk-size':
      case 'chunk-end':
      case 'trailer': {
        const end = this.#buffer.indexOf('\r\n');
        if (end < 0) return false;
        const line = this.#buffer.toString('latin1', 0, end);
        this.#buffer = this.#buffer.subarray(end + 2);
        this.#takeLine(line);
        return true;
      }
      case 'idle':
        // Bytes that nobody asked for: the stream cannot be trusted with another exchange.
        if (this.#buffer.length > 0) this.#fail(new Error('malformed HTTP response'));
        return false;
      default:
        return false;
    }
  }

  #takeLine(line: string): void {
    if (this.#state === 'chunk-end') {
      this.#state = 'chunk-size';
    } else if (this.#state === 'trailer') {
      if (line === '') this.#complete();
    } else {
      const size = Number.parseInt(line, 16);
      if (Number.isNaN(size)) {
        this.#fail(new Error('invalid byte in chunk length'));
        return;
      }
      this.#left = size;
      this.#state = size === 0 ? 'trailer' : 'chunk';
    }
  }

  #takeHead(text: string): void {
    const lines = text.split('\r\n');
    const match = /^HTTP\/1\.([01]) ([0-9]{3}) ?(.*)$/.exec(lines[0]!);
    if (!match) {
      this.#fail(new Error(`net/http: malformed HTTP response ${JSON.stringify(lines[0])}`));
      return;
    }
    const headers: Record<string, string> = {};
    for (const line of lines.slice(1)) {
      const colon = line.indexOf(':');
      const name = line.slice(0, colon).toLowerCase();
      const value = line.slice(colon + 1).trim();
      headers[name] = headers[name] === undefined ? value : `${headers[name]}, ${value}`;
    }
    const status = Number(match[2]);
    if (status < 200 && status !== 101) return;
    const connection = headers.connection?.toLowerCase() ?? '';
    this.#keepAlive = match[1] === '1' ? connection !== 'close' : connection === 'keep-alive';
    const onHead = this.#onHead;
    this.#onHead = undefined;
    this.#onFail = undefined;
    // Set before the callback: it may detach.
    this.#state = 'raw';
    this.#sink = onHead?.({ status, reason: match[3]!, headers });
    if (!this.#sink) return;
    if (this.#noBody || status === 204 || status === 304) this.#complete();
    else if (headers['transfer-encoding']?.toLowerCase() === 'chunked') this.#state = 'chunk-size';
    else if (headers['content-length'] !== undefined) {
      this.#left = Number(headers['content-length']);
      if (this.#left === 0) this.#complete();
      else this.#state = 'length';
    } else {
      this.#state = 'close';
    }
  }

  #complete(): void {
    const sink = this.#sink;
    this.#sink = undefined;
    this.#state = this.#keepAlive ? 'idle' : 'dead';
    if (!this.#keepAlive) this.stream.destroy();
    sink?.end();
    if (this.#state === 'idle') this.#onIdle();
  }

  #fail(error: Error): void {
    this.#error = error;
    this.stream.destroy();
    this.#finish(error);
  }

  #finish(error: Error | undefined): void {
    if (this.#state === 'dead') return;
    const state = this.#state;
    this.#state = 'dead';
    const sink = this.#sink;
    const onFail = this.#onFail;
    this.#sink = undefined;
    this.#onFail = undefined;
    this.#onHead = undefined;
    this.stream.destroy();
    if (state === 'close') sink?.end(error);
    else sink?.end(error ?? new Error('unexpected EOF'));
    onFail?.(error ?? new Error('EOF'));
  }
}
