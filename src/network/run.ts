import { spawn } from 'node:child_process';
import { GantryError } from '../api/errors.ts';

/**
 * Runs a program to its end and returns what it wrote to stdout.
 * @throws GantryError system, with its stderr, when it cannot be started or fails
 */
export function run(command: string, args: string[], input = ''): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'pipe'] });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      stdout += chunk;
    });
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      stderr += chunk;
    });
    child.on('error', (cause) => {
      reject(
        new GantryError('system', `cannot run ${command}: ${cause.message}`, { cause, hint: `install ${command}` }),
      );
    });
    child.on('close', (status) => {
      if (status === 0) resolve(stdout);
      else
        reject(
          new GantryError('system', `${command} ${args.join(' ')} failed: ${stderr.trim() || `status ${status}`}`),
        );
    });
    // A program that ends without reading its input is told of by its status.
    child.stdin.on('error', () => {});
    child.stdin.end(input);
  });
}
