/** What clients of older API versions see and mean, on a real daemon. Needs root. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import net from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type Answer, startDaemon, type TestDaemon } from '../support/daemon.ts';
import { importBusybox } from './api-helpers.ts';

const skip = process.getuid?.() === 0 ? false : 'needs root';
let daemon: TestDaemon;

before(async () => {
  if (skip) return;
  daemon = await startDaemon();
  await importBusybox(daemon);
});
after(async () => await daemon?.[Symbol.asyncDispose]());

const call = (version: string, method: string, path: string, body?: unknown): Promise<Answer> =>
  daemon.request(method, `/v${version}${path}`, body);

/** As call, for one that must succeed: the JSON of the answer. */
async function ok(version: string, method: string, path: string, body?: unknown) {
  const answer = await call(version, method, path, body);
  assert.ok(answer.status < 300, `${method} ${path}: ${answer.status} ${answer.text}`);
  return answer.json;
}

async function create(version: string, hostConfig: object = {}, more: object = {}): Promise<string> {
  const body = { Image: 'busybox', Cmd: ['sleep', '1000'], HostConfig: hostConfig, ...more };
  return (await ok(version, 'POST', '/containers/create', body)).Id;
}

const inspect = (id: string) => ok('1.50', 'GET', `/containers/${id}/json`);

describe('a request of an older version', { skip }, () => {
  test('creates with the defaults of its time', async () => {
    for (const [version, ipc] of [
      ['1.39', 'shareable'],
      ['1.40', 'private'],
    ] as const) {
      assert.equal((await inspect(await create(version))).HostConfig.IpcMode, ipc, version);
    }
    assert.equal((await inspect(await create('1.24', { AutoRemove: true }))).HostConfig.AutoRemove, false);
    assert.equal((await inspect(await create('1.25', { AutoRemove: true }))).HostConfig.AutoRemove, true);
    assert.equal((await inspect(await create('1.42', { Annotations: { a: 'b' } }))).HostConfig.Annotations, undefined);
    const noted = await create('1.43', { Annotations: { a: 'b' } });
    assert.deepEqual((await inspect(noted)).HostConfig.Annotations, { a: 'b' });
    const listed = async (version: string) =>
      (await ok(version, 'GET', `/containers/json?all=1&filters=${encodeURIComponent(`{"id":["${noted}"]}`)}`))[0];
    assert.deepEqual((await listed('1.45')).HostConfig, { NetworkMode: 'bridge' });
    assert.deepEqual((await listed('1.46')).HostConfig, { NetworkMode: 'bridge', Annotations: { a: 'b' } });
  });

  test('has its MAC address on the container, and inspect shows it there', async () => {
    const MacAddress = '02:42:0a:00:00:07';
    const endpoint = { NetworkingConfig: { EndpointsConfig: { bridge: { MacAddress } } } };
    assert.equal((await inspect(await create('1.43', {}, { MacAddress }))).Config.MacAddress, MacAddress);
    assert.equal((await inspect(await create('1.43', {}, endpoint))).Config.MacAddress, undefined);
    assert.equal((await inspect(await create('1.44', {}, endpoint))).Config.MacAddress, MacAddress);
    const both = { ...endpoint, MacAddress: '02:42:0a:00:00:08', Image: 'busybox', Cmd: ['true'] };
    assert.equal((await call('1.44', 'POST', '/containers/create', both)).status, 400);
    const warned = await ok('1.44', 'POST', '/containers/create', { ...both, MacAddress });
    assert.match(warned.Warnings[0], /MacAddress field is now deprecated/);
  });

  test('leaves mounts below a read-only bind writable before 1.44', async () => {
    const directory = join(daemon.directory, 'bound');
    mkdirSync(join(directory, 'below'), { recursive: true });
    execFileSync('mount', ['-t', 'tmpfs', 'below', join(directory, 'below')]);
    try {
      for (const [version, code] of [
        ['1.43', 0],
        ['1.44', 1],
      ] as const) {
        const id = await create(version, { Binds: [`${directory}:/b:ro`] }, { Cmd: ['touch', '/b/below/x'] });
        await ok('1.50', 'POST', `/containers/${id}/start`);
        assert.equal((await ok('1.50', 'POST', `/containers/${id}/wait`)).StatusCode, code, version);
      }
    } finally {
      execFileSync('umount', [join(directory, 'below')]);
    }
  });

  /** Means nothing in the version before, and is refused from `since` on. */
  const ignored: [what: string, method: string, path: string, before: string, since: string][] = [
    ['platform of create', 'POST', '/containers/create?platform=a/b/c/d', '1.40', '1.41'],
    ['platform of history', 'GET', '/images/busybox/history?platform=x', '1.47', '1.48'],
    ['platform of save', 'GET', '/images/busybox/get?platform=x', '1.47', '1.48'],
    ['platform of inspect', 'GET', '/images/busybox/json?platform=x', '1.48', '1.49'],
    ['one-shot', 'GET', '/containers/ran/stats?one-shot=1&stream=1', '1.40', '1.41'],
    ['condition of wait', 'POST', '/containers/ran/wait?condition=x', '1.29', '1.30'],
    ['type of df', 'GET', '/system/df?type=x', '1.41', '1.42'],
  ];
  test('has parameters that mean nothing yet', async () => {
    const body = { Image: 'busybox', Cmd: ['true'] };
    await ok('1.50', 'POST', '/containers/create?name=ran', body);
    await ok('1.50', 'POST', '/containers/ran/start');
    await ok('1.50', 'POST', '/containers/ran/wait');
    for (const [what, method, path, before, since] of ignored) {
      const sent = path.startsWith('/containers/create') ? body : undefined;
      assert.equal((await call(since, method, path, sent)).status, 400, what);
      if (what === 'one-shot') {
        // It streams: the head is the answer.
        assert.match(await headOf(`GET /v${before}${path} HTTP/1.1`), /^HTTP\/1\.1 200/);
      } else assert.ok((await call(before, method, path, sent)).status < 300, what);
    }
  });

  test('updates no limit of processes before 1.40', async () => {
    const id = await create('1.50', { PidsLimit: 50 });
    await ok('1.39', 'POST', `/containers/${id}/update`, { PidsLimit: 60 });
    assert.equal((await inspect(id)).HostConfig.PidsLimit, 50);
    await ok('1.40', 'POST', `/containers/${id}/update`, { PidsLimit: 60 });
    assert.equal((await inspect(id)).HostConfig.PidsLimit, 60);
  });

  test('stops with the signal of the container before 1.42', async () => {
    for (const [version, code] of [
      ['1.41', 15],
      ['1.42', 10],
    ] as const) {
      const script = 'trap "exit 15" TERM; trap "exit 10" USR1; echo up; while :; do sleep 0.05; done';
      const id = await create('1.50', {}, { Cmd: ['sh', '-c', script] });
      await ok('1.50', 'POST', `/containers/${id}/start`);
      while (!(await call('1.50', 'GET', `/containers/${id}/logs?stdout=1`)).text.includes('up'));
      await ok(version, 'POST', `/containers/${id}/stop?signal=USR1`);
      assert.equal((await inspect(id)).State.ExitCode, code, version);
    }
  });

  test('prunes named volumes before 1.42', async () => {
    await ok('1.50', 'POST', '/volumes/create', { Name: 'kept' });
    assert.deepEqual((await ok('1.42', 'POST', '/volumes/prune')).VolumesDeleted, []);
    assert.deepEqual((await ok('1.41', 'POST', '/volumes/prune')).VolumesDeleted, ['kept']);
  });
});

describe('an answer to an older version', { skip }, () => {
  test('to attach, exec and logs names the type of the stream since 1.42', async () => {
    const RAW = 'application/vnd.docker.raw-stream';
    const FRAMED = 'application/vnd.docker.multiplexed-stream';
    for (const [tty, version, type] of [
      [false, '1.41', RAW],
      [false, '1.42', FRAMED],
      [true, '1.42', RAW],
    ] as const) {
      const id = await create('1.50', {}, { Tty: tty });
      await ok('1.50', 'POST', `/containers/${id}/start`);
      const logs = await call(version, 'GET', `/containers/${id}/logs?stdout=1`);
      assert.equal(logs.headers['content-type'], type, `logs ${version}`);
      const attach = await daemon.hijack(`/v${version}/containers/${id}/attach?stream=1&stdout=1`);
      assert.match(attach.head, new RegExp(`^HTTP/1.1 101[^]*Content-Type: ${type}`, 'i'), `attach ${version}`);
      attach.stream.destroy();
      const bare = await daemon.hijack(`/v${version}/containers/${id}/attach?stream=1&stdout=1`, undefined, {
        upgrade: false,
      });
      assert.match(bare.head, new RegExp(`^HTTP/1.1 200[^]*Content-Type: ${RAW}`, 'i'), `bare ${version}`);
      bare.stream.destroy();
      const exec = await ok('1.50', 'POST', `/containers/${id}/exec`, { Cmd: ['true'], AttachStdout: true, Tty: tty });
      const started = await daemon.hijack(`/v${version}/exec/${exec.Id}/start`, { Tty: tty });
      assert.match(started.head, new RegExp(`^HTTP/1.1 101[^]*Content-Type: ${type}`, 'i'), `exec ${version}`);
      started.stream.destroy();
    }
  });

  test('to wait comes with its head at the end before 1.30', async () => {
    const id = await create('1.50', {}, { Cmd: ['sh', '-c', 'read x; exit 4'], OpenStdin: true });
    await ok('1.50', 'POST', `/containers/${id}/start`);
    assert.match(await headOf(`POST /v1.30/containers/${id}/wait HTTP/1.1`), /^HTTP\/1\.1 200/);
    const old = headOf(`POST /v1.29/containers/${id}/wait HTTP/1.1`);
    const later = ok('1.50', 'POST', `/containers/${id}/wait`);
    assert.equal(await Promise.race([old, ok('1.50', 'GET', '/version').then(() => 'nothing yet')]), 'nothing yet');
    await ok('1.50', 'POST', `/containers/${id}/kill?signal=KILL`);
    assert.match(await old, /Content-Length/i);
    assert.equal((await later).StatusCode, 137);
  });

  test('to lists, df and inspect has the fields of its time', async () => {
    const table: [version: string, path: string, has: string[], lacks: string[]][] = [
      ['1.43', '/images/json', ['VirtualSize'], []],
      ['1.44', '/images/json', [], ['VirtualSize']],
      ['1.44', '/images/busybox/json', ['ContainerConfig'], ['VirtualSize']],
      ['1.45', '/images/busybox/json', [], ['ContainerConfig', 'VirtualSize']],
      ['1.41', '/system/df', ['BuilderSize', 'BuildCache'], []],
      ['1.42', '/system/df?type=build-cache', ['BuildCache'], ['BuilderSize', 'Images', 'Containers', 'Volumes']],
      ['1.42', '/system/df?type=image&type=volume', ['Images', 'LayersSize', 'Volumes'], ['Containers', 'BuildCache']],
      ['1.24', '/info', ['ExecutionDriver', 'BridgeNfIptables'], ['FirewallBackend']],
      ['1.49', '/info', ['BridgeNfIptables', 'FirewallBackend'], ['ExecutionDriver']],
      ['1.50', '/info', ['FirewallBackend'], ['BridgeNfIptables', 'BridgeNfIp6tables']],
    ];
    for (const [version, path, has, lacks] of table) {
      const json = await ok(version, 'GET', path);
      const object = Array.isArray(json) ? json[0] : json;
      for (const name of has) assert.ok(name in object, `${version} ${path} ${name}`);
      for (const name of lacks) assert.ok(!(name in object), `${version} ${path} ${name}`);
    }
    assert.equal((await ok('1.48', 'GET', '/info')).RuncCommit.Expected !== undefined, true);
    assert.equal((await ok('1.40', 'GET', '/images/json?filter=nothing')).length, 0);
    assert.equal((await ok('1.41', 'GET', '/images/json?filter=nothing')).length, 1);
    const id = await create('1.50');
    await ok('1.50', 'POST', `/containers/${id}/start`);
    const members = async (version: string) =>
      Object.keys((await ok(version, 'GET', '/networks?filters={"name":["bridge"]}'))[0].Containers ?? {});
    assert.ok((await members('1.27')).includes(id));
    assert.deepEqual(await members('1.28'), []);
  });

  test('to events has no creation of images before 1.46', async () => {
    const id = await create('1.50');
    // Tests before this one have events of images as well.
    const since = Date.now() / 1000;
    await ok('1.50', 'POST', `/commit?container=${id}`);
    const actions = async (version: string) =>
      (await call(version, 'GET', `/events?since=${since}&until=${Date.now() / 1000}&filters={"type":["image"]}`)).text
        .trim()
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line).Action);
    assert.deepEqual(await actions('1.45'), []);
    assert.deepEqual(await actions('1.46'), ['create']);
  });
});

/** The head of the answer, as soon as it is there. */
function headOf(requestLine: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = net.connect(daemon.socket);
    let text = '';
    socket.on('error', reject);
    socket.on('data', (chunk) => {
      text += chunk;
      if (!text.includes('\r\n\r\n')) return;
      socket.destroy();
      resolve(text);
    });
    socket.write(`${requestLine}\r\nHost: d\r\nContent-Length: 0\r\n\r\n`);
  });
}
