import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { startDaemon } from '../support/daemon.ts';

const LAUNCHER = fileURLToPath(new URL('../../bin/gantryd', import.meta.url));

describe('gantryd', () => {
  test('serves its API, its description too, and leaves nothing at the end', async () => {
    await using daemon = await startDaemon();
    assert.equal((await daemon.request('GET', '/v1.41/containers/json')).status, 200);
    const description = await daemon.request('GET', '/v1.50/openapi.json');
    assert.equal(description.json.paths['/containers/{id}/json'].get.operationId, 'ContainerInspect');
    assert.equal((await daemon.request('GET', '/v1.99/containers/json')).status, 400);
    assert.equal(await daemon.stop(), 0);
    assert.equal(existsSync(daemon.socket), false);
    assert.equal(existsSync(join(daemon.directory, 'pid')), false);
  });

  test('runs beside another, but not twice on one data root', async () => {
    await using one = await startDaemon();
    await using two = await startDaemon();
    assert.notEqual((await one.request('GET', '/networks')).status, 500);
    const args = [
      '--data-root',
      join(one.directory, 'data'),
      '--exec-root',
      join(two.directory, 'run2'),
      '-H',
      `unix://${two.directory}/z.sock`,
      '--pidfile',
      join(two.directory, 'pid2'),
      '--bridge',
      'none',
    ];
    const third = spawnSync(LAUNCHER, args, { encoding: 'utf8' });
    assert.equal(third.status, 1);
    assert.match(third.stderr, /in use by another gantryd/);
    const fourth = spawnSync(LAUNCHER, [...args, '--pidfile', join(one.directory, 'pid')], { encoding: 'utf8' });
    assert.match(fourth.stderr, new RegExp(`process with PID ${one.pid} is still running`));
  });

  test('starts again after kill -9 and takes its stale socket back', async () => {
    await using daemon = await startDaemon();
    await daemon.kill9();
    await daemon.start();
    assert.equal((await daemon.request('GET', '/containers/json')).status, 200);
  });

  test('a pid file of a process that is gone, or of nobody, is taken over', async () => {
    await using daemon = await startDaemon();
    await daemon.stop();
    for (const left of ['4194304', 'nonsense', '']) {
      writeFileSync(join(daemon.directory, 'pid'), left);
      await daemon.start();
      assert.equal(readFileSync(join(daemon.directory, 'pid'), 'utf8'), String(daemon.pid));
      await daemon.stop();
    }
  });

  test('checks a configuration without starting', () => {
    const good = spawnSync(LAUNCHER, ['--validate'], { encoding: 'utf8', cwd: '/' });
    assert.deepEqual([good.status, good.stderr], [0, 'configuration OK\n']);
    const bad = spawnSync(LAUNCHER, ['--validate', '--nope'], { encoding: 'utf8' });
    assert.deepEqual([bad.status, bad.stderr], [1, "gantryd: unknown flag: --nope\nSee 'gantryd --help'.\n"]);
  });
});
