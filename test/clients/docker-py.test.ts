/** docker-py, the Python client of the Engine API, unchanged: docker_py.py holds the cases. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { startDaemon, type TestDaemon } from '../support/daemon.ts';

const BUSYBOX = '/var/cache/gantry-test/busybox.tar';
const CASES = fileURLToPath(new URL('docker_py.py', import.meta.url));
const installed = spawnSync('python3', ['-c', 'import docker']).status === 0;

describe('docker-py', { skip: installed ? false : 'needs python3-docker' }, () => {
  let daemon: TestDaemon;
  before(async () => {
    daemon = await startDaemon();
    await daemon.request('POST', `/images/create?fromSrc=-&repo=busybox&tag=latest`, undefined, {
      raw: readFileSync(BUSYBOX),
    });
  });
  after(() => daemon[Symbol.asyncDispose]());

  for (const name of [
    'system',
    'run_and_errors',
    'options',
    'life',
    'output',
    'sockets',
    'files_and_images',
    'events_and_volumes',
  ]) {
    it(name.replaceAll('_', ' '), async () => {
      const child = spawn('python3', [CASES, `Test.test_${name}`], {
        env: { ...process.env, DOCKER_HOST: `unix://${daemon.socket}` },
        stdio: ['ignore', 'ignore', 'pipe'],
      });
      let report = '';
      child.stderr.on('data', (chunk) => {
        report += chunk;
      });
      const status = await new Promise((resolve) => child.on('close', resolve));
      assert.equal(status, 0, report);
      assert.match(report, /Ran 1 test/);
    });
  }
});
