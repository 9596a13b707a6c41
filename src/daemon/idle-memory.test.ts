import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { IdleMemory } from './idle-memory.ts';

/** A process of 80 MB and `garbage` that can be released. */
class FakeMemory {
  used = 80 << 20;
  garbage = 0;
  releases = 0;

  resident(): number {
    return this.used + this.garbage;
  }

  release(): void {
    this.garbage = 0;
    this.releases++;
  }
}

function setUp(t: { after(done: () => void): void }) {
  mock.timers.enable({ apis: ['setTimeout', 'setInterval'] });
  const memory = new FakeMemory();
  const idle = new IdleMemory(memory);
  t.after(() => {
    idle.close();
    mock.timers.reset();
  });
  return { memory, idle };
}

test('memory is given back a second after start-up and after the last request, not between requests', (t) => {
  const { memory, idle } = setUp(t);
  mock.timers.tick(1000);
  assert.equal(memory.releases, 1);
  for (let request = 0; request < 20; request++) {
    memory.garbage += 1 << 20;
    idle.touch();
    mock.timers.tick(900);
  }
  assert.equal(memory.releases, 1);
  mock.timers.tick(100);
  assert.deepEqual([memory.releases, memory.garbage], [2, 0]);
});

test('nothing is done for little', (t) => {
  const { memory, idle } = setUp(t);
  mock.timers.tick(1000);
  memory.garbage = 1 << 20;
  idle.touch();
  mock.timers.tick(60_000);
  assert.equal(memory.releases, 1);
});

test('growth counts from the least since the last time', (t) => {
  const { memory, idle } = setUp(t);
  memory.used = 100 << 20;
  mock.timers.tick(1000);
  memory.used = 80 << 20;
  idle.touch();
  mock.timers.tick(1000);
  memory.garbage = 10 << 20;
  idle.touch();
  mock.timers.tick(1000);
  assert.equal(memory.releases, 2);
});

test('clients that never pause and growth without requests are met by the regular look', (t) => {
  const { memory, idle } = setUp(t);
  mock.timers.tick(1000);
  memory.garbage = 20 << 20;
  for (let passed = 0; passed < 30_000; passed += 500) {
    idle.touch();
    mock.timers.tick(500);
  }
  assert.equal(memory.releases, 2);
  memory.garbage = 20 << 20;
  mock.timers.tick(30_000);
  assert.equal(memory.releases, 3);
});

test('closed, it looks no more', (t) => {
  const { memory, idle } = setUp(t);
  idle.close();
  mock.timers.tick(60_000);
  assert.equal(memory.releases, 0);
});
