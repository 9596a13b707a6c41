/** For tests that play a host of their own: this thread leaves the machine's network namespace for a new one, and for good. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { check, declare } from '../../src/linux/libc.ts';

const CLONE_NEWNET = 0x40000000;

export function enterOwnNetworkNamespace(): void {
  check(declare('int unshare(int flags)')(CLONE_NEWNET), 'unshare');
}

/** stdout of a bash script that must succeed. */
export function sh(command: string): string {
  const result = spawnSync('bash', ['-c', command], { encoding: 'utf8' });
  assert.equal(result.status, 0, `${command}: ${result.stderr}`);
  return result.stdout;
}
