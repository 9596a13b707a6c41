import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import type { Exec } from './exec.ts';
import { ExecRegistry } from './exec-registry.ts';

const container = {} as Exec['container'];

function execOf(id: string, of = container): Exec {
  return { id, container: of } as Exec;
}

test('ended execs are kept for five minutes, others for as long as their container', (t) => {
  mock.timers.enable({ apis: ['setInterval', 'Date'] });
  t.after(() => mock.timers.reset());
  const registry = new ExecRegistry();
  const [first, second, running] = [execOf('first'), execOf('second'), execOf('running')];
  for (const exec of [first, second, running]) registry.add(exec);
  registry.ended(first);
  mock.timers.tick(200_000);
  registry.ended(second);
  mock.timers.tick(99_000);
  assert.equal(registry.get('first'), first);
  mock.timers.tick(61_000);
  assert.deepEqual([registry.get('first'), registry.get('second')], [undefined, second]);
  mock.timers.tick(300_000);
  assert.deepEqual([registry.get('second'), registry.get('running')], [undefined, running]);
  // The sweep has ended with the last of them, and begins again.
  const third = execOf('third');
  registry.add(third);
  registry.ended(third);
  mock.timers.tick(400_000);
  assert.equal(registry.get('third'), undefined);
});

test('the oldest of too many ended execs is forgotten, running ones never are', () => {
  const registry = new ExecRegistry();
  registry.add(execOf('running'));
  for (let index = 0; index <= 4096; index++) {
    const exec = execOf(`e${index}`);
    registry.add(exec);
    registry.ended(exec);
  }
  assert.equal(registry.get('e0'), undefined);
  assert.notEqual(registry.get('e1'), undefined);
  assert.notEqual(registry.get('running'), undefined);
});

test('a removed container takes its execs with it', () => {
  const registry = new ExecRegistry();
  const other = {} as Exec['container'];
  registry.add(execOf('mine'));
  registry.add(execOf('ended'));
  registry.ended(registry.get('ended')!);
  registry.add(execOf('others', other));
  registry.removeAllOf(container);
  assert.deepEqual([registry.get('mine'), registry.get('ended')], [undefined, undefined]);
  assert.notEqual(registry.get('others'), undefined);
});
