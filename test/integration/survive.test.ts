/** Containers live through a killed, stopped and restarted daemon: logs to the byte, exit codes, OOM flags, attach and exec. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { startDaemon, type TestDaemon } from '../support/daemon.ts';
import { importBusybox } from './api-helpers.ts';

describe('a container and a daemon that dies', () => {
  let daemon: TestDaemon;
  before(async () => {
    daemon = await startDaemon();
    await importBusybox(daemon);
  });
  after(() => daemon[Symbol.asyncDispose]());

  async function run(command: string[], hostConfig: object = {}, more: object = {}): Promise<string> {
    const created = await daemon.request('POST', '/containers/create', {
      Image: 'busybox',
      Cmd: command,
      HostConfig: hostConfig,
      ...more,
    });
    assert.equal(created.status, 201, created.text);
    const started = await daemon.request('POST', `/containers/${created.json.Id}/start`);
    assert.equal(started.status, 204, started.text);
    return created.json.Id;
  }
  const inspect = async (id: string) => (await daemon.request('GET', `/containers/${id}/json`)).json;
  const until = async (what: () => Promise<boolean>): Promise<void> => {
    while (!(await what())) await new Promise((resolve) => setTimeout(resolve, 20));
  };
  const logOf = async (id: string): Promise<string> => {
    const stream = (await daemon.hijack(`/containers/${id}/attach?logs=1&stdout=1`)).stream;
    let bytes = Buffer.alloc(0);
    for await (const chunk of stream) bytes = Buffer.concat([bytes, Buffer.from(chunk as Uint8Array)]);
    let text = '';
    for (let at = 0; at < bytes.length; ) {
      const size = bytes.readUInt32BE(at + 4);
      text += bytes.subarray(at + 8, at + 8 + size);
      at += 8 + size;
    }
    return text;
  };

  it('keeps the log complete while nobody listens', async () => {
    const id = await run(['sh', '-c', 'i=0; while [ $i -lt 20000 ]; do echo line $i; i=$((i+1)); done; exit 7']);
    await daemon.kill9();
    await new Promise((resolve) => setTimeout(resolve, 1000));
    await daemon.start();
    await until(async () => (await inspect(id)).State.Status === 'exited');
    const state = (await inspect(id)).State;
    assert.equal(state.ExitCode, 7);
    assert.equal(state.OOMKilled, false);
    const expected = Array.from({ length: 20000 }, (_none, index) => `line ${index}\n`).join('');
    assert.equal(await logOf(id), expected);
  });

  it('still knows who ran out of memory', async () => {
    const id = await run(['sh', '-c', 'sleep 0.5; tail /dev/zero'], { Memory: 16 << 20, MemorySwap: 16 << 20 });
    await daemon.kill9();
    await new Promise((resolve) => setTimeout(resolve, 2500));
    await daemon.start();
    await until(async () => (await inspect(id)).State.Status === 'exited');
    const state = (await inspect(id)).State;
    assert.deepEqual([state.OOMKilled, state.ExitCode], [true, 137]);
  });

  it('runs on through stop and start of the daemon, then takes attach, exec, stats and stop', async () => {
    const id = await run(['sh', '-c', 'while read line; do echo "got $line"; done'], {}, { OpenStdin: true });
    const pid = (await inspect(id)).State.Pid;
    assert.equal(await daemon.stop(), 0);
    process.kill(pid, 0);
    await daemon.start();
    assert.equal((await inspect(id)).State.Pid, pid);
    const { stream } = await daemon.hijack(`/containers/${id}/attach?stream=1&stdin=1&stdout=1`);
    stream.resume();
    stream.write('hello\n');
    const chunk: Buffer = await new Promise((resolve) => stream.once('data', (data) => resolve(Buffer.from(data))));
    assert.equal(chunk.subarray(8).toString(), 'got hello\n');
    stream.destroy();
    const exec = await daemon.request('POST', `/containers/${id}/exec`, { Cmd: ['sh', '-c', 'exit 4'] });
    await daemon.request('POST', `/exec/${exec.json.Id}/start`, { Detach: true });
    await until(async () => (await daemon.request('GET', `/exec/${exec.json.Id}/json`)).json.Running === false);
    assert.equal((await daemon.request('GET', `/exec/${exec.json.Id}/json`)).json.ExitCode, 4);
    const stats = await daemon.request('GET', `/containers/${id}/stats?stream=0&one-shot=1`);
    assert.ok(stats.json.memory_stats.usage > 0, stats.text);
    assert.equal((await daemon.request('POST', `/containers/${id}/stop?t=0`)).status, 204);
  });

  it('resumes restart policies', async () => {
    const always = await run(['sh', '-c', 'sleep 0.3'], { RestartPolicy: { Name: 'always' } });
    const stopped = await run(['sleep', '600'], { RestartPolicy: { Name: 'unless-stopped' } });
    const unconditional = await run(['sleep', '600'], { RestartPolicy: { Name: 'always' } });
    for (const id of [stopped, unconditional]) await daemon.request('POST', `/containers/${id}/stop?t=0`);
    await daemon.kill9();
    await new Promise((resolve) => setTimeout(resolve, 800));
    await daemon.start();
    // A daemon that answers has started what is to start with it.
    assert.equal((await inspect(unconditional)).State.Running, true);
    await until(async () => (await inspect(always)).State.Running === true);
    const count = (await inspect(always)).RestartCount;
    await until(async () => (await inspect(always)).RestartCount > count);
    assert.equal((await inspect(stopped)).State.Status, 'exited');
  });

  it('removes what was to be removed at exit', async () => {
    const id = await run(['sleep', '0.5'], { AutoRemove: true });
    await daemon.kill9();
    await new Promise((resolve) => setTimeout(resolve, 1000));
    await daemon.start();
    await until(async () => (await daemon.request('GET', `/containers/${id}/json`)).status === 404);
  });

  it('keeps a terminal', async () => {
    const id = await run(['sh'], {}, { Tty: true, OpenStdin: true });
    await daemon.kill9();
    await daemon.start();
    const { stream } = await daemon.hijack(`/containers/${id}/attach?stream=1&stdin=1&stdout=1`);
    let seen = '';
    stream.on('data', (data) => {
      seen += data;
    });
    stream.resume();
    stream.write('echo $((6*7))\n');
    await until(async () => seen.includes('42'));
    assert.equal((await daemon.request('POST', `/containers/${id}/resize?h=33&w=99`)).status, 200);
    stream.write('stty size\n');
    await until(async () => seen.includes('33 99'));
    stream.destroy();
  });
});
