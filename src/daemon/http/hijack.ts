import type { IncomingMessage, ServerResponse } from 'node:http';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';

/** After the daemon has written its last byte the client has this long to close its side. Milliseconds. */
const LINGER = 5000;

/**
 * Watches a plain POST whose connection will be taken over without an upgrade (Docker's older form). Everything after the
 * request is stdin, but node:http takes it for the next request; this takes the connection away from its parser as soon as the
 * request is complete, and keeps bytes that were already read.
 */
export class BareTakeover {
  readonly #request: IncomingMessage;
  readonly #socket: Socket;
  #early: Buffer[] = [];
  #detached = false;
  readonly #keep = (chunk: Buffer) => this.#early.push(chunk);

  constructor(request: IncomingMessage) {
    this.#request = request;
    this.#socket = request.socket;
    const hasBody =
      request.headers['transfer-encoding'] !== undefined || Number(request.headers['content-length'] ?? 0) > 0;
    // Not at once: the parser is still at work on the chunk that brought the request.
    if (hasBody) request.once('end', () => this.#detach());
    else process.nextTick(() => this.#detach());
  }

  /** Bytes of stdin that came in one packet with the request: the parser hands them back as a failed request. */
  keepRejected(packet: Buffer, parsed: number): void {
    const start = packet.indexOf('\r\n\r\n');
    const length = Number(this.#request.headers['content-length'] ?? 0);
    this.#early.push(packet.subarray(start < 0 ? parsed : start + 4 + length));
    this.#detach();
  }

  take(): { socket: Socket; head: Buffer } {
    this.#detach();
    this.#socket.off('data', this.#keep);
    // As a fresh stream: paused by nobody, so that the first listener makes it flow (node:http does the same for upgrades).
    (this.#socket as Socket & { readableFlowing: boolean | null }).readableFlowing = null;
    const head = Buffer.concat(this.#early);
    this.#early = [];
    return { socket: this.#socket, head };
  }

  #detach(): void {
    if (this.#detached) return;
    this.#detached = true;
    // node:http's own listeners on what the client sends. Its 'close' listener stays: it frees the parser.
    this.#socket.removeAllListeners('data');
    this.#socket.removeAllListeners('end');
    this.#socket.removeAllListeners('error');
    // A 'data' listener makes node:http give the descriptor's bytes back to the stream.
    this.#socket.on('data', this.#keep);
    this.#socket.on('error', () => this.#socket.destroy());
    this.#socket.pause();
  }
}

/** The stream a hijacked request goes on with: a client that ends its side is EOF, what we end the client sees as EOF. */
export function continueRaw(socket: Duplex, head: Buffer, statusLines: string[]): Duplex {
  if (socket instanceof Socket) {
    socket.setTimeout(0);
    socket.setNoDelay(true);
  }
  socket.write(`${statusLines.join('\r\n')}\r\n\r\n`);
  if (head.length > 0) socket.unshift(head);
  socket.on('error', () => socket.destroy());
  socket.once('finish', () => {
    // Nobody reads stdin any longer; take what still comes so that the client's close is seen.
    if (!socket.readableFlowing) socket.resume();
    const timer = setTimeout(() => socket.destroy(), LINGER);
    socket.once('close', () => clearTimeout(timer));
    socket.once('end', () => socket.destroy());
    if (socket.readableEnded) socket.destroy();
  });
  return socket;
}

/** Takes a response off its connection, which goes on as a raw stream. */
export function releaseResponse(response: ServerResponse, socket: Socket): void {
  response.detachSocket(socket);
}
