import { request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

// biome-ignore lint/suspicious/noExplicitAny: what the API answers is what the tests look into.
type Json = any;

/** A small client of the API on a unix socket, with nothing of the project's own in it. */
export class Api {
  readonly socket: string;

  constructor(socket: string) {
    this.socket = socket;
  }

  /** Status and JSON (or text) of a reply. */
  async call(method: string, path: string, body?: unknown): Promise<{ status: number; body: Json }> {
    return new Promise((resolve, reject) => {
      const text = body === undefined ? undefined : JSON.stringify(body);
      const outgoing = request(
        {
          socketPath: this.socket,
          method,
          path: `/v1.50${path}`,
          headers:
            text === undefined ? {} : { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(text) },
        },
        (response) => {
          const chunks: Buffer[] = [];
          response.on('data', (chunk: Buffer) => chunks.push(chunk));
          response.on('end', () => {
            const content = Buffer.concat(chunks).toString();
            let parsed: unknown = content;
            try {
              parsed = JSON.parse(content);
            } catch {
              // Not JSON: the text itself.
            }
            resolve({ status: response.statusCode!, body: parsed });
          });
          response.on('error', reject);
        },
      );
      outgoing.on('error', reject);
      outgoing.end(text);
    });
  }

  /** As call, for one that must succeed. */
  async ok(method: string, path: string, body?: unknown): Promise<Json> {
    const reply = await this.call(method, path, body);
    if (reply.status >= 400) throw new Error(`${method} ${path}: ${reply.status} ${JSON.stringify(reply.body)}`);
    return reply.body;
  }

  /** Creates a container of busybox and returns its ID. */
  async create(cmd: string[], more: Record<string, unknown> = {}, name = ''): Promise<string> {
    const query = name === '' ? '' : `?name=${name}`;
    return (await this.ok('POST', `/containers/create${query}`, { Image: 'busybox', Cmd: cmd, ...more })).Id;
  }

  async run(cmd: string[], more: Record<string, unknown> = {}, name = ''): Promise<string> {
    const id = await this.create(cmd, more, name);
    await this.ok('POST', `/containers/${id}/start`);
    return id;
  }

  /** Output and exit code of a command in a running container. */
  async exec(id: string, cmd: string[], more: Record<string, unknown> = {}): Promise<{ output: string; code: number }> {
    const exec = await this.ok('POST', `/containers/${id}/exec`, {
      AttachStdout: true,
      AttachStderr: true,
      Cmd: cmd,
      ...more,
    });
    const stream = await this.hijack(`/exec/${exec.Id}/start`, { Detach: false });
    const output = unframe(await stream.rest());
    return { output, code: (await this.ok('GET', `/exec/${exec.Id}/json`)).ExitCode };
  }

  /** Takes a connection over; resolves when the head of the reply is in. */
  hijack(path: string, body?: unknown): Promise<Hijacked> {
    const text = body === undefined ? '' : JSON.stringify(body);
    const socket = connect(this.socket);
    socket.write(
      `POST /v1.50${path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n` +
        `Content-Type: application/json\r\nContent-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`,
    );
    return new Promise((resolve, reject) => {
      const hijacked = new Hijacked(socket);
      socket.on('error', reject);
      hijacked.until('\r\n\r\n').then((head) => {
        hijacked.head = head;
        resolve(hijacked);
      }, reject);
    });
  }
}

export class Hijacked {
  readonly socket: Socket;
  head = '';
  #received = Buffer.alloc(0);
  #ended = false;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => {
      this.#received = Buffer.concat([this.#received, chunk]);
    });
    socket.on('close', () => {
      this.#ended = true;
    });
    socket.on('end', () => {
      this.#ended = true;
    });
  }

  /** Everything up to and with `text`, taken out of what was received. */
  async until(text: string, timeoutMs = 10_000): Promise<string> {
    const deadline = Date.now() + timeoutMs;
    for (;;) {
      const at = this.#received.indexOf(text);
      if (at >= 0) {
        const taken = this.#received.subarray(0, at + text.length).toString('latin1');
        this.#received = this.#received.subarray(at + text.length);
        return taken;
      }
      if (this.#ended) throw new Error(`the stream ended without ${JSON.stringify(text)}: ${this.#received}`);
      if (Date.now() > deadline) throw new Error(`no ${JSON.stringify(text)} in time: ${this.#received}`);
      await sleep(2);
    }
  }

  /** What comes until the end. */
  async rest(timeoutMs = 10_000): Promise<Buffer> {
    const deadline = Date.now() + timeoutMs;
    while (!this.#ended) {
      if (Date.now() > deadline) throw new Error('the stream does not end');
      await sleep(2);
    }
    this.socket.destroy();
    return this.#received;
  }
}

/** The payload of all frames, as text. */
export function unframe(bytes: Buffer): string {
  let text = '';
  for (let at = 0; at + 8 <= bytes.length; ) {
    const length = bytes.readUInt32BE(at + 4);
    text += bytes.subarray(at + 8, at + 8 + length).toString();
    at += 8 + length;
  }
  return text;
}

/** Polls until `check` gives something truthy. */
export async function eventually<T>(check: () => Promise<T> | T, what: string, timeoutMs = 10_000): Promise<T> {
  const deadline = Date.now() + timeoutMs;
  for (;;) {
    const value = await check();
    if (value) return value;
    if (Date.now() > deadline) throw new Error(`not in time: ${what}`);
    await sleep(20);
  }
}
