import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GantryError } from '../../api/errors.ts';
import type { ExitStatus, Monitor } from '../../runtime/contract.ts';
import type { ContainerRecord } from '../container-record.ts';
import type { EngineContext } from '../context.ts';
import { EventBus } from '../events.ts';
import { Container } from './container.ts';
import type { ContainerCgroups } from './contract.ts';
import { Lifecycle } from './lifecycle.ts';
import { NEVER } from './status-text.ts';

/** A process that is only a promise; signals reach it through the test. */
class FakeMonitor {
  readonly id = 'c';
  // A pid that no process has (beyond PID_MAX_LIMIT): a real signal goes nowhere.
  readonly pid = 0x7fffffff;
  readonly monitorPid = 0x7fffffff;
  startedAt: bigint | null = null;
  readonly exited: Promise<ExitStatus>;
  readonly closed: Promise<void>;
  exit!: (code: number) => void;

  constructor() {
    this.exited = new Promise((resolve) => {
      this.exit = (code) =>
        resolve({ code, signal: null, oomKilled: false, finishedAt: BigInt(Date.now()) * 1_000_000n });
    });
    this.closed = this.exited.then(() => {});
  }

  onOom(): void {}

  async start(): Promise<void> {
    this.startedAt = BigInt(Date.now()) * 1_000_000n;
  }
}

function setUp(restart: 'no' | 'always' | 'on-failure') {
  const events = new EventBus();
  const actions: string[] = [];
  events.subscribe((event) => actions.push(event.Action!));
  const silent = { debug() {}, info() {}, warn() {}, error() {} };
  const context = {
    events,
    log: silent,
    settings: { dataRoot: '/nonexistent', execRoot: '/nonexistent', cgroupParent: '' },
    monitors: { readExit: () => null },
    store: { run() {}, keep() {} },
  } as unknown as EngineContext;
  const record = {
    id: 'c',
    name: 'c',
    path: 'x',
    config: {},
    hostConfig: { RestartPolicy: { Name: restart } },
    restartCount: 0,
    stoppedByUser: false,
    state: {
      status: 'created',
      exitCode: 0,
      error: '',
      startedAt: NEVER,
      finishedAt: NEVER,
      health: null,
      pid: 0,
      pidStartTime: '',
    },
  } as unknown as ContainerRecord;
  const container = new Container(context, record);
  const world = { monitor: null as FakeMonitor | null, failing: false, held: 0 };
  const lifecycle = new Lifecycle(
    context,
    {
      async create() {
        assert.equal(world.held, 0, 'a second process while the first one is there');
        if (world.failing) throw new GantryError('system', 'cannot');
        world.held++;
        world.monitor = new FakeMonitor();
        container.monitor = world.monitor as unknown as Monitor;
        return container.monitor;
      },
      async forget() {},
      async undo() {
        world.held = 0;
      },
      async release() {
        world.held = 0;
        container.monitor = null;
      },
    },
    { async freeze() {}, async thaw() {} } as unknown as ContainerCgroups,
    { starting() {}, started() {}, paused() {}, exited() {}, async autoRemove() {} },
  );
  return { container, lifecycle, world, actions };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

test('any sequence of operations keeps the state and the process in step', async () => {
  let seed = 7;
  const random = (below: number) => {
    seed = (seed * 48_271) % 2_147_483_647;
    return seed % below;
  };
  for (const policy of ['no', 'always', 'on-failure'] as const) {
    const { container, lifecycle, world, actions } = setUp(policy);
    const pending = new Set<Promise<unknown>>();
    const operations: (() => Promise<unknown> | undefined)[] = [
      () => lifecycle.start(container),
      () => lifecycle.stop(container, { signal: '', timeout: 0 }),
      () => lifecycle.kill(container, 'HUP'),
      () => lifecycle.pause(container),
      () => lifecycle.unpause(container),
      () => lifecycle.restart(container, { signal: '', timeout: 0 }),
      () => lifecycle.startByPolicy(container),
      () => {
        world.monitor?.exit(random(3));
        return undefined;
      },
      () => {
        world.monitor?.exit(137);
        return undefined;
      },
      () => {
        world.failing = random(4) === 0;
        return undefined;
      },
    ];
    for (let step = 0; step < 3000; step++) {
      const work = operations[random(operations.length)]!();
      if (work !== undefined) {
        const done = work.catch((error: unknown) => {
          // A refusal is an answer; a step along no edge, or any other bug, is not.
          assert.ok(error instanceof GantryError, String(error));
        });
        pending.add(done);
        void done.then(() => pending.delete(done));
      }
      await turn();
      if (random(3) === 0) await turn();
      if (container.running)
        assert.ok(container.monitor !== null || world.held === 0, 'a process behind every running state');
    }
    // Whatever waits for the process's end gets it.
    world.failing = false;
    while (pending.size > 0) {
      world.monitor?.exit(137);
      await turn();
    }
    lifecycle.shuttingDown = true;
    if (container.restartTimer !== null) clearTimeout(container.restartTimer);
    world.monitor?.exit(0);
    await container.settled;
    assert.equal(world.held, 0);
    const starts = actions.filter((action) => action === 'start').length;
    const dies = actions.filter((action) => action === 'die').length;
    assert.ok(starts > 20, `${starts} starts`);
    assert.equal(starts, dies, 'every start has its die');
    const only = actions.filter((action) => action === 'start' || action === 'die');
    for (const [at, action] of only.entries()) {
      assert.equal(action, at % 2 === 0 ? 'start' : 'die', 'start and die take turns');
    }
  }
});
