/** A monitor that somebody stopped keeps neither the daemon from starting nor its container from being removed. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { startDaemon, type TestDaemon } from '../support/daemon.ts';
import { importBusybox } from './api-helpers.ts';

describe('a stopped monitor', { timeout: 180_000 }, () => {
  let daemon: TestDaemon;
  before(async () => {
    daemon = await startDaemon();
    await importBusybox(daemon);
  });
  after(() => daemon[Symbol.asyncDispose]());

  const run = async (command: string): Promise<{ id: string; monitor: number }> => {
    const body = { Image: 'busybox', Cmd: ['sh', '-c', command] };
    const { json } = await daemon.request('POST', '/containers/create', body);
    assert.equal((await daemon.request('POST', `/containers/${json.Id}/start`)).status, 204);
    const args = ['-f', `gantry-shim.*${daemon.directory}/run/containers/${json.Id}`];
    return { id: json.Id, monitor: Number(execFileSync('pgrep', args, { encoding: 'utf8' })) };
  };
  const inspect = async (id: string) => (await daemon.request('GET', `/containers/${id}/json`)).json;
  const lines = async (id: string) =>
    (await daemon.request('GET', `/containers/${id}/logs?stdout=1`)).text.split('\n').length;

  it('is continued by the next daemon', async () => {
    const { id, monitor } = await run('while :; do echo tick; sleep 0.05; done');
    const { Pid } = (await inspect(id)).State;
    process.kill(monitor, 'SIGSTOP');
    await daemon.kill9();
    await daemon.start();
    const { State } = await inspect(id);
    assert.deepEqual([State.Running, State.Pid], [true, Pid]);
    for (const before = await lines(id); (await lines(id)) <= before; ) await sleep(20);
    assert.equal((await daemon.request('DELETE', `/containers/${id}?force=1`)).status, 204);
  });

  it('does not keep its container', async () => {
    const { id, monitor } = await run('sleep 1000');
    process.kill(monitor, 'SIGSTOP');
    const removed = await daemon.request('DELETE', `/containers/${id}?force=1`);
    assert.equal(removed.status, 204, removed.text);
    assert.equal(existsSync(`/proc/${monitor}`), false);
  });
});
