import assert from 'node:assert/strict';
import { test } from 'node:test';
import { laterCommand } from './later.ts';
import { COMMANDS, COMMON, findCommand, GROUPS } from './registry.ts';

test('a name means one command, and its group exists', () => {
  const seen = new Set<string>();
  for (const name of COMMANDS.flatMap(({ names }) => names)) {
    assert.ok(!seen.has(name), `${name} stands twice`);
    seen.add(name);
    assert.ok(!(name in GROUPS), `${name} is a group`);
    const words = name.split(' ');
    for (let count = 1; count < words.length; count++) {
      assert.ok(words.slice(0, count).join(' ') in GROUPS, `${name} is in no group`);
    }
  }
  for (const name of COMMON) assert.ok(seen.has(name), name);
});

test('the longest name is the one that counts', () => {
  assert.deepEqual(pick('container ls -a'), ['container ls', 2]);
  assert.deepEqual(pick('ps -a'), ['ps', 1]);
  assert.equal(findCommand(['container']), undefined);
  assert.equal(findCommand(['nothing', 'ps']), undefined);

  function pick(line: string): unknown {
    const found = findCommand(line.split(' '));
    return [found?.name, found?.used];
  }
});

test('what is not there yet is no command, and nothing that is there is put off', () => {
  assert.equal(laterCommand(['push', 'busybox']), 'push');
  assert.equal(laterCommand(['swarm', 'init', '--help']), 'swarm');
  assert.equal(laterCommand(['image', 'build', 'x']), 'image build');
  assert.equal(laterCommand(['image', 'nothing']), undefined);
  assert.equal(laterCommand([]), undefined);
  for (const name of COMMANDS.flatMap(({ names }) => names))
    assert.equal(laterCommand(name.split(' ')), undefined, name);
});

test('every command loads, says of itself what the table says, and uses a letter once', async () => {
  for (const entry of COMMANDS) {
    const name = entry.names[0]!;
    const { command } = await entry.load();
    assert.equal(command.summary, entry.summary, name);
    const letters = Object.values(command.flags)
      .map((spec) => (spec as { short: string }).short)
      .filter((letter) => letter !== '');
    assert.equal(new Set(letters).size, letters.length, `${name} uses a letter twice`);
    for (const flag of Object.keys(command.completeFlags ?? {})) assert.ok(flag in command.flags, `${name} --${flag}`);
  }
});
