/** NFS volumes with a real server, the kernel's own. */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { listMounts } from '../../src/linux/mount.ts';
import { create, download, importBusybox, start, textOf } from '../integration/api-helpers.ts';
import { startDaemon, type TestDaemon } from '../support/daemon.ts';

const has = (program: string) => ['/sbin', '/usr/sbin'].some((directory) => existsSync(join(directory, program)));
const data = (daemon: TestDaemon, name: string) => join(daemon.directory, 'data/volumes', name, '_data');

async function make(daemon: TestDaemon, Name: string, DriverOpts: Record<string, string>) {
  return await daemon.request('POST', '/volumes/create', { Name, DriverOpts });
}

async function output(daemon: TestDaemon, id: string): Promise<string> {
  return textOf((await download(daemon, `/containers/${id}/logs?stdout=1&stderr=1`)).bytes);
}

/** Loads what the kernel has as modules. */
const knows = (...modules: string[]) =>
  modules.every((name) => spawnSync('modprobe', [name]).status === 0 || existsSync(`/sys/module/${name}`));
const server =
  has('rpc.nfsd') && has('rpc.mountd') && knows('nfsd', 'nfsv4')
    ? false
    : 'no NFS server: nfs-kernel-server, nfsd, nfsv4';
test('nfs: a volume of a server is mounted while it is used', { skip: server }, async () => {
  const share = mkdtempSync(join(tmpdir(), 'gantry-share-'));
  // An overlay cannot be exported.
  execFileSync('mount', ['-t', 'tmpfs', 'tmpfs', share]);
  mkdirSync(join(share, 'sub'));
  writeFileSync(join(share, 'sub/file'), 'from the server');
  const shell = (script: string) => execFileSync('sh', ['-ec', script], { stdio: ['ignore', 'inherit', 'inherit'] });
  shell(`modprobe nfsd 2>/dev/null || true; mount -t nfsd nfsd /proc/fs/nfsd 2>/dev/null || true; mkdir -p /run/rpcbind /var/lib/nfs/v4recovery
    ip link set lo up; exportfs -i -o rw,insecure,no_root_squash,fsid=0,no_subtree_check '*:${share}'
    echo 10 > /proc/fs/nfsd/nfsv4gracetime; rpc.mountd -N 3; rpc.nfsd -N 3 -U 1`);
  try {
    await using daemon = await startDaemon();
    await importBusybox(daemon);
    const options = { type: 'nfs', o: 'addr=localhost,rw,nfsvers=4', device: ':/sub' };
    const made = await make(daemon, 'remote', options);
    assert.equal(made.status, 201, made.text);
    const HostConfig = { Binds: ['remote:/v'] };
    const id = await start(daemon, ['sh', '-c', 'cat /v/file; echo from the container > /v/new; sleep 1000'], {
      HostConfig,
    });
    const mounted = () => listMounts().filter(({ mountPoint }) => mountPoint === data(daemon, 'remote'));
    assert.deepEqual(
      mounted().map(({ fstype }) => fstype),
      ['nfs4'],
    );
    assert.ok(mounted()[0]!.superOptions.includes('addr=127.0.0.1'));
    // A server that has just started lets nobody open anything for a while.
    while (!existsSync(join(share, 'sub/new'))) await sleep(100);
    await daemon.kill9();
    await daemon.start();
    assert.equal(mounted().length, 1);
    assert.equal((await daemon.request('POST', `/containers/${id}/kill`)).status, 204);
    await daemon.request('POST', `/containers/${id}/wait`);
    assert.match(await output(daemon, id), /from the server/);
    assert.equal(readFileSync(join(share, 'sub/new'), 'utf8'), 'from the container\n');
    assert.equal((await daemon.request('DELETE', `/containers/${id}`)).status, 204);
    assert.deepEqual(mounted(), []);
    const backup = await download(daemon, '/volumes/remote/backup');
    assert.match(backup.bytes.toString(), /from the server/);

    assert.equal((await make(daemon, 'nowhere', { ...options, device: ':/nowhere' })).status, 201);
    const failing = await create(daemon, ['true'], {
      HostConfig: { Mounts: [{ Type: 'volume', Source: 'nowhere', Target: '/v', VolumeOptions: { NoCopy: true } }] },
    });
    const answer = await daemon.request('POST', `/containers/${failing}/start`);
    assert.equal(answer.status, 500);
    assert.match(
      answer.json.message,
      /^error while mounting volume '.*': failed to mount local volume: mount :\/nowhere:.*, data: addr=127.0.0.1,nfsvers=4: no such file or directory$/,
    );
  } finally {
    shell(`rpc.nfsd 0; exportfs -ua; umount ${share}`);
  }
});
