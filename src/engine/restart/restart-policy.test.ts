import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BackOff, shouldRestart, startsWithDaemon } from './restart-policy.ts';

test('delays double from 100 ms to a minute and begin again after a run of 10 s', () => {
  const backOff = new BackOff();
  assert.deepEqual(
    [0, 0, 0, 0].map((ran) => backOff.next(ran)),
    [100, 200, 400, 800],
  );
  for (let at = 0; at < 10; at++) backOff.next(0);
  assert.equal(backOff.next(9999), 60_000);
  assert.equal(backOff.next(10_000), 100);
  backOff.next(0);
  backOff.reset();
  assert.equal(backOff.next(0), 100);
});

test('which exits are followed by a restart', () => {
  const facts = { exitCode: 1, stoppedByUser: false, restartCount: 0 };
  assert.equal(shouldRestart(undefined, facts), false);
  assert.equal(shouldRestart({ Name: 'no' }, facts), false);
  assert.equal(shouldRestart({ Name: 'always' }, { ...facts, exitCode: 0 }), true);
  assert.equal(shouldRestart({ Name: 'always' }, { ...facts, stoppedByUser: true }), false);
  assert.equal(shouldRestart({ Name: 'unless-stopped' }, facts), true);
  assert.equal(shouldRestart({ Name: 'on-failure' }, { ...facts, exitCode: 0 }), false);
  assert.equal(shouldRestart({ Name: 'on-failure' }, { ...facts, restartCount: 99 }), true);
  assert.equal(shouldRestart({ Name: 'on-failure', MaximumRetryCount: 2 }, { ...facts, restartCount: 1 }), true);
  assert.equal(shouldRestart({ Name: 'on-failure', MaximumRetryCount: 2 }, { ...facts, restartCount: 2 }), false);
});

test('what starts with the daemon', () => {
  const facts = { exitCode: 1, stoppedByUser: false, restartCount: 0 };
  assert.equal(startsWithDaemon({ Name: 'always' }, { ...facts, stoppedByUser: true }), true);
  assert.equal(startsWithDaemon({ Name: 'unless-stopped' }, { ...facts, stoppedByUser: true }), false);
  assert.equal(startsWithDaemon({ Name: 'unless-stopped' }, facts), true);
  assert.equal(startsWithDaemon({ Name: 'on-failure' }, facts), true);
  assert.equal(startsWithDaemon({ Name: 'on-failure' }, { ...facts, exitCode: 0 }), false);
  assert.equal(startsWithDaemon({ Name: 'on-failure' }, { ...facts, stoppedByUser: true }), false);
  assert.equal(startsWithDaemon({ Name: 'on-failure', MaximumRetryCount: 1 }, { ...facts, restartCount: 1 }), false);
  assert.equal(startsWithDaemon({ Name: 'no' }, facts), false);
});
