/**
 * The gantry command against a gantryd of its own, or against the engine that GANTRY_TEST_HOST names (a dockerd, to see that the CLI is
 * right where both could be wrong together).
 */

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before } from 'node:test';
import { startDaemon, type TestDaemon } from '../support/daemon.ts';
import { onTerminal, type PtyStep } from '../support/on-terminal.ts';

const root = path.resolve(import.meta.dirname, '../..');
export const GANTRY = `${root}/bin/gantry`;
export const skip =
  process.getuid?.() !== 0 ? 'needs root' : !existsSync('/usr/bin/busybox') ? 'needs busybox-static' : false;
/** For containers that need no network. */
export const alone = ['--network', 'none'];

export interface Result {
  status: number | null;
  /** A byte a character. */
  stdout: string;
  stderr: string;
}

export interface TestCli {
  /** Working directory and home of the commands. */
  scratch: string;
  env: NodeJS.ProcessEnv;
  gantry(args: string[], input?: string | Buffer): Promise<Result>;
  /** Must succeed; resolves with stdout. */
  ok(args: string[], input?: string | Buffer): Promise<string>;
  terminal(args: string[], script: PtyStep[]): ReturnType<typeof onTerminal>;
}

/** For one suite: the engine runs, with an image `cli-test` of busybox, from before its first test until after its last. */
export function testCli(): TestCli {
  const foreign = process.env.GANTRY_TEST_HOST;
  const scratch = mkdtempSync(`${tmpdir()}/gantry-cli-`);
  const env: NodeJS.ProcessEnv = { PATH: process.env.PATH, HOME: scratch, TERM: 'xterm' };
  let daemon: TestDaemon | undefined;

  const gantry = (args: string[], input: string | Buffer = ''): Promise<Result> =>
    new Promise((resolve, reject) => {
      const child = spawn(GANTRY, args, { env, cwd: scratch });
      const out: Buffer[] = [];
      let stderr = '';
      child.stdout.on('data', (chunk) => out.push(chunk));
      child.stderr.on('data', (chunk) => {
        stderr += chunk;
      });
      child.stdin.on('error', () => {});
      child.stdin.end(input);
      child.on('error', reject);
      child.on('close', (status) => resolve({ status, stdout: Buffer.concat(out).toString('latin1'), stderr }));
    });
  const ok = async (args: string[], input: string | Buffer = ''): Promise<string> => {
    const result = await gantry(args, input);
    assert.equal(result.status, 0, `gantry ${args.join(' ')}: ${result.stderr}`);
    return result.stdout;
  };

  before(async () => {
    if (!foreign) daemon = await startDaemon();
    env.GANTRY_HOST = foreign ?? `unix://${daemon!.socket}`;
    const rootfs = spawnSync(`${root}/scripts/busybox-rootfs`, { maxBuffer: 1 << 28 });
    assert.equal(rootfs.status, 0, String(rootfs.stderr));
    await ok(['import', '-', 'cli-test'], rootfs.stdout);
  });
  after(async () => {
    if (foreign) {
      const left = (await ok(['ps', '-aq', '--filter', 'ancestor=cli-test'])).split('\n').filter(Boolean);
      if (left.length > 0) await gantry(['rm', '-f', ...left]);
      await gantry(['rmi', '-f', 'cli-test']);
    }
    await daemon?.[Symbol.asyncDispose]();
    rmSync(scratch, { recursive: true, force: true });
  });
  return { scratch, env, gantry, ok, terminal: (args, script) => onTerminal([GANTRY, ...args], script, env) };
}
