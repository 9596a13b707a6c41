/** Testcontainers for Node, unchanged; its reaper container wants an image from a registry and is switched off. */
import assert from 'node:assert/strict';
import { createReadStream } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import Docker from 'dockerode';
import { startDaemon, type TestDaemon } from '../support/daemon.ts';

describe('testcontainers', () => {
  let daemon: TestDaemon;
  before(async () => {
    daemon = await startDaemon();
    process.env.DOCKER_HOST = `unix://${daemon.socket}`;
    process.env.TESTCONTAINERS_RYUK_DISABLED = 'true';
    const docker = new Docker({ socketPath: daemon.socket });
    const progress = await docker.importImage(
      createReadStream('/var/cache/gantry-test/busybox.tar') as never,
      { repo: 'busybox', tag: 'latest' } as never,
    );
    for await (const _ of progress as never as AsyncIterable<Buffer>);
  });
  after(() => daemon[Symbol.asyncDispose]());

  it('starts a container, waits for its log, execs, copies and stops it', async () => {
    const { GenericContainer, Wait } = await import('testcontainers');
    const container = await new GenericContainer('busybox:latest')
      .withCommand(['sh', '-c', 'echo ready to serve; sleep 600'])
      .withEnvironment({ GREETING: 'hello' })
      .withCopyContentToContainer([{ content: 'copied in', target: '/tmp/content' }])
      .withWaitStrategy(Wait.forLogMessage('ready to serve'))
      .start();
    const { output, exitCode } = await container.exec(['sh', '-c', 'echo $GREETING; cat /tmp/content']);
    assert.equal(exitCode, 0);
    assert.equal(output, 'hello\ncopied in');
    await container.restart();
    assert.match((await container.exec(['cat', '/tmp/content'])).output, /copied in/);
    await container.stop();
  });

  it('waits for a health check', async () => {
    const { GenericContainer, Wait } = await import('testcontainers');
    const container = await new GenericContainer('busybox:latest')
      .withCommand(['sh', '-c', 'sleep 1; touch /tmp/ok; sleep 600'])
      .withHealthCheck({
        test: ['CMD-SHELL', 'test -e /tmp/ok'],
        interval: 200,
        timeout: 1000,
        retries: 50,
        startPeriod: 100,
      })
      .withWaitStrategy(Wait.forHealthCheck())
      .start();
    await container.stop();
  });
});
