import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { GantryError, messageOf } from '../../api/errors.ts';
import type { Container } from './container.ts';
import type { ContainerCgroups } from './contract.ts';
import { isRestarting, notRunning } from './errors.ts';

const run = promisify(execFile);

/** Output of ps beyond this is an error rather than memory. */
const MAX_OUTPUT = 16 * 1024 * 1024;

export interface ProcessTable {
  Titles: string[];
  Processes: string[][];
}

/** The host's ps, restricted to the container's processes. `psArgs`: '' for -ef. Throws conflict when it does not run. */
export async function top(container: Container, psArgs: string, cgroups: ContainerCgroups): Promise<ProcessTable> {
  checkPsArgs(psArgs);
  const { status } = container.record.state;
  if (status === 'restarting') throw isRestarting(container.id);
  if (!container.running) throw notRunning(container.id);
  const args = (psArgs || '-ef').split(' ').filter((word) => word !== '');
  const pids = cgroups.pids(container.cgroupsPath);
  let output: string;
  try {
    output = await ps([...args, `-q${pids.join(',')}`]);
  } catch {
    // Some options do not go with -q: take all processes and pick ours.
    try {
      output = await ps(args);
    } catch (cause) {
      const text = (cause as { stderr?: string }).stderr?.trim() || messageOf(cause);
      throw new GantryError('system', `ps: ${text.split('\n')[0]}`, { cause });
    }
  }
  const table = parsePs(output, new Set(pids));
  container.event('top');
  return table;
}

async function ps(args: string[]): Promise<string> {
  return (await run('ps', args, { maxBuffer: MAX_OUTPUT })).stdout;
}

/** A renamed PID column ("-o pid=X") would hide which processes are the container's. */
function checkPsArgs(psArgs: string): void {
  for (const [, name = ''] of psArgs.matchAll(/\s+(?:\S*)=\s*(PID\S*)/g)) {
    throw new GantryError('system', `specifying "PID" as a header (${name}) is not allowed`);
  }
  if (/(^|[\s,o])pid=/.test(psArgs)) throw new GantryError('system', `specifying "pid=" is not allowed: ${psArgs}`);
}

/** Titles and the rows of `pids`; what overhangs the titles belongs to the last column. Throws system without a PID column. */
export function parsePs(output: string, pids: ReadonlySet<number>): ProcessTable {
  const [head = '', ...lines] = output.split('\n');
  const titles = head.trim().split(/\s+/);
  const pidColumn = titles.indexOf('PID');
  if (pidColumn < 0) throw new GantryError('system', "Couldn't find PID field in ps output");
  const processes: string[][] = [];
  let ours = false;
  for (const line of lines) {
    const fields = line.trim().split(/\s+/);
    if (fields[0] === '') continue;
    const pid = fields[pidColumn] ?? '';
    // Rows of threads show "-" and follow the row of their process (ps m).
    if (pid !== '-') {
      if (!/^\d+$/.test(pid)) throw new GantryError('system', `Unexpected pid '${pid}'`);
      ours = pids.has(Number(pid));
    }
    if (!ours) continue;
    const row = fields.slice(0, titles.length - 1);
    row.push(fields.slice(titles.length - 1).join(' '));
    processes.push(row);
  }
  return { Titles: titles, Processes: processes };
}
