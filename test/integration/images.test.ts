import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { startDaemon, type TestDaemon } from '../support/daemon.ts';
import { create, download, importBusybox, messages, run, start } from './api-helpers.ts';
import { listTar, rootfs, scratch, sha256, tarOf } from './storage-helpers.ts';

describe('images', () => {
  let daemon: TestDaemon;
  let busybox: string;
  before(async () => {
    daemon = await startDaemon();
    busybox = await importBusybox(daemon, 'busybox', `&changes=${encodeURIComponent('LABEL kind=base')}`);
  });
  after(async () => {
    await daemon[Symbol.asyncDispose]();
  });

  const get = async (path: string) => (await daemon.request('GET', path)).json;
  const load = (archive: Buffer, query = '') =>
    daemon.request('POST', `/images/load${query}`, undefined, { raw: archive });
  const said = (answer: Awaited<ReturnType<typeof load>>) =>
    messages(answer).flatMap(({ stream }) => (stream === undefined ? [] : [stream]));
  const inData = (name: string) => readdirSync(join(daemon.directory, 'data', name));

  test('import: plain and compressed tars give the same layer, which is the tar that came in', async () => {
    const tar = readFileSync(rootfs('busybox'));
    const image = await get('/images/busybox/json');
    assert.deepEqual(image.RootFS.Layers, [sha256(tar)]);
    assert.deepEqual(image.Config, { Labels: { kind: 'base' } });
    assert.equal(image.Comment, 'Imported from -');
    const answer = await daemon.request(
      'POST',
      '/images/create?fromSrc=-&repo=zipped&changes=ENV%20A=1&changes=CMD%20ls',
      undefined,
      {
        raw: gzipSync(tar),
      },
    );
    const zipped = await get(`/images/${messages(answer).at(-1)!.status}/json`);
    assert.deepEqual(zipped.RootFS.Layers, [sha256(tar)]);
    assert.deepEqual(zipped.Config, { Env: ['A=1'], Cmd: ['/bin/sh', '-c', 'ls'] });
    assert.deepEqual(zipped.RepoTags, ['zipped:latest']);
    await daemon.request('DELETE', '/images/zipped');
  });

  test('save and load: same IDs, names and layers, byte for byte', async (t) => {
    await daemon.request('POST', '/images/busybox/tag?repo=example.com:5000/a/b&tag=1');
    const archive = (await download(daemon, '/images/get?names=busybox:latest&names=example.com:5000/a/b:1')).bytes;
    const tar = readFileSync(rootfs('busybox'));
    const directory = scratch(t);
    writeFileSync(join(directory, 'archive.tar'), archive);
    const layer = execFileSync(
      'tar',
      ['-xOf', join(directory, 'archive.tar'), `blobs/sha256/${sha256(tar).slice(7)}`],
      {
        maxBuffer: 1 << 28,
      },
    );
    assert.ok(layer.equals(tar));
    for (const name of ['busybox', 'example.com:5000/a/b:1']) await daemon.request('DELETE', `/images/${name}`);
    assert.deepEqual(await get('/images/json'), []);
    assert.deepEqual(inData('layers'), []);
    const answer = await load(archive);
    assert.deepEqual(said(answer), ['Loaded image: busybox:latest\n', 'Loaded image: example.com:5000/a/b:1\n']);
    assert.equal((await get('/images/busybox/json')).Id, busybox);
    assert.ok(
      (await download(daemon, '/images/get?names=busybox:latest&names=example.com:5000/a/b:1')).bytes.equals(archive),
    );
    await daemon.request('DELETE', '/images/example.com:5000/a/b:1');
  });

  test('a repository without a tag is saved with all its tags, an ID with none', async () => {
    await daemon.request('POST', '/images/busybox/tag?repo=busybox&tag=other');
    const manifestOf = (archive: Buffer) =>
      JSON.parse(execFileSync('tar', ['-xO', 'manifest.json'], { input: archive }).toString())[0];
    assert.deepEqual(manifestOf((await download(daemon, '/images/busybox/get')).bytes).RepoTags, [
      'busybox:latest',
      'busybox:other',
    ]);
    assert.equal(manifestOf((await download(daemon, `/images/${busybox}/get`)).bytes).RepoTags, null);
    const missing = await daemon.request('GET', '/images/nothing:1/get');
    assert.deepEqual([missing.status, missing.json.message], [404, 'No such image: nothing:1']);
    await daemon.request('DELETE', '/images/busybox:other');
  });

  test('load tells of a name that moves, and of images without one', async () => {
    const named = (await download(daemon, '/images/get?names=busybox:latest')).bytes;
    const plain = (await download(daemon, `/images/get?names=${busybox}`)).bytes;
    assert.deepEqual(said(await load(plain)), [`Loaded image ID: ${busybox}\n`]);
    const second = await importBusybox(daemon, 'busybox', '&message=another');
    assert.notEqual(second, busybox);
    assert.deepEqual(said(await load(named)), [
      `The image busybox:latest already exists, renaming the old one with ID ${second} to empty string\n`,
      'Loaded image: busybox:latest\n',
    ]);
    const dangling = await get(`/images/json?filters=${encodeURIComponent('{"dangling":["true"]}')}`);
    assert.deepEqual(
      dangling.map(({ Id, RepoTags }: { Id: string; RepoTags: string[] }) => [Id, RepoTags]),
      [[second, []]],
    );
    const pruned = (await daemon.request('POST', '/images/prune')).json;
    assert.deepEqual(pruned, { ImagesDeleted: [{ Deleted: second }], SpaceReclaimed: 0 });
  });

  test('progress of layers unless quiet', async () => {
    const archive = (await download(daemon, '/images/busybox/get')).bytes;
    await daemon.request('DELETE', '/images/busybox');
    const progress = messages(await load(archive, '?quiet=0')).filter(({ status }) => status === 'Loading layer');
    const last = progress.at(-1) as { id: string; progressDetail: { current: number; total: number } };
    const tar = readFileSync(rootfs('busybox'));
    assert.equal(last.id, sha256(tar).slice(7, 19));
    assert.deepEqual(last.progressDetail, { current: tar.length, total: tar.length });
  });

  test('skopeo reads what is saved, and its archives are loaded', async (t) => {
    const directory = scratch(t);
    const saved = join(directory, 'saved.tar');
    writeFileSync(saved, (await download(daemon, '/images/busybox/get')).bytes);
    const skopeo = (from: string, to: string) => execFileSync('skopeo', ['copy', '-q', from, to]);
    skopeo(`docker-archive:${saved}`, `docker-archive:${directory}/d.tar:from/docker:1`);
    skopeo(`docker-archive:${saved}`, `oci-archive:${directory}/o.tar:from/oci:2`);
    assert.deepEqual(said(await load(readFileSync(join(directory, 'd.tar')))), ['Loaded image: from/docker:1\n']);
    assert.deepEqual(said(await load(readFileSync(join(directory, 'o.tar')))), ['Loaded image: from/oci:2\n']);
    assert.equal((await get('/images/from/docker:1/json')).Id, busybox);
    // skopeo writes a config of its own for another format; the layers stay what they were.
    assert.deepEqual((await get('/images/from/oci:2/json')).RootFS, (await get('/images/busybox/json')).RootFS);
    for (const name of ['from/docker:1', 'from/oci:2']) await daemon.request('DELETE', `/images/${name}`);
  });

  test('hostile and damaged archives are refused, and nothing of them stays', async () => {
    const config = Buffer.from(
      JSON.stringify({
        architecture: 'amd64',
        os: 'linux',
        rootfs: { type: 'layers', diff_ids: [sha256(tarOf({ name: 'x' }))] },
      }),
    );
    const manifest = (layers: string[], tags = ['evil:1']) => ({
      name: 'manifest.json',
      content: JSON.stringify([{ Config: 'config.json', RepoTags: tags, Layers: layers }]),
    });
    const archives: Record<string, Buffer> = {
      garbage: Buffer.from('this is no archive at all'.repeat(100)),
      'member outside': tarOf({ name: '../../escape', content: 'x' }, manifest([])),
      'link outside': tarOf({ name: 'l', type: 'symlink', linkName: '/etc/passwd' }, manifest(['l'])),
      'other layer': tarOf(
        { name: 'config.json', content: config },
        { name: 'l.tar', content: tarOf({ name: 'y' }) },
        manifest(['l.tar']),
      ),
      'layer that leads out': tarOf(
        {
          name: 'config.json',
          content: JSON.stringify({ rootfs: { type: 'layers', diff_ids: [sha256(tarOf({ name: '../x' }))] } }),
        },
        { name: 'l.tar', content: tarOf({ name: '../x' }) },
        manifest(['l.tar']),
      ),
      'bad name': tarOf(
        { name: 'config.json', content: config },
        { name: 'l.tar', content: tarOf({ name: 'x' }) },
        manifest(['l.tar'], ['UPPER CASE']),
      ),
      'cut off': tarOf({ name: 'config.json', content: config }).subarray(0, 700),
    };
    const before = { images: await get('/images/json'), layers: inData('layers') };
    for (const [name, archive] of Object.entries(archives)) {
      const answer = await load(archive);
      assert.equal(answer.status, 400, `${name}: ${answer.status} ${answer.text}`);
      assert.deepEqual({ images: await get('/images/json'), layers: inData('layers') }, before, name);
      assert.deepEqual(inData('tmp'), [], name);
    }
    const large = await daemon.request('POST', '/images/create?fromSrc=-&repo=bad', undefined, {
      raw: Buffer.concat([tarOf({ name: '../out' }).subarray(0, 512), Buffer.alloc(8 << 20, 7)]),
    });
    assert.equal(large.status, 400, large.text);
    assert.deepEqual(inData('tmp'), []);
  });

  test('commit: changes of a container on top of its image', async () => {
    const id = await run(daemon, ['sh', '-c', 'echo new > /etc/new; rm /bin/ls'], { Env: ['A=1'] });
    const query = `container=${id}&repo=made&tag=v1&comment=why&author=me&changes=${encodeURIComponent('ENV B=2')}`;
    const answer = await daemon.request('POST', `/commit?${query}`, {});
    assert.equal(answer.status, 201, answer.text);
    const image = await get('/images/made:v1/json');
    assert.equal(image.Id, answer.json.Id);
    assert.deepEqual([image.Parent, image.Comment, image.Author], [busybox, 'why', 'me']);
    assert.ok(image.Config.Env.includes('A=1') && image.Config.Env.includes('B=2'));
    const history = await get('/images/made:v1/history');
    assert.deepEqual(
      history.map(({ Id, Comment, Tags }: Record<string, unknown>) => [Id, Comment, Tags]),
      [
        [image.Id, 'why', ['made:v1']],
        [busybox, 'Imported from -', ['busybox:latest']],
      ],
    );
    const archive = (await download(daemon, '/images/made:v1/get')).bytes;
    const layer = image.RootFS.Layers[1].slice(7);
    const inner = execFileSync('tar', ['-xO', `blobs/sha256/${layer}`], { input: archive });
    assert.deepEqual(
      listTar(inner).sort(),
      ['bin/', 'bin/.wh.ls', 'etc/', 'etc/new'],
      'no mount points of the runtime',
    );
    const check = await run(daemon, ['sh', '-c', '[ ! -e /bin/ls ] && cat /etc/new'], { Image: 'made:v1' });
    assert.equal((await get(`/containers/${check}/json`)).State.ExitCode, 0);
    for (const container of [id, check]) await daemon.request('DELETE', `/containers/${container}`);
    await daemon.request('DELETE', '/images/made:v1');
  });

  test('commit of a running container pauses it, and lets it run on', async () => {
    const id = await start(daemon, ['sleep', '60']);
    const answer = await daemon.request('POST', `/commit?container=${id}`, {});
    assert.equal(answer.status, 201, answer.text);
    assert.equal((await get(`/containers/${id}/json`)).State.Status, 'running');
    const filters = encodeURIComponent(JSON.stringify({ container: [id] }));
    const events = (await daemon.request('GET', `/events?until=${Date.now() / 1000}&filters=${filters}`)).text;
    const actions = events
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line).Action);
    assert.deepEqual(actions.slice(-3), ['pause', 'commit', 'unpause']);
    await daemon.request('DELETE', `/containers/${id}?force=1`);
    await daemon.request('DELETE', `/images/${answer.json.Id}`);
  });

  test('rmi: what is named twice, used or a parent stays', async () => {
    const remove = async (name: string, query = '') => {
      const { status, json } = await daemon.request('DELETE', `/images/${name}${query}`);
      return [status, json.message ?? json];
    };
    const short = busybox.slice(7, 19);
    await daemon.request('POST', '/images/busybox/tag?repo=second');
    assert.deepEqual(await remove(short), [
      409,
      `conflict: unable to delete ${short} (must be forced) - image is referenced in multiple repositories`,
    ]);
    assert.deepEqual(await remove('second'), [200, [{ Untagged: 'second:latest' }]]);
    const id = await create(daemon, ['sleep', '60']);
    const user = id.slice(0, 12);
    assert.deepEqual(await remove('busybox'), [
      409,
      `conflict: unable to remove repository reference "busybox" (must force) - container ${user} is using its referenced image ${short}`,
    ]);
    assert.deepEqual(await remove(short), [
      409,
      `conflict: unable to delete ${short} (must be forced) - image is being used by stopped container ${user}`,
    ]);
    await daemon.request('POST', `/containers/${id}/start`);
    assert.deepEqual(await remove(short, '?force=1'), [
      409,
      `conflict: unable to delete ${short} (cannot be forced) - image is being used by running container ${user}`,
    ]);
    await daemon.request('DELETE', `/containers/${id}?force=1`);
    assert.deepEqual(await remove('nothing'), [404, 'No such image: nothing:latest']);
  });

  test('an image that a container stands on may go by force; its layers go with the container', async () => {
    const id = await importBusybox(daemon, 'forced', '&message=forced');
    const tar = tarOf({ name: 'only-here', content: 'x' });
    const answer = await daemon.request('POST', '/images/create?fromSrc=-&repo=small', undefined, { raw: tar });
    const small = messages(answer).at(-1)!.status as string;
    const container = await create(daemon, ['/only-here'], { Image: 'small' });
    const removed = (await daemon.request('DELETE', '/images/small?force=1')).json;
    assert.deepEqual(removed, [{ Untagged: 'small:latest' }, { Deleted: small }]);
    assert.ok(inData('layers').includes(sha256(tar).slice(7)), 'the container still stands on it');
    await daemon.request('DELETE', `/containers/${container}`);
    assert.ok(!inData('layers').includes(sha256(tar).slice(7)));
    await daemon.request('DELETE', `/images/${id}`);
  });

  test('filters', async () => {
    const newer = await importBusybox(daemon, 'example.com/team/app', '&tag=v2&message=newer');
    const ids = async (filters: object) =>
      (await get(`/images/json?filters=${encodeURIComponent(JSON.stringify(filters))}`)).map(
        ({ Id }: { Id: string }) => Id,
      );
    assert.deepEqual(await ids({ reference: ['busybox'] }), [busybox]);
    assert.deepEqual(await ids({ reference: ['example.com/*/app:v*'] }), [newer]);
    assert.deepEqual(await ids({ label: ['kind=base'] }), [busybox]);
    assert.deepEqual(await ids({ label: ['kind=other'] }), []);
    assert.deepEqual(await ids({ since: ['busybox'] }), [newer]);
    assert.deepEqual(await ids({ before: ['example.com/team/app:v2'] }), [busybox]);
    assert.deepEqual(await ids({ dangling: ['true'] }), []);
    const bad = await daemon.request('GET', `/images/json?filters=${encodeURIComponent('{"nope":["1"]}')}`);
    assert.deepEqual([bad.status, bad.json.message], [400, "invalid filter 'nope'"]);
    await daemon.request('DELETE', '/images/example.com/team/app:v2');
  });

  test('older API versions get their shapes', async () => {
    assert.equal((await get('/v1.43/images/busybox/json')).VirtualSize, (await get('/images/busybox/json')).Size);
    assert.equal((await get('/v1.49/images/busybox/json')).Config.Tty, false);
    assert.equal('VirtualSize' in (await get('/v1.44/images/json'))[0], false);
  });

  test('what a registry is needed for is refused by name', async () => {
    const pull = await daemon.request('POST', '/images/create?fromImage=nginx&tag=1');
    assert.deepEqual([pull.status, pull.json.message], [501, 'pulling nginx:1 from a registry is not supported yet']);
    assert.equal((await daemon.request('POST', '/images/busybox/push')).status, 501);
    assert.equal((await daemon.request('GET', '/images/search?term=x')).status, 501);
  });

  test('images outlive kill -9, and a start removes layers that none of them uses', async () => {
    await daemon.kill9();
    await daemon.start();
    assert.equal((await get('/images/busybox/json')).Id, busybox);
    assert.deepEqual(inData('tmp'), []);
    const id = await run(daemon, ['true']);
    assert.equal((await get(`/containers/${id}/json`)).State.ExitCode, 0);
    await daemon.request('DELETE', `/containers/${id}`);
  });
});
