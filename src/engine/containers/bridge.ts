import type { Duplex, Readable } from 'node:stream';
import { DetachFilter } from './detach-keys.ts';

/** A client that has ended its input is detached once the output it caused has gone quiet for this long, */
const QUIET_MS = 300;
/** or has gone on for this long. dockerd detaches at once, and the answer to the last input is often lost. */
const ANSWER_MS = 3000;

/** How long a client may take to close its side after it was given the end of the output. */
const LINGER_MS = 10_000;

export interface BridgeOptions {
  /** The client's bytes go to the process. */
  stdin: boolean;
  /** What the end of the client's input does: ends the process's stdin, ends the attachment, or nothing. */
  endOfInput: 'forward' | 'detach' | 'ignore';
  /** Sequence that detaches, of a terminal's input; null for none. */
  detachKeys: Buffer | null;
  /** Held against the end of the output: the client is told of it only then. */
  ended?: Promise<unknown>;
  /** Changes the output on its way, e.g. adds or removes frames. */
  transform?: Duplex;
}

/**
 * Joins a client's connection with a process's streams until the output has ended, the client has gone or it detached. Backpressure
 * goes through: a client that does not read holds only its own stream. Resolves with true when the client detached by keys.
 */
export function bridge(client: Duplex, process: Duplex, options: BridgeOptions): Promise<boolean> {
  return new Promise((resolve) => {
    let over = false;
    const finish = (detached: boolean) => {
      if (over) return;
      over = true;
      process.destroy();
      closeClient(client);
      resolve(detached);
    };
    client.on('error', () => finish(false));
    client.on('close', () => finish(false));
    process.on('error', () => finish(false));

    const output: Readable = options.transform === undefined ? process : process.pipe(options.transform);
    output.pipe(client, { end: false });
    const end = () => void (options.ended ?? Promise.resolve()).then(() => finish(false));
    output.on('end', end);
    // A stream that was destroyed never ends.
    const closed = () => (options.transform === undefined ? end() : options.transform.end());
    process.on('close', closed);
    // Over before we came: no event will tell.
    if (process.readableEnded || process.destroyed) closed();

    if (!options.stdin) {
      client.resume();
      return;
    }
    const input =
      options.detachKeys === null
        ? client
        : client.pipe(new DetachFilter(options.detachKeys, () => setImmediate(() => finish(true))));
    input.pipe(process, { end: options.endOfInput === 'forward' });
    if (options.endOfInput === 'detach') {
      client.on('end', () => {
        const quiet = setTimeout(() => finish(false), QUIET_MS);
        const answer = setTimeout(() => finish(false), ANSWER_MS);
        output.on('data', () => quiet.refresh());
        client.once('close', () => {
          clearTimeout(quiet);
          clearTimeout(answer);
        });
      });
    }
  });
}

/** Sends what is queued, then the end. Unread input is drained: closing over it would cost the client the last output. */
export function closeClient(client: Duplex): void {
  if (client.destroyed) return;
  client.unpipe();
  client.resume();
  client.end();
  const timer = setTimeout(() => client.destroy(), LINGER_MS);
  timer.unref();
  client.once('close', () => clearTimeout(timer));
}
