/** Where the process starts. Everything written is written by then, so that leaving at once loses nothing. */

import { main, processStreams } from './main.ts';

main(process.argv.slice(2), process.env, processStreams()).then(
  (status) => process.exit(status),
  (error: unknown) => {
    process.stderr.write(`gantry: ${error instanceof Error ? error.stack : String(error)}\n`);
    process.exit(1);
  },
);
