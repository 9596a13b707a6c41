import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';

export type PtyStep = ['expect', string] | ['send', string] | ['sleep', number] | ['resize', number, number];

export interface PtyResult {
  output: string;
  status: number | null;
  /** The step that did not come to pass. */
  failure: PtyStep | null;
  /** The terminal's settings are as before the command. */
  restored: boolean;
}

/** Runs a command on a pseudo terminal and follows the script. */
export async function onTerminal(
  command: string[],
  script: PtyStep[],
  env: NodeJS.ProcessEnv = process.env,
): Promise<PtyResult> {
  const program = path.join(import.meta.dirname, 'on-terminal.py');
  const { stdout } = await promisify(execFile)('python3', [program, JSON.stringify(script), ...command], {
    env,
    maxBuffer: 1 << 26,
  });
  return JSON.parse(stdout);
}
