/** Every JSON answer has the form that the daemon's own description promises. Needs root. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import type { TSchema } from 'typebox';
import { Value } from 'typebox/value';
import { plain } from '../../src/daemon/openapi/components.ts';
import { allRoutes, type RouteParts } from '../../src/daemon/routes/all.ts';
import { startDaemon, type TestDaemon } from '../support/daemon.ts';

const BUSYBOX = '/var/cache/gantry-test/busybox.tar';
const skip = process.getuid?.() === 0 ? false : 'needs root';
const routes = allRoutes({ containers: {}, images: {}, system: {} } as RouteParts);
let daemon: TestDaemon;

before(async () => {
  if (skip) return;
  daemon = await startDaemon();
  const query = 'fromSrc=-&repo=busybox&tag=latest&changes=ENV%20A%3Db&changes=LABEL%20l%3Dv&changes=VOLUME%20/data';
  const imported = await daemon.request('POST', `/images/create?${query}`, undefined, { raw: readFileSync(BUSYBOX) });
  assert.match(imported.text, /sha256:/);
});
after(async () => await daemon?.[Symbol.asyncDispose]());

/** Sends a request and checks the answer against the route's declaration. */
async function ask(operationId: string, path: string, body?: unknown): Promise<unknown> {
  const route = routes.find((each) => each.operationId === operationId)!;
  const answer = await daemon.request(route.method, path, body);
  const declared = route.answers[answer.status];
  assert.ok(declared, `${operationId}: ${answer.status} ${answer.text}`);
  const { schema } = declared;
  if (schema === undefined) {
    if (declared.types === undefined) assert.equal(answer.text, '', operationId);
    return null;
  }
  assert.equal(answer.headers['content-type'], 'application/json', operationId);
  const wire = plain(schema) as Shape;
  const values = answer.text
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as unknown);
  for (const value of values) {
    const problems = [...Value.Errors(wire as TSchema, value)].map(
      ({ instancePath, message }) => `${instancePath} ${message}`,
    );
    assert.deepEqual(problems, [], operationId);
    assert.deepEqual(undeclared(wire, value, ''), [], operationId);
  }
  return values[0];
}

interface Shape {
  properties?: Record<string, Shape>;
  allOf?: Shape[];
  anyOf?: Shape[];
  items?: Shape;
  patternProperties?: Record<string, Shape>;
}

/** Paths of members that the schema does not name. */
function undeclared(shape: Shape, value: unknown, path: string): string[] {
  if (typeof value !== 'object' || value === null) return [];
  const shapes = (shape.allOf ?? shape.anyOf ?? [shape]).filter(
    ({ properties, items, patternProperties }) => properties ?? items ?? patternProperties,
  );
  if (Array.isArray(value)) {
    const items = shapes.find((each) => each.items)?.items;
    return items === undefined ? [] : value.flatMap((item, at) => undeclared(items, item, `${path}[${at}]`));
  }
  const pattern = shapes.find((each) => each.patternProperties)?.patternProperties;
  if (pattern !== undefined) {
    return Object.entries(value).flatMap(([key, item]) =>
      undeclared(Object.values(pattern)[0]!, item, `${path}.${key}`),
    );
  }
  const members: Record<string, Shape> = Object.assign({}, ...shapes.map((each) => each.properties));
  if (Object.keys(members).length === 0) return [];
  return Object.entries(value).flatMap(([key, item]) =>
    members[key] === undefined ? [`${path}.${key}`] : undeclared(members[key], item, `${path}.${key}`),
  );
}

test('a schema finds what is wrong', () => {
  const list = routes.find((each) => each.operationId === 'ContainerList')!.answers[200]!.schema as TSchema;
  assert.equal(Value.Check(list, [{ Id: 5 }]), false);
  assert.deepEqual(undeclared(list as Shape, [{ Id: 'x', Labels: { a: 'b' }, HostConfig: { Colour: 1 } }], ''), [
    '[0].HostConfig.Colour',
  ]);
});

test('answers have the declared form', { skip }, async () => {
  const created = (await ask('ContainerCreate', '/containers/create?name=one', {
    Image: 'busybox',
    Cmd: ['sh', '-c', 'echo out; echo err >&2; echo x > /new; exec sleep 1000'],
    ExposedPorts: { '80/tcp': {} },
    Healthcheck: { Test: ['CMD', 'true'], Interval: 1_000_000_000 },
    Labels: { a: 'b' },
    HostConfig: {
      Binds: ['/tmp:/host:ro'],
      Tmpfs: { '/t': '' },
      Mounts: [{ Type: 'volume', Source: 'named', Target: '/named', VolumeOptions: { Labels: { v: '1' } } }],
      Annotations: { a: 'b' },
      RestartPolicy: { Name: 'on-failure', MaximumRetryCount: 3 },
      LogConfig: { Type: 'json-file', Config: { 'max-size': '1m' } },
      Ulimits: [{ Name: 'nofile', Soft: 100, Hard: 200 }],
      Memory: 64 << 20,
      PidsLimit: 50,
    },
  })) as { Id: string };
  await ask('ContainerInspect', '/containers/one/json');
  await ask('ContainerStart', '/containers/one/start');
  await ask('ContainerStart', '/containers/one/start');
  for (;;) {
    const inspect = (await ask('ContainerInspect', '/containers/one/json?size=1')) as {
      State: { Health: { Status: string } };
    };
    if (inspect.State.Health.Status === 'healthy') break;
  }
  await ask('ContainerList', '/containers/json?all=1&size=1');
  await ask('ContainerTop', '/containers/one/top');
  await ask('ContainerLogs', '/containers/one/logs?stdout=1&stderr=1');
  await ask('ContainerChanges', '/containers/one/changes');
  await ask('ContainerStats', '/containers/one/stats?stream=0&one-shot=1');
  await ask('ContainerStats', '/containers/one/stats?stream=0');
  await ask('ContainerUpdate', '/containers/one/update', { PidsLimit: 60 });
  await ask('ContainerArchiveInfo', '/containers/one/archive?path=/etc');
  const exec = (await ask('ContainerExec', '/containers/one/exec', {
    Cmd: ['sh', '-c', 'exit 3'],
    Env: ['A=b'],
    User: '1:1',
  })) as { Id: string };
  await ask('ExecInspect', `/exec/${exec.Id}/json`);
  await ask('ExecStart', `/exec/${exec.Id}/start`, { Detach: true });
  await ask('ExecInspect', `/exec/${exec.Id}/json`);
  await ask('ContainerPause', '/containers/one/pause');
  await ask('ContainerUnpause', '/containers/one/unpause');
  await ask('ContainerRename', '/containers/one/rename?name=uno');
  await ask('ImageCommit', '/commit?container=uno&repo=made&comment=c&author=me');
  await ask('ContainerRestart', '/containers/uno/restart?t=0');
  await ask('ContainerKill', '/containers/uno/kill');
  await ask('ContainerWait', '/containers/uno/wait');
  await ask('ContainerStop', '/containers/uno/stop');

  await ask('ImageList', '/images/json?all=1&shared-size=1');
  await ask('ImageInspect', '/images/made/json');
  await ask('ImageHistory', '/images/made/history');
  await ask('ImageTag', '/images/made/tag?repo=other&tag=one');
  await ask('ImageGet', '/images/made/get');

  await ask('VolumeCreate', '/volumes/create', { Labels: { a: 'b' } });
  await ask('VolumeList', '/volumes');
  await ask('VolumeInspect', '/volumes/named');
  await ask('NetworkList', '/networks');
  await ask('NetworkInspect', '/networks/bridge');
  await ask('NetworkPrune', '/networks/prune');

  await ask('SystemVersion', '/version');
  await ask('SystemInfo', '/info');
  await ask('SystemDataUsage', '/system/df');
  await ask('SystemEvents', `/events?since=1&until=${Date.now() / 1000}`);
  await ask('BuildPrune', '/build/prune');
  await ask('PluginList', '/plugins');

  await ask('ContainerDelete', `/containers/${created.Id}?v=1`);
  await ask('ContainerCreate', '/containers/create', { Image: 'busybox', Cmd: ['true'] });
  await ask('ContainerPrune', '/containers/prune');
  await ask('VolumePrune', '/volumes/prune');
  await ask('VolumeDelete', '/volumes/named');
  await ask('ImageDelete', '/images/other:one');
  await ask('ImagePrune', `/images/prune?filters=${encodeURIComponent('{"dangling":["false"]}')}`);
});
