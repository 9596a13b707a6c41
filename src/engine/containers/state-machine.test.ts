import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ContainerStateRecord, ContainerStatus } from '../container-record.ts';
import { EDGES, move } from './state-machine.ts';
import { NEVER, statusText } from './status-text.ts';

const STATUSES = Object.keys(EDGES) as ContainerStatus[];

function state(status: ContainerStatus): ContainerStateRecord {
  return {
    status,
    pid: 0,
    pidStartTime: '',
    exitCode: 0,
    error: '',
    oomKilled: false,
    startedAt: NEVER,
    finishedAt: NEVER,
    health: null,
  };
}

test('every state can be left, and can be reached from created', () => {
  const reached = new Set<string>(['created']);
  for (const status of reached) for (const next of EDGES[status as ContainerStatus] ?? []) reached.add(next);
  assert.deepEqual([...reached].sort(), [...STATUSES, 'gone'].sort());
  for (const status of STATUSES) assert.ok(EDGES[status].length > 0, status);
});

test('a random walk only ever takes listed edges, and a refused step changes nothing', () => {
  let seed = 42;
  // A fixed sequence (Lehmer's generator), so that a failure can be seen again.
  const random = (below: number) => {
    seed = (seed * 48_271) % 2_147_483_647;
    return seed % below;
  };
  const walker = state('created');
  let steps = 0;
  for (let at = 0; at < 20_000; at++) {
    const before = walker.status;
    const to = STATUSES[random(STATUSES.length)]!;
    if (EDGES[before].includes(to)) {
      move(walker, to);
      assert.equal(walker.status, to);
      steps++;
    } else {
      assert.throws(() => move(walker, to), new RegExp(`cannot go from ${before} to ${to}`));
      assert.equal(walker.status, before);
    }
    // A container that is gone is followed by a new one.
    if (walker.status === 'removing' && random(2) === 0) walker.status = 'created';
  }
  assert.ok(steps > 1000);
});

test('nothing but an exit or a start leads out of running, and nothing restarts what is being removed', () => {
  assert.deepEqual(EDGES.running.toSorted(), ['exited', 'paused', 'restarting']);
  assert.equal(EDGES.removing.includes('running'), false);
  assert.equal(EDGES.dead.includes('running'), false);
});

test('status texts are those of docker ps', () => {
  const now = Date.parse('2026-01-02T03:04:05Z');
  const ago = (seconds: number) => new Date(now - seconds * 1000).toISOString();
  const text = (status: ContainerStatus, more: Partial<ContainerStateRecord>) =>
    statusText({ ...state(status), ...more }, now);
  assert.equal(text('created', {}), 'Created');
  assert.equal(text('running', { startedAt: ago(0) }), 'Up Less than a second');
  assert.equal(text('running', { startedAt: ago(1) }), 'Up 1 second');
  assert.equal(text('running', { startedAt: ago(59) }), 'Up 59 seconds');
  assert.equal(text('running', { startedAt: ago(61) }), 'Up About a minute');
  assert.equal(text('running', { startedAt: ago(300) }), 'Up 5 minutes');
  assert.equal(text('running', { startedAt: ago(3600) }), 'Up About an hour');
  assert.equal(text('running', { startedAt: ago(47 * 3600) }), 'Up 47 hours');
  assert.equal(text('running', { startedAt: ago(48 * 3600) }), 'Up 2 days');
  assert.equal(text('running', { startedAt: ago(14 * 86_400) }), 'Up 2 weeks');
  assert.equal(text('running', { startedAt: ago(60 * 86_400) }), 'Up 2 months');
  assert.equal(text('running', { startedAt: ago(800 * 86_400) }), 'Up 2 years');
  const health = (status: 'starting' | 'healthy') => ({ health: { status, failingStreak: 0, log: [] } });
  assert.equal(text('running', { startedAt: ago(1), ...health('starting') }), 'Up 1 second (health: starting)');
  assert.equal(text('running', { startedAt: ago(1), ...health('healthy') }), 'Up 1 second (healthy)');
  assert.equal(text('paused', { startedAt: ago(7200) }), 'Up 2 hours (Paused)');
  assert.equal(text('exited', { finishedAt: ago(3), exitCode: 1 }), 'Exited (1) 3 seconds ago');
  assert.equal(text('restarting', { finishedAt: ago(4), exitCode: 1 }), 'Restarting (1) 4 seconds ago');
  assert.equal(text('removing', {}), 'Removal In Progress');
  assert.equal(text('dead', {}), 'Dead');
});
