/** The line that counts while cp copies. */

import { humanSize } from '../../api/units.ts';
import type { Output } from '../io.ts';

const INTERVAL_MS = 75;
/** A copy that is done sooner shows its end alone. */
const DELAY_MS = 500;

export class CopyProgress {
  #bytes = 0;
  #shown = Date.now() + DELAY_MS - INTERVAL_MS;
  readonly #output: Output;
  readonly #header: string;
  readonly #quiet: boolean;

  constructor(output: Output, header: string, quiet: boolean) {
    this.#output = output;
    this.#header = header;
    this.#quiet = quiet;
  }

  /** Passes the pieces on and counts them. */
  async *count<T extends Uint8Array>(pieces: AsyncIterable<T> | Iterable<T>): AsyncGenerator<T> {
    for await (const piece of pieces) {
      this.#bytes += piece.length;
      this.#show();
      yield piece;
    }
  }

  #show(): void {
    if (this.#quiet || !this.#output.isTTY || Date.now() - this.#shown < INTERVAL_MS) return;
    this.#shown = Date.now();
    this.#output.write(`\r\x1b[2K${this.#header}${humanSize(this.#bytes, 3)}`);
  }

  done(target: string): void {
    if (this.#quiet) return;
    const clear = this.#output.isTTY ? '\r\x1b[2K' : '';
    this.#output.write(`${clear}Successfully copied ${humanSize(this.#bytes, 3)} to ${target}\n`);
  }
}
