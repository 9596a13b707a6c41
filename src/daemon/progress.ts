import type { Writable } from 'node:stream';
import { messageOf } from '../api/errors.ts';
import type { ApiReply } from './contract.ts';

/**
 * The stream of JSON messages by which long operations (load, import, pull, build) tell of their progress. It begins with the first
 * message: until then an error is still an answer with a status of its own, afterwards a message at the end of the stream.
 */
export class ProgressStream {
  readonly #reply: ApiReply;
  #output: Writable | null = null;

  constructor(reply: ApiReply) {
    this.#reply = reply;
  }

  /** A line for the user, with its newline. */
  text(stream: string): void {
    this.#send({ stream });
  }

  /** The state of one part; `id` may be ''. */
  status(status: string, id = '', detail: { current: number; total: number } | null = null): void {
    this.#send({
      status,
      ...(detail === null ? {} : { progressDetail: detail }),
      ...(id === '' ? {} : { id }),
    });
  }

  end(): void {
    this.#open().end();
  }

  /** Ends the stream with the error, or throws it when nothing has been sent. */
  fail(error: unknown): void {
    if (this.#output === null) throw error;
    const message = messageOf(error);
    this.#send({ errorDetail: { message }, error: message });
    this.#output.end();
  }

  #send(message: object): void {
    this.#open().write(`${JSON.stringify(message)}\r\n`);
  }

  #open(): Writable {
    this.#output ??= this.#reply.stream(200, { 'Content-Type': 'application/json' });
    return this.#output;
  }
}
