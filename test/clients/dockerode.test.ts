/** dockerode, the Node client of the Engine API, unchanged. */
import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { after, before, describe, it } from 'node:test';
import Docker from 'dockerode';
import { startDaemon, type TestDaemon } from '../support/daemon.ts';

const BUSYBOX = '/var/cache/gantry-test/busybox.tar';

async function text(stream: NodeJS.ReadableStream): Promise<string> {
  let all = '';
  for await (const chunk of stream) all += chunk;
  return all;
}

describe('dockerode', () => {
  let daemon: TestDaemon;
  let docker: Docker;
  before(async () => {
    daemon = await startDaemon();
    docker = new Docker({ socketPath: daemon.socket });
    const progress = await docker.importImage(BUSYBOX, { repo: 'busybox', tag: 'latest' } as never);
    await text(progress as never);
  });
  after(() => daemon[Symbol.asyncDispose]());

  it('pings, tells its version and what it is', async () => {
    assert.equal(String(await docker.ping()), 'OK');
    assert.equal((await docker.version()).ApiVersion, '1.50');
    assert.equal((await docker.info()).OSType, 'linux');
  });

  it('runs a container with its output on two streams', async () => {
    const stdout = new PassThrough();
    const stderr = new PassThrough();
    const out = text(stdout);
    const err = text(stderr);
    const [result] = await docker.run('busybox', ['sh', '-c', 'echo out; echo err >&2; exit 3'], [stdout, stderr], {
      Tty: false,
      HostConfig: { AutoRemove: true },
    });
    stdout.end();
    stderr.end();
    assert.equal(result.StatusCode, 3);
    assert.deepEqual([await out, await err], ['out\n', 'err\n']);
  });

  it('attaches with stdin', async () => {
    const container = await docker.createContainer({
      Image: 'busybox',
      Cmd: ['cat'],
      OpenStdin: true,
      StdinOnce: true,
      AttachStdin: true,
      AttachStdout: true,
      Tty: false,
    });
    const stream = await container.attach({ stream: true, stdin: true, stdout: true, stderr: true, hijack: true });
    const stdout = new PassThrough();
    const out = text(stdout);
    container.modem.demuxStream(stream, stdout, new PassThrough());
    stream.on('end', () => stdout.end());
    await container.start();
    stream.write('hello\n');
    stream.end();
    assert.equal((await container.wait()).StatusCode, 0);
    assert.equal(await out, 'hello\n');
    await container.remove();
  });

  it('execs, follows logs, reads statistics and copies', async () => {
    const container = await docker.createContainer({
      Image: 'busybox',
      Cmd: ['sh', '-c', 'echo one; sleep 1; echo two; sleep 600'],
    });
    await container.start();
    const exec = await container.exec({ Cmd: ['cat', '/etc/passwd'], AttachStdout: true, AttachStderr: true });
    const stream = await exec.start({});
    const stdout = new PassThrough();
    const out = text(stdout);
    container.modem.demuxStream(stream, stdout, new PassThrough());
    stream.on('end', () => stdout.end());
    assert.match(await out, /^root:x:0:0/);
    assert.equal((await exec.inspect()).ExitCode, 0);
    const logs = await container.logs({ follow: true, stdout: true, stderr: true });
    await new Promise<void>((resolve) => {
      let seen = '';
      logs.on('data', (chunk) => {
        seen += chunk.toString();
        if (seen.includes('two')) resolve();
      });
    });
    (logs as never as { destroy(): void }).destroy();
    const stats = await container.stats({ stream: false });
    assert.ok(stats.memory_stats.usage > 0);
    assert.ok((stats.pids_stats?.current ?? 0) > 0);
    const archive = await container.getArchive({ path: '/etc/group' });
    assert.match(await text(archive), /group[\s\S]*root:x:0/);
    await container.remove({ force: true });
    await assert.rejects(container.inspect(), (error: { statusCode: number }) => error.statusCode === 404);
  });

  it('sees events as they come', async () => {
    const events = await docker.getEvents({ filters: { type: ['container'] } });
    const seen: string[] = [];
    events.on('data', (chunk) => {
      for (const line of String(chunk).trim().split('\n')) seen.push(JSON.parse(line).Action);
    });
    const container = await docker.createContainer({ Image: 'busybox', Cmd: ['true'] });
    await container.start();
    await container.wait();
    await container.remove();
    while (!seen.includes('destroy')) await new Promise((resolve) => setTimeout(resolve, 10));
    assert.deepEqual(seen, ['create', 'start', 'die', 'destroy']);
    (events as never as { destroy(): void }).destroy();
  });

  it('is told what is not there yet', async () => {
    await assert.rejects(docker.listNodes(), (error: { statusCode: number }) => error.statusCode === 503);
    await assert.rejects(docker.getImage('nope').inspect(), /No such image: nope:latest/);
  });
});
