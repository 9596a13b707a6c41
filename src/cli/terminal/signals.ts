/** Signals that the CLI gets are the container's: they are passed on (--sig-proxy). */

import type { Client } from '../../api/client/client.ts';
import { containerPath } from '../commands/each.ts';
import type { Output } from '../io.ts';

/** All that a process can catch and a user would send; not those that the kernel raises for the client's own sake (CHLD, PIPE, URG, WINCH). */
const FORWARDED: readonly NodeJS.Signals[] = [
  'SIGHUP',
  'SIGINT',
  'SIGQUIT',
  'SIGTERM',
  'SIGUSR1',
  'SIGUSR2',
  'SIGCONT',
  'SIGTSTP',
  'SIGTTIN',
  'SIGTTOU',
  'SIGALRM',
  'SIGPWR',
];
/** For commands that follow something: INT and TERM end them with the status that docker gives, 128 and the signal's number. */
export function endOnSignals(): void {
  process.on('SIGINT', () => process.exit(130));
  process.on('SIGTERM', () => process.exit(143));
}

const PATIENCE = 3;

export interface SignalProxy {
  /** The container runs: what came before is sent now. */
  started(): void;
}

/** Catches signals from now on and sends them to the container. After three INT or TERM that change nothing the client gives up. */
export function forwardSignals(client: Client, container: string, stderr: Output): SignalProxy {
  let running = false;
  let urgent = 0;
  const waiting: string[] = [];
  const send = (signal: string) => {
    client.send('POST', containerPath(container, 'kill'), { query: { signal: signal.slice(3) } }).catch(() => {});
  };
  for (const signal of FORWARDED) {
    process.on(signal, () => {
      if (signal === 'SIGINT' || signal === 'SIGTERM') {
        urgent++;
        if (urgent >= PATIENCE) {
          stderr.write(`\ngot ${PATIENCE} SIGTERM/SIGINTs, forcefully exiting\n`);
          process.exit(1);
        }
      }
      if (running) send(signal);
      else waiting.push(signal);
    });
  }
  return {
    started() {
      running = true;
      for (const signal of waiting.splice(0)) send(signal);
    },
  };
}
