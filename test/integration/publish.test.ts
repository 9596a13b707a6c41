/** Published ports of containers, with a real daemon. Needs root. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import { type AddressInfo, createServer } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { startDaemon, type TestDaemon } from '../support/daemon.ts';

const BUSYBOX = '/var/cache/gantry-test/busybox.tar';
const GANTRY = fileURLToPath(new URL('../../bin/gantry', import.meta.url));
const skip = process.getuid?.() === 0 ? false : 'needs root';
let daemon: TestDaemon;

before(async () => {
  if (skip) return;
  daemon = await startDaemon();
  await daemon.request('POST', '/images/create?fromSrc=-&repo=busybox', undefined, { raw: readFileSync(BUSYBOX) });
});
after(async () => await daemon?.[Symbol.asyncDispose]());

const SERVER = ['sh', '-c', 'mkdir -p /w && echo page >/w/index.html && exec httpd -f -p 80 -h /w'];

async function create(options: { bindings?: object; all?: boolean; network?: string }): Promise<string> {
  const { json, text } = await daemon.request('POST', '/containers/create', {
    Image: 'busybox',
    Cmd: SERVER,
    ExposedPorts: { '80/tcp': {} },
    StopSignal: 'SIGKILL',
    HostConfig: {
      PortBindings: options.bindings ?? {},
      PublishAllPorts: options.all ?? false,
      ...(options.network === undefined ? {} : { NetworkMode: options.network }),
    },
  });
  assert.ok(json?.Id, text);
  return json.Id;
}

async function ports(id: string): Promise<Record<string, { HostIp: string; HostPort: string }[] | null>> {
  return (await daemon.request('GET', `/containers/${id}/json`)).json.NetworkSettings.Ports;
}

/** Numbers that nobody listens on. */
async function freePorts(count: number): Promise<string[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'));
  await Promise.all(servers.map((server) => once(server, 'listening')));
  const found = servers.map((server) => String((server.address() as AddressInfo).port));
  await Promise.all(servers.map((server) => once(server.close(), 'close')));
  return found;
}

/** Asks until the server in the container listens. */
async function page(port: string): Promise<string> {
  for (;;) {
    const text = await get(port);
    if (text !== null) return text;
    await sleep(20);
  }
}

function get(port: string): Promise<string | null> {
  return new Promise((resolve) => {
    const request = http.get({ host: '127.0.0.1', port, agent: false }, async (response) => {
      let text = '';
      for await (const chunk of response) text += chunk;
      resolve(text);
    });
    request.on('error', () => resolve(null));
  });
}

describe('published ports', { skip }, () => {
  test('are reached, shown, kept by a killed daemon, and given back', async () => {
    const id = await create({ bindings: { '80/tcp': [{ HostIp: '127.0.0.1', HostPort: '' }] } });
    assert.equal((await daemon.request('POST', `/containers/${id}/start`)).status, 204);
    const shown = await ports(id);
    const port = shown['80/tcp']![0]!.HostPort;
    assert.deepEqual(shown, { '80/tcp': [{ HostIp: '127.0.0.1', HostPort: port }] });
    const [listed] = (await daemon.request('GET', '/containers/json')).json;
    assert.deepEqual(listed.Ports, [{ IP: '127.0.0.1', PrivatePort: 80, PublicPort: Number(port), Type: 'tcp' }]);
    assert.equal(await page(port), 'page\n');

    await daemon.kill9();
    let started = false;
    const start = daemon.start().finally(() => {
      started = true;
    });
    while (!started) assert.equal(await get(port), 'page\n');
    await start;
    assert.deepEqual(await ports(id), shown);
    assert.equal(await get(port), 'page\n');

    const other = await create({ bindings: { '80/tcp': [{ HostIp: '127.0.0.1', HostPort: port }] } });
    const refused = await daemon.request('POST', `/containers/${other}/start`);
    assert.equal(refused.status, 500);
    assert.match(
      refused.json.message,
      new RegExp(`Bind for 127\\.0\\.0\\.1:${port} failed: port is already allocated`),
    );
    assert.equal((await daemon.request('POST', `/containers/${id}/stop`)).status, 204);
    assert.equal(await get(port), null);
    assert.equal((await daemon.request('POST', `/containers/${other}/start`)).status, 204);
    assert.equal(await page(port), 'page\n');
    for (const one of [id, other]) await daemon.request('DELETE', `/containers/${one}?force=1`);
    assert.equal(await get(port), null);
  });

  test('of a container on a user-defined network; all exposed ones', async () => {
    const network = await daemon.request('POST', '/networks/create', { Name: 'published' });
    assert.equal(network.status, 201, network.text);
    const id = await create({ all: true, network: 'published' });
    assert.equal((await daemon.request('POST', `/containers/${id}/start`)).status, 204);
    const port = (await ports(id))['80/tcp']![0]!.HostPort;
    assert.equal(await page(port), 'page\n');
    await daemon.request('POST', '/networks/published/disconnect', { Container: id });
    assert.equal(await get(port), null);
    await daemon.request('DELETE', `/containers/${id}?force=1`);
    assert.equal((await daemon.request('DELETE', '/networks/published')).status, 204);
  });

  test("on a bridge that routes: open at the container's own address, and no port of the host is taken", async () => {
    const Options = { 'com.docker.network.bridge.gateway_mode_ipv4': 'routed' };
    const made = await daemon.request('POST', '/networks/create', { Name: 'routed', Options });
    assert.equal(made.status, 201, made.text);
    const [port] = await freePorts(1);
    const id = await create({ network: 'routed', bindings: { '80/tcp': [{ HostPort: port }] } });
    const foreign = await create({});
    for (const one of [id, foreign])
      assert.equal((await daemon.request('POST', `/containers/${one}/start`)).status, 204);
    const inspect = async (one: string) => (await daemon.request('GET', `/containers/${one}/json`)).json;
    const address = (await inspect(id)).NetworkSettings.Networks.routed.IPAddress;
    const { Pid } = (await inspect(foreign)).State;
    const asked = async (): Promise<string | null> => {
      const wget = ['timeout', '2', 'busybox', 'wget', '-q', '-O', '-', `http://${address}/`];
      return promisify(execFile)('nsenter', ['-t', String(Pid), '-n', ...wget]).then(
        ({ stdout }) => stdout,
        () => null,
      );
    };
    const opened = async (): Promise<void> => {
      // Rules and server come up by themselves.
      while ((await asked()) !== 'page\n') await sleep(50);
    };
    await opened();
    assert.deepEqual(await ports(id), { '80/tcp': null });
    assert.equal(await get(port!), null);
    await daemon.kill9();
    await daemon.start();
    await opened();
    await daemon.request('POST', `/containers/${id}/restart?t=0`);
    await opened();
    const update = (body: object) => daemon.request('POST', `/containers/${id}/update`, body);
    assert.equal((await update({ PublishRemove: { '80/tcp': [] } })).status, 200);
    while ((await asked()) !== null) await sleep(50);
    for (const one of [id, foreign]) await daemon.request('DELETE', `/containers/${one}?force=1`);
    assert.equal((await daemon.request('DELETE', '/networks/routed')).status, 204);
  });

  test('published and taken back while it runs, all or nothing, and kept by a killed daemon', async () => {
    const id = await create({});
    const update = (body: object) => daemon.request('POST', `/containers/${id}/update`, body);
    const local = (port: number | string) => ({ HostIp: '127.0.0.1', HostPort: String(port) });
    const [first, second, taken] = await freePorts(3);
    const blocker = createServer().listen(Number(taken), '127.0.0.1');
    await once(blocker, 'listening');

    // Of a stopped one: a wish for its start.
    assert.equal((await update({ PublishAdd: { '80/tcp': [local(first!)] } })).status, 200);
    assert.deepEqual(await ports(id), {});
    assert.equal((await daemon.request('POST', `/containers/${id}/start`)).status, 204);
    assert.equal(await page(first!), 'page\n');

    assert.equal((await update({ PublishAdd: { '80': [local(second!), local('')] } })).status, 200);
    const shown = (await ports(id))['80/tcp']!;
    assert.deepEqual(shown.slice(0, 2), [local(first!), local(second!)]);
    assert.equal(await page(second!), 'page\n');
    assert.equal(await page(shown[2]!.HostPort), 'page\n');
    const [listed] = (await daemon.request('GET', '/containers/json')).json;
    assert.equal(listed.Ports.length, 3);

    // A port that somebody else has: nothing of the change is left, what was to go is still there.
    const before = (await daemon.request('GET', `/containers/${id}/json`)).json;
    const refused = await update({
      PublishRemove: { '80/tcp': [local(first!)] },
      PublishAdd: { '81/tcp': [local('')], '82/tcp': [local(taken!)] },
    });
    assert.equal(refused.status, 500);
    assert.match(refused.json.message, /failed to bind host port 127\.0\.0\.1:\d+\/tcp: address already in use/);
    assert.equal(await get(first!), 'page\n');
    const after = (await daemon.request('GET', `/containers/${id}/json`)).json;
    assert.deepEqual(after.NetworkSettings.Ports, before.NetworkSettings.Ports);
    assert.deepEqual(after.HostConfig.PortBindings, before.HostConfig.PortBindings);
    const missing = await update({ PublishRemove: { '443/tcp': [] } });
    assert.equal(missing.status, 400);
    assert.equal(missing.json.message, 'the container does not publish 443/tcp');

    await daemon.kill9();
    await daemon.start();
    assert.deepEqual((await ports(id))['80/tcp'], shown);
    assert.equal(await get(second!), 'page\n');
    assert.equal((await update({ PublishRemove: { '80/tcp': [local(second!)] } })).status, 200);
    assert.equal(await get(second!), null);
    assert.equal(await get(first!), 'page\n');
    // Moved to another port of the container in one step; a restart keeps what was changed.
    const moved = await update({ PublishRemove: { '80/tcp': null }, PublishAdd: { '81/tcp': [local(first!)] } });
    assert.equal(moved.status, 200, moved.text);
    assert.deepEqual(await ports(id), { '80/tcp': null, '81/tcp': [local(first!)] });
    assert.equal((await daemon.request('POST', `/containers/${id}/restart?t=0`)).status, 204);
    assert.deepEqual(await ports(id), { '80/tcp': null, '81/tcp': [local(first!)] });
    blocker.close();

    const gantry = (...args: string[]) =>
      promisify(execFile)(GANTRY, ['-H', `unix://${daemon.socket}`, ...args]).then(({ stdout }) => stdout);
    await gantry('update', '--publish-rm', '81', '--publish-add', `127.0.0.1:${second}:80`, id);
    assert.equal(await gantry('port', id), `80/tcp -> 127.0.0.1:${second}\n`);
    assert.equal(await page(second!), 'page\n');
    await daemon.request('DELETE', `/containers/${id}?force=1`);

    const host = await create({ network: 'host' });
    const conflicting = await daemon.request('POST', `/containers/${host}/update`, {
      PublishAdd: { '80': [local('')] },
    });
    assert.equal(conflicting.status, 400);
    assert.match(conflicting.json.message, /port publishing and the host network mode/);
    await daemon.request('DELETE', `/containers/${host}`);
  });

  test('what is no port is refused at create', async () => {
    const answer = await daemon.request('POST', '/containers/create', {
      Image: 'busybox',
      Cmd: ['true'],
      HostConfig: { PortBindings: { '80/tcp': [{ HostPort: 'x' }] } },
    });
    assert.equal(answer.status, 400);
    assert.match(answer.json.message, /invalid port specification: "x"/);
  });
});
