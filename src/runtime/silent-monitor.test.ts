import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { answerOf } from './silent-monitor.ts';

const dir = mkdtempSync(join(tmpdir(), 'gantry-silent-'));
after(() => rmSync(dir, { recursive: true }));

const never = new Promise<never>(() => {});

async function monitor(directory: string): Promise<ChildProcess> {
  const script = 'process.on("SIGCONT", () => console.log("on")); setInterval(() => {}, 1000); console.log("up")';
  const child = spawn(process.execPath, ['-e', script, '--', '--dir', directory], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  writeFileSync(join(dir, 'started'), `${child.pid} 1\n`);
  await once(child.stdout!, 'data');
  return child;
}

test('an answer is waited for', async () => {
  const child = await monitor(dir);
  assert.equal(await answerOf(dir, Promise.resolve(), 1), true);
  assert.equal(await answerOf(dir, Promise.reject(new Error('gone')), 1), true);
  child.kill('SIGKILL');
});

test('a stopped monitor is continued', async () => {
  const child = await monitor(dir);
  child.kill('SIGSTOP');
  assert.equal(await answerOf(dir, once(child.stdout!, 'data'), 500), true);
  child.kill('SIGKILL');
});

test('one that hangs is killed', async () => {
  const child = await monitor(dir);
  const ended = once(child, 'exit');
  assert.equal(await answerOf(dir, never, 10), false);
  assert.equal((await ended)[1], 'SIGKILL');
});

test('a process that is another by now is left alone', async () => {
  const child = await monitor('/elsewhere');
  assert.equal(await answerOf(dir, never, 10), false);
  assert.deepEqual([child.exitCode, child.signalCode], [null, null]);
  child.kill('SIGKILL');
  rmSync(join(dir, 'started'));
  assert.equal(await answerOf(dir, never, 10), false);
});
