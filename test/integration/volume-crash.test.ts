/** Restores that are hostile, cut short, too large or overtaken by a kill of the daemon; copy-up on a full disk. Needs root. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { getXattr, setXattr } from '../../src/linux/xattr.ts';
import { sealed } from '../../src/storage/sealed-tar.ts';
import { END_OF_ARCHIVE } from '../../src/tar/writer.ts';
import { startDaemon, type TestDaemon } from '../support/daemon.ts';
import { create, download, importBusybox } from './api-helpers.ts';
import { collect, type Member, tarOf } from './storage-helpers.ts';

let daemon: TestDaemon;
before(async () => {
  daemon = await startDaemon({ dataDisk: { megabytes: 48 } });
  await importBusybox(daemon);
});
after(() => daemon[Symbol.asyncDispose]());

const data = (name: string) => join(daemon.directory, 'data/volumes', name, '_data');
const restore = (name: string, archive: Buffer) =>
  daemon.request('POST', `/volumes/${name}/restore?force=1`, undefined, { raw: archive });
const names = async () =>
  (await daemon.request('GET', '/volumes')).json.Volumes.map(({ Name }: { Name: string }) => Name);

/** A backup with the right checksum, whatever is in it. */
async function archiveOf(...members: Member[]): Promise<Buffer> {
  const tar = tarOf(...members).subarray(0, -END_OF_ARCHIVE.length);
  return await collect(Readable.from(sealed(Readable.from([tar]))));
}

async function makeVolume(Name: string): Promise<string> {
  const answer = await daemon.request('POST', '/volumes/create', { Name });
  assert.equal(answer.status, 201, answer.text);
  return data(Name);
}

/** Begins to send an archive and waits until the daemon is unpacking it. */
async function sendHalf(name: string, archive: Buffer): Promise<http.ClientRequest> {
  const request = http.request({ socketPath: daemon.socket, method: 'POST', path: `/volumes/${name}/restore?force=1` });
  request.on('error', () => {});
  request.write(archive.subarray(0, archive.length >> 1));
  const unpacking = () =>
    existsSync(data(name)) && readdirSync(data(name)).some((entry) => entry.endsWith('.unpacking'));
  while (!unpacking()) await sleep(10);
  return request;
}

test('a hostile archive reaches nothing outside of its volume', async () => {
  const volume = await makeVolume('hostile');
  const outside = join(daemon.directory, 'outside');
  writeFileSync(outside, 'untouched');
  const up = '../'.repeat(12);
  const cases: Member[][] = [
    [{ name: `${up}${outside.slice(1)}`, content: 'x' }],
    [{ name: outside, content: 'x' }],
    [
      { name: 'link', type: 'symlink', linkName: daemon.directory },
      { name: 'link/outside', content: 'x' },
    ],
    [
      { name: 'up', type: 'symlink', linkName: '..' },
      { name: 'up/up/escaped', content: 'x' },
    ],
    [
      { name: 'hard', type: 'hardlink', linkName: `${up}${outside.slice(1)}` },
      { name: 'hard', content: 'x' },
    ],
  ];
  for (const members of cases) {
    await restore('hostile', await archiveOf(...members));
    assert.equal(readFileSync(outside, 'utf8'), 'untouched', JSON.stringify(members));
    assert.equal(statSync(outside).nlink, 1);
    assert.deepEqual(readdirSync(join(volume, '..')), ['_data']);
    const found = execFileSync('find', [daemon.directory, '-xdev', '-name', 'escaped']).toString();
    assert.ok(!found.split('\n').some((path) => path !== '' && !path.startsWith(`${volume}/`)), found);
  }
});

test('holes stay holes, links links, attributes attributes', async () => {
  const volume = await makeVolume('sparse');
  execFileSync('truncate', ['-s', '20G', join(volume, 'huge')]);
  writeFileSync(join(volume, 'huge'), 'start', { flag: 'r+' });
  execFileSync('ln', [join(volume, 'huge'), join(volume, 'second')]);
  setXattr(join(volume, 'huge'), 'security.capability', Buffer.from('0100000200040000000000000000000000000000', 'hex'));
  setXattr(volume, 'trusted.note', Buffer.from('of the top'));
  const { bytes } = await download(daemon, '/volumes/sparse/backup');
  assert.ok(bytes.length < 100_000, `${bytes.length} bytes`);
  // GNU tar knows them as well.
  const listed = execFileSync('tar', ['-tvf', '-'], { input: bytes }).toString();
  assert.match(listed, / 21474836480 .* \.\/huge\n/);
  assert.equal((await restore('again', bytes)).status, 200);
  const [one, two] = ['huge', 'second'].map((name) => statSync(join(data('again'), name)));
  assert.equal(one!.size, 20 * 2 ** 30);
  assert.ok(one!.blocks < 100);
  assert.equal(one!.ino, two!.ino);
  assert.equal(getXattr(data('again'), 'trusted.note')?.toString(), 'of the top');
  assert.equal(
    getXattr(join(data('again'), 'huge'), 'security.capability')?.toString('hex'),
    '0100000200040000000000000000000000000000',
  );
  for (const name of ['sparse', 'again'])
    assert.equal((await daemon.request('DELETE', `/volumes/${name}`)).status, 204);
});

test('a restore that the daemon does not live to end is taken back', async () => {
  const kept = await makeVolume('kept');
  writeFileSync(join(kept, 'file'), 'as it was');
  const archive = await archiveOf(
    { name: 'file', content: 'new' },
    { name: 'more', content: Buffer.alloc(4 << 20, 1) },
  );
  const requests = [await sendHalf('kept', archive), await sendHalf('unheard-of', archive)];
  await daemon.kill9();
  for (const request of requests) request.destroy();
  await daemon.start();
  assert.deepEqual(readdirSync(kept), ['file']);
  assert.equal(readFileSync(join(kept, 'file'), 'utf8'), 'as it was');
  const found = await names();
  assert.ok(found.includes('kept') && !found.includes('unheard-of'), String(found));
  assert.ok(!existsSync(join(data('unheard-of'), '..')));
  assert.equal((await restore('kept', archive)).status, 200);
  assert.deepEqual(readdirSync(kept).sort(), ['file', 'more']);
});

test('a client that goes away leaves nothing behind', async () => {
  const archive = await archiveOf({ name: 'more', content: Buffer.alloc(4 << 20, 1) });
  const request = await sendHalf('fleeting', archive);
  request.destroy();
  while ((await names()).includes('fleeting')) await sleep(10);
  assert.ok(!existsSync(join(data('fleeting'), '..')));
});

test('a full disk: the old content stays, and the daemon says why', async () => {
  const volume = await makeVolume('small');
  writeFileSync(join(volume, 'file'), 'as it was');
  const archive = await archiveOf({ name: 'much', content: Buffer.alloc(64 << 20, 1) });
  const answer = await restore('small', archive);
  assert.equal(answer.status, 500, answer.text);
  assert.match(answer.json.message, /no space left on device/);
  assert.deepEqual(readdirSync(volume), ['file']);
  assert.equal((await restore('new-one', archive)).status, 500);
  assert.ok(!(await names()).includes('new-one'));
});

test('copy-up on a full disk fails the create, and leaves no volume', async () => {
  const tar = tarOf({ name: 'data/', type: 'directory' }, { name: 'data/much', content: Buffer.alloc(20 << 20, 1) });
  const made = await daemon.request('POST', '/images/create?fromSrc=-&repo=full', undefined, { raw: tar });
  assert.equal(made.status, 200, made.text);
  const before = await names();
  const HostConfig = { Mounts: [{ Type: 'volume', Source: 'filled', Target: '/data' }] };
  const body = { Image: 'full', Cmd: ['x'], Volumes: { '/data/sub': {} }, HostConfig };
  const answer = await daemon.request('POST', '/containers/create', body);
  assert.equal(answer.status, 500, answer.text);
  assert.match(answer.json.message, /error while populating the volume at \/data: .*No space left on device/);
  // As with dockerd the volume with a name stays, for its name is the user's.
  assert.deepEqual(await names(), [...before, 'filled'].sort());
  assert.equal((await daemon.request('DELETE', '/volumes/filled')).status, 204);
  assert.equal((await daemon.request('DELETE', '/images/full')).status, 200);
  await create(daemon, ['true'], { HostConfig: { Binds: ['small:/v'] } });
});
