import assert from 'node:assert/strict';
import { test } from 'node:test';
import { healthSettings } from './health-config.ts';
import { applyProbe, nextProbeIn } from './probe-result.ts';

const settings = healthSettings({
  Healthcheck: { Test: ['CMD', 'x'], Retries: 2, StartPeriod: 10e9, Interval: 30e9, StartInterval: 2e9 },
})!;
const STARTING = { status: 'starting' as const, failingStreak: 0, log: [] };
const failed = { ExitCode: 1, Output: '' };
const fine = { ExitCode: 0, Output: '' };

test('settings: forms of Test and the defaults', () => {
  assert.equal(healthSettings({}), null);
  assert.equal(healthSettings({ Healthcheck: { Test: ['NONE'] } }), null);
  assert.deepEqual(healthSettings({ Healthcheck: { Test: ['CMD-SHELL', 'a b'] } }), {
    args: ['/bin/sh', '-c', 'a b'],
    intervalMs: 30_000,
    timeoutMs: 30_000,
    retries: 3,
    startPeriodMs: 0,
    startIntervalMs: 5000,
  });
  const shell = { Shell: ['/bin/bash', '-ec'], Healthcheck: { Test: ['CMD-SHELL', 'x'] } };
  assert.deepEqual(healthSettings(shell)!.args, ['/bin/bash', '-ec', 'x']);
});

test('failures count after the start period alone, and unhealthy comes with the last retry', () => {
  const during = applyProbe(STARTING, failed, settings, 5000);
  assert.deepEqual([during.status, during.failingStreak], ['starting', 0]);
  const once = applyProbe(during, failed, settings, 11_000);
  assert.deepEqual([once.status, once.failingStreak], ['starting', 1]);
  const twice = applyProbe(once, failed, settings, 12_000);
  assert.deepEqual([twice.status, twice.failingStreak], ['unhealthy', 2]);
  const again = applyProbe(twice, fine, settings, 13_000);
  assert.deepEqual([again.status, again.failingStreak], ['healthy', 0]);
  // Once healthy, a failure counts even within the start period.
  const early = applyProbe(applyProbe(STARTING, fine, settings, 1000), failed, settings, 2000);
  assert.equal(early.failingStreak, 1);
});

test('five results are kept', () => {
  let health: Parameters<typeof applyProbe>[0] = STARTING;
  for (let at = 0; at < 8; at++) health = applyProbe(health, { ExitCode: 0, Output: String(at) }, settings, 0);
  assert.deepEqual(
    health.log.map((result) => result.Output),
    ['3', '4', '5', '6', '7'],
  );
});

test('probes are denser while starting and do not pass the end of the start period', () => {
  assert.equal(nextProbeIn('starting', settings, 0), 2000);
  assert.equal(nextProbeIn('starting', settings, 9500), 500);
  assert.equal(nextProbeIn('starting', settings, 10_000), 30_000);
  assert.equal(nextProbeIn('healthy', settings, 1000), 9000);
});
