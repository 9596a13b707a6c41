/** Volumes that need what a kernel may lack: project quotas of ext4 and xfs. */
import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { projectOf, projectTaken } from '../../src/linux/project-quota.ts';
import { download, importBusybox, run, textOf } from '../integration/api-helpers.ts';
import { startDaemon, type TestDaemon } from '../support/daemon.ts';

const has = (program: string) => ['/sbin', '/usr/sbin'].some((directory) => existsSync(join(directory, program)));
const data = (daemon: TestDaemon, name: string) => join(daemon.directory, 'data/volumes', name, '_data');

async function make(daemon: TestDaemon, Name: string, DriverOpts: Record<string, string>) {
  return await daemon.request('POST', '/volumes/create', { Name, DriverOpts });
}

async function output(daemon: TestDaemon, id: string): Promise<string> {
  return textOf((await download(daemon, `/containers/${id}/logs?stdout=1&stderr=1`)).bytes);
}

const DISKS = {
  ext4: { megabytes: 128, mkfs: ['-O', 'quota,project'], type: 'ext4', mountOptions: 'loop,prjquota' },
  xfs: { megabytes: 512, mkfs: [], type: 'xfs', mountOptions: 'loop,prjquota' },
} as const;

for (const [type, disk] of Object.entries(DISKS)) {
  test(`${type}: a volume takes no more than its size`, {
    skip: has(`mkfs.${type}`) ? false : `no mkfs.${type}`,
  }, async () => {
    await using daemon = await startDaemon({ dataDisk: { ...disk, mkfs: [...disk.mkfs] } });
    await importBusybox(daemon);
    const made = await make(daemon, 'small', { size: '8m' });
    assert.equal(made.status, 201, made.text);
    assert.deepEqual(made.json.Options, { size: '8m' });
    assert.equal((await make(daemon, 'other', { size: '16m' })).status, 201);
    const projects = ['small', 'other'].map((name) => projectOf(data(daemon, name)));
    assert.equal(new Set(projects).size, 2);

    const script = `dd if=/dev/zero of=/small/f bs=1M count=20 && echo fits; dd if=/dev/zero of=/other/f bs=1M count=12 && echo fits;
      df -k /small | tail -1; stat -c %s /small/f`;
    const HostConfig = { Binds: ['small:/small', 'other:/other'] };
    const text = await output(daemon, await run(daemon, ['sh', '-c', script], { HostConfig }));
    assert.match(text, /No space left on device|Disk quota exceeded/i);
    assert.equal(text.match(/fits/g)?.length, 1, text);
    assert.match(text, / 8192 /);
    assert.ok(Number(text.trim().split('\n').at(-1)) <= 8 << 20, text);

    // A backup of the larger one has no room in it. ext4 lets the engine (CAP_SYS_RESOURCE) take more than the limit; xfs does not.
    if (type === 'xfs') {
      const { bytes } = await download(daemon, '/volumes/other/backup');
      const refused = await daemon.request('POST', '/volumes/small/restore?force=1', undefined, { raw: bytes });
      assert.equal(refused.status, 500);
      assert.match(refused.json.message, /no space left on device/);
      assert.deepEqual(readdirSync(data(daemon, 'small')), ['f']);
    }

    await daemon.kill9();
    await daemon.start();
    assert.equal((await daemon.request('POST', '/volumes/other/rename?name=moved')).status, 409, 'a container has it');
    for (const { Id } of (await daemon.request('GET', '/containers/json?all=1')).json) {
      assert.equal((await daemon.request('DELETE', `/containers/${Id}`)).status, 204);
    }
    assert.equal((await daemon.request('POST', '/volumes/small/rename?name=moved')).status, 204);
    const again = await run(daemon, ['sh', '-c', 'dd if=/dev/zero of=/v/g bs=1M count=20'], {
      HostConfig: { Binds: ['moved:/v'] },
    });
    assert.match(await output(daemon, again), /No space left on device|Disk quota exceeded/i);
    assert.equal((await daemon.request('DELETE', `/containers/${again}`)).status, 204);
    for (const name of ['moved', 'other'])
      assert.equal((await daemon.request('DELETE', `/volumes/${name}`)).status, 204);
    for (const project of projects)
      assert.ok(!projectTaken(join(daemon.directory, 'data'), project), 'limits are gone');
    assert.match(
      (await make(daemon, 'odd', { size: '1m', type: 'tmpfs', device: 'tmpfs' })).json.message,
      /no quota support/,
    );
  });
}
