import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { gzipSync } from 'node:zlib';
import { statPath } from '../../src/storage/archive/stat.ts';
import { tarPath } from '../../src/storage/archive/tar-path.ts';
import { untarInto } from '../../src/storage/archive/untar-into.ts';
import { tarTree } from '../../src/storage/tree-tar.ts';
import { collect, listTar, scratch, stream, tarOf } from './storage-helpers.ts';

function container(directory: string) {
  fs.mkdirSync(`${directory}/root/etc/conf`, { recursive: true });
  fs.writeFileSync(`${directory}/root/etc/passwd`, "the container's");
  fs.writeFileSync(`${directory}/root/etc/conf/a`, 'a');
  fs.symlinkSync('/etc', `${directory}/root/abs`);
  fs.symlinkSync('../../../../etc', `${directory}/root/up`);
  fs.symlinkSync('/etc/passwd', `${directory}/root/file`);
  fs.symlinkSync('nowhere', `${directory}/root/broken`);
  return { directory: `${directory}/root`, container: 'c1' };
}

test('stat: modes as Go has them, links as the container sees them', (t) => {
  const files = container(scratch(t));
  fs.utimesSync(`${files.directory}/etc/passwd`, 1, 1.5);
  fs.chmodSync(`${files.directory}/etc/passwd`, 0o4640);
  assert.deepEqual(statPath(files, '/etc/passwd'), {
    name: 'passwd',
    size: 15,
    mode: 2 ** 23 + 0o640,
    mtime: '1970-01-01T00:00:01.5Z',
    linkTarget: '',
  });
  assert.equal(statPath(files, 'etc').mode, 2 ** 31 + 0o755);
  const link = statPath(files, '/file');
  assert.deepEqual([link.name, link.mode, link.linkTarget], ['file', 2 ** 27 + 0o777, '/etc/passwd']);
  assert.equal(statPath(files, '/up').linkTarget, '/etc');
  assert.equal(statPath(files, '/broken').linkTarget, '/nowhere');
  assert.equal(statPath(files, '/up/').mode, 2 ** 31 + 0o755);
  assert.equal(statPath(files, '/').name, '/');
  assert.equal(statPath(files, '/up/passwd').size, 15, "the container's own file, not the host's");
  assert.equal(statPath(files, '/../../../etc/passwd').size, 15);
});

test('errors name the path as the client gave it', (t) => {
  const files = container(scratch(t));
  assert.throws(() => statPath(files, '/no/such'), {
    code: 'not_found',
    message: 'Could not find the file /no/such in container c1',
  });
  assert.throws(() => tarPath(files, 'nope'), { message: 'Could not find the file nope in container c1' });
  assert.throws(() => statPath(files, '/etc/passwd/'), { code: 'invalid_parameter' });
  assert.throws(() => statPath(files, '/etc/passwd/x'), { code: 'invalid_parameter' });
  assert.throws(() => statPath(files, 'a\0b'), { code: 'invalid_parameter' });
});

test('names in the archive follow the form of the path', async (t) => {
  const files = container(scratch(t));
  const names = async (path: string): Promise<string[]> => listTar(await collect(tarPath(files, path).tar), '-P');
  assert.deepEqual(await names('/etc'), ['etc/', 'etc/conf/', 'etc/conf/a', 'etc/passwd']);
  assert.deepEqual(await names('/etc/'), ['etc/', 'etc/conf/', 'etc/conf/a', 'etc/passwd']);
  assert.deepEqual(await names('/etc/.'), ['./', './conf/', './conf/a', './passwd']);
  assert.deepEqual(await names('/etc/conf/a'), ['a']);
  assert.deepEqual(await names('/abs'), ['abs']);
  assert.deepEqual(await names('/abs/'), ['abs/', 'abs/conf/', 'abs/conf/a', 'abs/passwd']);
  assert.ok((await names('/')).includes('/etc/passwd'));
  assert.equal(tarPath(files, '/abs').stat.linkTarget, '/etc');
});

test('unpacking into a directory merges directories and replaces files', async (t) => {
  const files = container(scratch(t));
  const tar = tarOf(
    { name: './', mode: 0o700 },
    { name: 'conf/', mode: 0o750, uid: 7, gid: 8, mtime: 1000 },
    { name: 'conf/b', content: 'b', uid: 7, gid: 8, mode: 0o4711, mtime: 2000 },
    { name: 'passwd', type: 'symlink', linkName: '/etc/conf/b' },
    { name: 'missing/dir/x', content: 'x' },
    { name: 'conf/hard', type: 'hardlink', linkName: 'conf/b' },
  );
  await untarInto(files, '/abs', stream(gzipSync(tar)));
  const stat = (name: string): fs.Stats => fs.lstatSync(`${files.directory}/etc/${name}`);
  assert.equal(stat('').mode & 0o777, 0o755, 'the extraction point keeps its mode');
  assert.deepEqual([stat('conf').mode & 0o777, stat('conf').uid, stat('conf').mtimeMs], [0o750, 7, 1_000_000]);
  assert.equal(stat('conf/b').mode & 0o7777, 0o4711);
  assert.equal(stat('conf/hard').ino, stat('conf/b').ino);
  assert.equal(fs.readFileSync(`${files.directory}/etc/conf/a`, 'utf8'), 'a');
  assert.equal(fs.readlinkSync(`${files.directory}/etc/passwd`), '/etc/conf/b');
  assert.equal(fs.readFileSync(`${files.directory}/etc/missing/dir/x`, 'utf8'), 'x');
  await untarInto(files, '/etc', stream(tarOf({ name: 'own', uid: 5 })), { chown: { uid: 11, gid: 12 } });
  assert.deepEqual([stat('own').uid, stat('own').gid], [11, 12]);
});

test('what must not be replaced is not', async (t) => {
  const files = container(scratch(t));
  const into = (tar: Buffer): Promise<void> => untarInto(files, '/etc', stream(tar), { noOverwriteDirNonDir: true });
  await assert.rejects(
    into(tarOf({ name: 'conf', content: 'x' })),
    /cannot overwrite directory "\/etc\/conf" with non-directory/,
  );
  await assert.rejects(
    into(tarOf({ name: 'passwd/' })),
    /cannot overwrite non-directory "\/etc\/passwd" with directory/,
  );
  await into(tarOf({ name: 'passwd', content: 'new' }));
  await untarInto(files, '/etc', stream(tarOf({ name: 'conf', content: 'a file' })));
  assert.equal(fs.readFileSync(`${files.directory}/etc/conf`, 'utf8'), 'a file');
  await assert.rejects(untarInto(files, '/etc/passwd', stream(tarOf())), {
    code: 'invalid_parameter',
    message: 'extraction point is not a directory',
  });
  await assert.rejects(untarInto(files, '/nope', stream(tarOf())), { code: 'not_found' });
  await assert.rejects(untarInto(files, '/etc', stream(Buffer.alloc(2000, 'x'))), { code: 'invalid_parameter' });
  const refuse = (directory: string): void => {
    throw new Error(`asked for ${directory}`);
  };
  await assert.rejects(untarInto(files, '/up/../abs/.', stream(tarOf()), { allow: refuse }), /asked for \/etc$/);
});

test('no archive and no symlink of the container leads to a file of the host', async (t) => {
  const directory = scratch(t);
  const files = container(directory);
  fs.writeFileSync(`${directory}/outside`, 'untouched');
  fs.mkdirSync(`${directory}/outdir`);
  const hostile = [
    tarOf({ name: '../outside', content: 'x' }),
    tarOf({ name: 's', type: 'symlink', linkName: '../../outdir' }, { name: 's/x', content: 'x' }),
    tarOf({ name: 's', type: 'symlink', linkName: `${directory}/outdir` }, { name: 's/x', content: 'x' }),
    tarOf({ name: 'h', type: 'hardlink', linkName: '../../outside' }),
    tarOf({ name: 'h', type: 'hardlink', linkName: `${directory}/outside` }),
  ];
  for (const tar of hostile) await untarInto(files, '/etc', stream(tar)).catch(() => {});
  assert.equal(fs.readFileSync(`${directory}/outside`, 'utf8'), 'untouched');
  assert.equal(fs.statSync(`${directory}/outside`).nlink, 1);
  assert.deepEqual(fs.readdirSync(`${directory}/outdir`), []);
});

test('a directory that is swapped for a symlink again and again leads nowhere', async (t) => {
  const directory = scratch(t);
  const files = container(directory);
  fs.mkdirSync(`${directory}/secret`);
  fs.writeFileSync(`${directory}/secret/key`, 'SECRET');
  fs.mkdirSync(`${files.directory}/swap/real`, { recursive: true });
  fs.writeFileSync(`${files.directory}/swap/real/key`, 'plain');
  const script = `cd ${files.directory}/swap; while :; do mv real tmp; ln -s ${directory}/secret real; rm real; mv tmp real; done`;
  const swapper = spawn('sh', ['-c', script], { stdio: 'ignore' });
  t.after(() => swapper.kill('SIGKILL'));
  let seen = 0;
  for (let i = 0; i < 300; i++) {
    try {
      const tar = await collect(tarPath(files, '/swap').tar);
      assert.ok(!tar.includes('SECRET'));
      if (tar.includes('plain')) seen++;
      await untarInto(files, '/swap/real', stream(tarOf({ name: 'put', content: 'x' })));
    } catch (error) {
      assert.ok(['not_found', 'invalid_parameter'].includes((error as { code: string }).code), String(error));
    }
  }
  assert.ok(seen > 0);
  assert.deepEqual(fs.readdirSync(`${directory}/secret`), ['key']);
  swapper.kill('SIGKILL');
});

test('a running process is reached through /proc/<pid>/root, its own mounts included', async (t) => {
  const directory = scratch(t);
  const files = container(directory);
  fs.mkdirSync(`${files.directory}/vol`);
  fs.mkdirSync(`${files.directory}/bin`);
  fs.copyFileSync('/bin/busybox', `${files.directory}/bin/busybox`);
  const script = `mount -t tmpfs none ${files.directory}/vol && echo in > ${files.directory}/vol/f && echo ready && exec chroot ${files.directory} /bin/busybox sleep 60`;
  const child = spawn('unshare', ['-m', 'sh', '-c', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => child.kill('SIGKILL'));
  await new Promise((resolve) => child.stdout.once('data', resolve));
  while (fs.readlinkSync(`/proc/${child.pid}/root`) === '/') await new Promise((resolve) => setTimeout(resolve, 5));
  const running = { directory: `/proc/${child.pid}/root`, container: 'c1' };
  assert.deepEqual(listTar(await collect(tarPath(running, '/vol').tar)), ['vol/', 'vol/f']);
  await untarInto(running, '/vol', stream(tarOf({ name: 'put', content: 'x' })));
  assert.equal(statPath(running, '/vol/put').size, 1);
  assert.deepEqual(fs.readdirSync(`${files.directory}/vol`), []);
});

test('export: the whole tree, hard links and all', async (t) => {
  const files = container(scratch(t));
  fs.linkSync(`${files.directory}/etc/passwd`, `${files.directory}/etc/same`);
  const parts: Buffer[] = [];
  for await (const part of tarTree(files.directory)) parts.push(part);
  const peer = scratch(t);
  execFileSync('tar', ['-xp', '-C', peer], { input: Buffer.concat(parts) });
  const list = (root: string): string =>
    execFileSync('sh', ['-c', "find . -mindepth 1 -printf '%p %y %m %Ts %n %l\\n' | sort"], { cwd: root }).toString();
  assert.equal(list(peer), list(files.directory));
});

test('a directory that is exchanged for a symlink in the midst of it leads nobody out', {
  timeout: 120_000,
}, async (t) => {
  const directory = scratch(t, 50);
  const [root, outside] = [`${directory}/root`, `${directory}/outside`];
  fs.mkdirSync(`${root}/d/sub`, { recursive: true });
  fs.mkdirSync(outside, { mode: 0o700 });
  fs.writeFileSync(`${outside}/secret`, 'of the host', { mode: 0o600 });
  const files = { directory: root, container: 'c1' };
  // As a process of the container would, on another processor.
  const stop = new SharedArrayBuffer(4);
  const worker = new Worker(
    `const fs = require('node:fs');
     const { root, outside, stop } = require('node:worker_threads').workerData;
     const flag = new Int32Array(stop);
     const attempt = (work) => { try { work(); } catch {} };
     while (Atomics.load(flag, 0) === 0) {
       attempt(() => fs.symlinkSync(outside, root + '/link'));
       attempt(() => fs.renameSync(root + '/d/sub', root + '/old'));
       attempt(() => fs.renameSync(root + '/link', root + '/d/sub'));
       attempt(() => fs.unlinkSync(root + '/d/sub'));
       attempt(() => fs.rmSync(root + '/old/f', { force: true }));
       attempt(() => fs.renameSync(root + '/old', root + '/d/sub'));
       attempt(() => fs.rmSync(root + '/old', { recursive: true, force: true }));
       attempt(() => fs.mkdirSync(root + '/d/sub'));
     }`,
    { eval: true, workerData: { root, outside, stop } },
  );
  const tar = tarOf(
    { name: 'sub/', mode: 0o777 },
    { name: 'sub/f', content: 'from the client', mode: 0o666 },
    { name: 'sub/deep/g', content: 'x' },
  );
  // Errors are the race's; what matters is what they touch.
  const attempt = (work: Promise<unknown>) => work.catch(() => null);
  let seen = 0;
  try {
    for (let round = 0; round < 4000; round++) {
      await attempt(untarInto(files, '/d', stream(tar, tar.length)));
      if (round % 4 > 0) continue;
      for (const path of ['/d', '/d/sub', '/d/sub/.', '/d/sub/secret']) {
        const bytes = await attempt((async () => collect(tarPath(files, path).tar))());
        if (bytes !== null) seen++;
        assert.equal((bytes as Buffer | null)?.includes('of the host') ?? false, false, `read through ${path}`);
      }
    }
  } finally {
    Atomics.store(new Int32Array(stop), 0, 1);
    await new Promise((resolve) => worker.once('exit', resolve));
  }
  assert.ok(seen > 0);
  assert.deepEqual(fs.readdirSync(outside), ['secret']);
  const modes = [outside, `${outside}/secret`].map((path) => (fs.statSync(path).mode & 0o7777).toString(8));
  assert.deepEqual(modes, ['700', '600']);
});
