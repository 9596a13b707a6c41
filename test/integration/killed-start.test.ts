/** A start whose runtime or monitor is killed at some point in it leaves nothing, and the container can be started again. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { startDaemon, type TestDaemon } from '../support/daemon.ts';
import { importBusybox } from './api-helpers.ts';

describe('a start that is killed', { timeout: 300_000 }, () => {
  const directory = mkdtempSync(join(tmpdir(), 'gantry-killed-'));
  const stage = join(directory, 'stage');
  let daemon: TestDaemon;

  before(async () => {
    const crun = execFileSync('which', ['crun'], { encoding: 'utf8' }).trim();
    // Runs the stage named in the file for so many milliseconds.
    const script = `#!/bin/bash
read -r stage seconds <${stage}
case "$*" in
*" $stage "*) ${crun} "$@" & child=$!; sleep "$seconds"; kill -9 $child; kill -9 $$ ;;
*) exec ${crun} "$@" ;;
esac
`;
    writeFileSync(join(directory, 'runtime'), script, { mode: 0o755 });
    writeFileSync(stage, 'none 0\n');
    daemon = await startDaemon({ flags: ['--add-runtime', `mortal=${directory}/runtime`] });
    await importBusybox(daemon);
  });
  after(async () => {
    await daemon[Symbol.asyncDispose]();
    rmSync(directory, { recursive: true });
  });

  const create = async (): Promise<string> => {
    const body = { Image: 'busybox', Cmd: ['sleep', '1000'], HostConfig: { Runtime: 'mortal' } };
    return (await daemon.request('POST', '/containers/create', body)).json.Id;
  };
  const start = (id: string) => daemon.request('POST', `/containers/${id}/start`);
  const leftovers = (id: string): string[] =>
    [
      ...['', ...readdirSync('/sys/fs/cgroup')]
        .map((hierarchy) => join('/sys/fs/cgroup', hierarchy, 'gantry', id))
        .filter((path) => existsSync(path)),
      ...spawnSync('pgrep', ['-af', `${daemon.directory}/run/containers/${id}`], { encoding: 'utf8' }).stdout.split(
        '\n',
      ),
      ...[`/run/crun/${id}`, join(daemon.directory, 'run/containers', id)].filter((path) => existsSync(path)),
    ].filter((line) => line !== '');

  async function checkFailed(id: string): Promise<void> {
    for (let tries = 0; leftovers(id).length > 0 && tries < 100; tries++) await sleep(50);
    assert.deepEqual(leftovers(id), []);
    const { State } = (await daemon.request('GET', `/containers/${id}/json`)).json;
    assert.deepEqual([State.Running, State.Pid], [false, 0]);
    writeFileSync(stage, 'none 0\n');
    assert.equal((await start(id)).status, 204, 'it starts when nobody kills');
    assert.equal((await daemon.request('DELETE', `/containers/${id}?force=1`)).status, 204);
  }

  for (const call of ['create', 'start']) {
    it(`the runtime in ${call}`, async () => {
      for (let round = 0; round < 8; round++) {
        const id = await create();
        writeFileSync(stage, `${call} ${(0.001 + round * 0.003).toFixed(3)}\n`);
        assert.equal((await start(id)).status, 500);
        await checkFailed(id);
      }
    });
  }

  it('the monitor', async () => {
    for (let round = 0; round < 12; round++) {
      const id = await create();
      const starting = start(id);
      const pattern = `gantry-shim .*${daemon.directory}/run/containers/${id}`;
      while (spawnSync('pkill', ['-9', '-f', pattern]).status !== 0) await sleep(1 + round);
      // Before or after the start was told of: either is gone, and the state says so.
      await starting;
      for (let tries = 0; tries < 100; tries++) {
        const { State } = (await daemon.request('GET', `/containers/${id}/json`)).json;
        if (!State.Running) break;
        await sleep(20);
      }
      await checkFailed(id);
    }
    assert.deepEqual(readdirSync(join(daemon.directory, 'run/containers')), []);
  });
});
