import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { request as httpsRequest } from 'node:https';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
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

  test('reloads at SIGHUP, and keeps what it had when the file is bad', async () => {
    await using daemon = await startDaemon();
    const file = join(daemon.directory, 'daemon.json');
    writeFileSync(file, '{"debug": true, "labels": ["a=b"]}');
    daemon.signal('SIGHUP');
    await until(() => daemon.logs().includes('Reloaded configuration'));
    await daemon.request('GET', '/nowhere');
    assert.match(daemon.logs(), /level=debug/);
    writeFileSync(file, '{"nonsense": 1}');
    daemon.signal('SIGHUP');
    await until(() => daemon.logs().includes("don't match any configuration option: nonsense"));
    assert.equal((await daemon.request('GET', '/containers/json')).status, 200);
  });

  test('speaks mutual TLS', async () => {
    await using scratch = await startDaemon();
    const file = (name: string) => join(scratch.directory, name);
    const openssl = (line: string) =>
      execFileSync('openssl', line.split(' '), { stdio: 'ignore', cwd: scratch.directory });
    openssl('req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=ca -keyout ca-key.pem -out ca.pem');
    writeFileSync(file('ext'), 'subjectAltName=IP:127.0.0.1');
    for (const name of ['server', 'client']) {
      openssl(`req -newkey rsa:2048 -nodes -subj /CN=${name} -keyout ${name}-key.pem -out ${name}.csr`);
      openssl(
        `x509 -req -days 2 -in ${name}.csr -CA ca.pem -CAkey ca-key.pem -CAcreateserial -extfile ext -out ${name}.pem`,
      );
    }
    const port = 20_000 + (process.pid % 10_000);
    await using daemon = await startDaemon({
      flags: [
        '--tlsverify',
        '--tlscacert',
        file('ca.pem'),
        '--tlscert',
        file('server.pem'),
        '--tlskey',
        file('server-key.pem'),
        '-H',
        `tcp://127.0.0.1:${port}`,
      ],
    });
    assert.ok(daemon.pid > 0);
    const ask = (client: { cert?: Buffer; key?: Buffer }) =>
      new Promise<number>((resolve, reject) => {
        const sent = httpsRequest(
          { host: '127.0.0.1', port, path: '/containers/json', ca: readFileSync(file('ca.pem')), ...client },
          (response) => {
            response.resume();
            resolve(response.statusCode ?? 0);
          },
        );
        sent.on('error', reject);
        sent.end();
      });
    assert.equal(await ask({ cert: readFileSync(file('client.pem')), key: readFileSync(file('client-key.pem')) }), 200);
    await assert.rejects(ask({}));
  });

  test('checks a configuration without starting', () => {
    assert.equal(execFileSync(LAUNCHER, ['--validate'], { encoding: 'utf8', cwd: '/' }), 'configuration OK\n');
    const bad = spawnSync(LAUNCHER, ['--validate', '--nope'], { encoding: 'utf8' });
    assert.deepEqual([bad.status, bad.stderr], [1, "gantryd: unknown flag: --nope\nSee 'gantryd --help'.\n"]);
  });
});

async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 5000;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error('waited in vain');
    await sleep(10);
  }
}
