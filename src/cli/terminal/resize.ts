/** Keeps the size of a process's terminal the same as the client's. */

import type { Client } from '../../api/client/client.ts';
import type { Output } from '../io.ts';

const ATTEMPTS = 10;
const PAUSE_MS = 10;

/**
 * Sends the size now and at each SIGWINCH. `path` is the resize operation of a container or an exec. The first one is tried again while
 * the process is not there yet; with `redraw` another size comes before it, so that a program that runs already draws itself anew.
 */
export function followSize(client: Client, path: string, terminal: Output, redraw = false): void {
  const send = (extra = 0) =>
    client.send('POST', path, { query: { h: terminal.rows() + extra, w: terminal.columns() + extra } });
  const first = async () => {
    for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
      try {
        if (redraw) await send(1);
        await send();
        return;
      } catch {
        await new Promise((resolve) => setTimeout(resolve, PAUSE_MS * attempt));
      }
    }
  };
  void first();
  process.on('SIGWINCH', () => {
    send().catch(() => {});
  });
}
