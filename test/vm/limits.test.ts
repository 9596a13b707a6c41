/** The suite of test/integration/limits.test.ts, in a machine as most users have: pure cgroup v2, AppArmor enforcing. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { test } from 'node:test';
import { detectCgroups } from '../../src/linux/cgroup.ts';
import '../integration/limits.test.ts';

test('the machine is what this lane is for', () => {
  assert.equal(detectCgroups().mode, 'v2');
  assert.ok(existsSync('/sys/kernel/security/apparmor'));
});
