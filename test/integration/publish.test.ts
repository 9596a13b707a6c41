/** Published ports of containers, with a real daemon. Needs root. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import http from 'node:http';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { startDaemon, type TestDaemon } from '../support/daemon.ts';

const BUSYBOX = '/var/cache/gantry-test/busybox.tar';
const skip = process.getuid?.() === 0 ? false : 'needs root';
let daemon: TestDaemon;

before(async () => {
  if (skip) return;
  daemon = await startDaemon();
  await daemon.request('POST', '/images/create?fromSrc=-&repo=busybox', undefined, { raw: readFileSync(BUSYBOX) });
});
after(async () => await daemon?.[Symbol.asyncDispose]());

const SERVER = ['sh', '-c', 'mkdir /w && echo page >/w/index.html && exec httpd -f -p 80 -h /w'];

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
    assert.equal(await get(port), 'page\n');
    await daemon.start();
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
