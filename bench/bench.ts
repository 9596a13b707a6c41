/** `bench/run`: see there. Figures are medians; a ratio names what it compares with, always a figure of the same case. */
import os from 'node:os';
import path from 'node:path';
import { CASES } from './cases.ts';
import { startPeers } from './peers.ts';

/** By a signal: engines and their networks are to go first. */
class Interrupted extends Error {}

const root = path.resolve(import.meta.dirname, '..');
const wanted = process.argv.slice(2);
const unknown = wanted.filter((name) => !CASES.some((candidate) => candidate.name === name));
if (unknown.length > 0) {
  console.error(`bench: no case ${unknown.join(', ')}; there are: ${CASES.map(({ name }) => name).join(' ')}`);
  process.exit(2);
}
console.log(
  `${os.cpus().length} processors, ${os.cpus()[0]?.model ?? ''}, Linux ${os.release()}, Node ${process.version}`,
);
const peers = await startPeers(root, '/var/tmp/gantry-bench');
let failed = false;
const interrupted = new Promise<never>((_, reject) => {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => reject(new Interrupted(signal)));
});
// It may come when nobody waits for it.
interrupted.catch(() => {});
try {
  for (const benchCase of CASES) {
    if (wanted.length > 0 && !wanted.includes(benchCase.name)) continue;
    console.log(`\n${benchCase.title}`);
    try {
      const rows = await Promise.race([benchCase.measure(root, peers), interrupted]);
      for (const row of rows) {
        const base = rows.find(({ name }) => name === row.against) ?? row;
        const ratio = (row.more ?? benchCase.more) === 'better' ? row.figure / base.figure : base.figure / row.figure;
        // Differences can be less than nothing.
        const note =
          row === base || row.figure <= 0 || base.figure <= 0
            ? ''
            : `${ratio.toFixed(ratio < 2 ? 2 : 1)} x ${base.name}`;
        console.log(
          `  ${row.name.padEnd(56)} ${row.figure.toFixed(row.figure < 10 ? 2 : 1).padStart(9)} ${(row.unit ?? benchCase.unit).padEnd(10)} ${note}`,
        );
      }
    } catch (error) {
      failed = true;
      if (error instanceof Interrupted) {
        console.error(`bench: ${error.message}: taking everything away`);
        break;
      }
      console.log(`  failed: ${error instanceof Error ? error.message : error}`);
    }
  }
} finally {
  await peers.stop();
}
// A case that was interrupted may still be at it.
process.exit(failed ? 1 : 0);
