/** Every filter of the lists and of events really filters, and wrong ones are refused in Docker's words. Needs root. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { startDaemon, type TestDaemon } from '../support/daemon.ts';
import { importBusybox } from './api-helpers.ts';

const skip = process.getuid?.() === 0 ? false : 'needs root';
let daemon: TestDaemon;
let bridgeId = '';

before(async () => {
  if (skip) return;
  daemon = await startDaemon();
  await importBusybox(daemon);
  const make = async (name: string, body: object, start: boolean) => {
    const created = await daemon.request('POST', `/containers/create?name=${name}`, { Image: 'busybox', ...body });
    assert.equal(created.status, 201, created.text);
    if (start) assert.equal((await daemon.request('POST', `/containers/${name}/start`)).status, 204);
  };
  await make(
    'web',
    {
      Cmd: ['sleep', '1000'],
      Labels: { tier: 'front', app: 'shop' },
      ExposedPorts: { '80/tcp': {}, '53/udp': {} },
      Healthcheck: { Test: ['CMD', 'true'], Interval: 1_000_000_000 },
      HostConfig: { Binds: ['data:/var/data', '/tmp:/host'] },
    },
    true,
  );
  await make(
    'job',
    { Cmd: ['sh', '-c', 'exit 7'], Labels: { tier: 'back' }, HostConfig: { NetworkMode: 'none' } },
    true,
  );
  await daemon.request('POST', '/containers/job/wait');
  const committed = await daemon.request('POST', '/commit?container=job&repo=child&changes=LABEL%20made=here');
  assert.equal(committed.status, 201);
  await make('kid', { Image: 'child', Cmd: ['true'], Labels: { app: 'shop' } }, false);
  bridgeId = (await daemon.request('GET', '/networks/bridge')).json.Id;
  for (;;) {
    const { json } = await daemon.request('GET', '/containers/web/json');
    if (json.State.Health.Status === 'healthy') break;
  }
});
after(async () => await daemon?.[Symbol.asyncDispose]());

type Wanted = Record<string, string[]>;
const query = (wanted: Wanted) => `filters=${encodeURIComponent(JSON.stringify(wanted))}`;
const asSet = (wanted: Wanted) =>
  `filters=${encodeURIComponent(
    JSON.stringify(
      Object.fromEntries(
        Object.entries(wanted).map(([key, list]) => [key, Object.fromEntries(list.map((v) => [v, true]))]),
      ),
    ),
  )}`;

/** Runs each row in both forms of the syntax. */
function table(path: string, names: (json: never) => string[], rows: () => [Wanted, string[]][]) {
  return async () => {
    for (const [wanted, expected] of rows()) {
      for (const form of [query(wanted), asSet(wanted)]) {
        const answer = await daemon.request('GET', `${path}${path.includes('?') ? '&' : '?'}${form}`);
        assert.equal(answer.status, 200, `${JSON.stringify(wanted)}: ${answer.text}`);
        assert.deepEqual(names(answer.json as never).sort(), [...expected].sort(), JSON.stringify(wanted));
      }
    }
  };
}

describe('filters', { skip }, () => {
  test(
    'of containers',
    table(
      '/containers/json?all=1',
      (list: { Names: string[] }[]) => list.map(({ Names }) => Names[0]!.slice(1)),
      () => [
        [{}, ['web', 'job', 'kid']],
        [{ name: ['we'] }, ['web']],
        [{ name: ['^/?job$'] }, ['job']],
        [{ name: ['nothing'] }, []],
        // The third has the labels of its image, which is made of the second.
        [{ label: ['tier'] }, ['web', 'job', 'kid']],
        [{ label: ['tier=front'] }, ['web']],
        [{ label: ['tier=front', 'app=shop'] }, ['web']],
        [{ label: ['tier=back', 'app=shop'] }, ['kid']],
        [{ label: ['tier=front', 'made'] }, []],
        [{ status: ['running'] }, ['web']],
        [{ status: ['exited', 'created'] }, ['job', 'kid']],
        [{ exited: ['7'] }, ['job']],
        [{ exited: ['0'] }, []],
        [{ health: ['healthy'] }, ['web']],
        [{ health: ['none'] }, ['job', 'kid']],
        [{ ancestor: ['busybox'] }, ['web', 'job', 'kid']],
        [{ ancestor: ['child'] }, ['kid']],
        [{ ancestor: ['nothing'] }, []],
        [{ volume: ['data'] }, ['web']],
        [{ volume: ['/host'] }, ['web']],
        [{ volume: ['/nowhere'] }, []],
        [{ network: ['bridge'] }, ['web', 'kid']],
        [{ network: ['none'] }, ['job']],
        [{ network: [bridgeId] }, ['web', 'kid']],
        [{ expose: ['80'] }, ['web']],
        [{ expose: ['80/tcp', '1-2'] }, ['web']],
        [{ expose: ['50-60/udp'] }, ['web']],
        [{ expose: ['80/udp'] }, []],
        [{ publish: ['80'] }, []],
        [{ 'is-task': ['true'] }, []],
        [{ 'is-task': ['false'] }, ['web', 'job', 'kid']],
        [{ isolation: ['default'] }, ['web', 'job', 'kid']],
        [{ before: ['job'] }, ['web']],
        [{ since: ['job'] }, ['kid']],
        [{ since: ['web'], label: ['app'] }, ['kid']],
      ],
    ),
  );

  test(
    'of images',
    table(
      '/images/json',
      (list: { RepoTags: string[] }[]) => list.map(({ RepoTags }) => RepoTags[0]!),
      () => [
        [{}, ['busybox:latest', 'child:latest']],
        [{ reference: ['busy*'] }, ['busybox:latest']],
        [{ reference: ['busybox', 'child:latest'] }, ['busybox:latest', 'child:latest']],
        [{ label: ['made'] }, ['child:latest']],
        [{ label: ['made=there'] }, []],
        [{ 'label!': ['made'] }, ['busybox:latest']],
        [{ before: ['child'] }, ['busybox:latest']],
        [{ since: ['busybox'] }, ['child:latest']],
        [{ dangling: ['true'] }, []],
        [{ dangling: ['false'] }, ['busybox:latest', 'child:latest']],
        [{ until: ['1'] }, []],
        [{ until: [String(Math.ceil(Date.now() / 1000) + 60)] }, ['busybox:latest', 'child:latest']],
      ],
    ),
  );

  test('of volumes', async () => {
    await daemon.request('POST', '/volumes/create', { Name: 'spare', Labels: { a: 'b' } });
    await table(
      '/volumes',
      ({ Volumes }: { Volumes: { Name: string }[] }) => Volumes.map(({ Name }) => Name),
      () => [
        [{}, ['data', 'spare']],
        [{ name: ['spa'] }, ['spare']],
        [{ label: ['a=b'] }, ['spare']],
        [{ label: ['a=c'] }, []],
        [{ driver: ['local'] }, ['data', 'spare']],
        [{ driver: ['other'] }, []],
        [{ dangling: ['true'] }, ['spare']],
        [{ dangling: ['false'] }, ['data']],
      ],
    )();
  });

  test(
    'of networks',
    table(
      '/networks',
      (list: { Name: string }[]) => list.map(({ Name }) => Name),
      () => [
        [{}, ['bridge', 'host', 'none']],
        [{ name: ['brid'] }, ['bridge']],
        [{ driver: ['host'] }, ['host']],
        [{ id: [bridgeId.slice(0, 10)] }, ['bridge']],
        [{ scope: ['local'] }, ['bridge', 'host', 'none']],
        [{ scope: ['swarm'] }, []],
        [{ type: ['builtin'] }, ['bridge', 'host', 'none']],
        [{ type: ['custom'] }, []],
        [{ dangling: ['true'] }, []],
        [{ label: ['a'] }, []],
      ],
    ),
  );

  test('of events', async () => {
    const until = Date.now() / 1000;
    const rows: [Wanted, RegExp, RegExp | null][] = [
      [{ type: ['image'] }, /"Type":"image"/, /"Type":"(container|network|volume)"/],
      [{ event: ['die'] }, /"Action":"die"/, /"Action":"(start|create)"/],
      [{ container: ['job'] }, /"name":"job"/, /"name":"web"/],
      [{ label: ['tier=front'] }, /"name":"web"/, /"name":"job"/],
      [{ image: ['child'] }, /child/, /"Action":"die"/],
      [{ volume: ['data'] }, /"Type":"volume"/, /"Type":"container"/],
      [{ network: ['bridge'] }, /"Type":"network"/, /"Type":"container"/],
      [{ scope: ['local'] }, /"Type":"container"/, null],
      [{ event: ['exec_start'], container: ['web'] }, /exec_start/, /"Action":"start"/],
    ];
    for (const [wanted, has, lacks] of rows) {
      const { text } = await daemon.request('GET', `/events?since=1&until=${until}&${query(wanted)}`);
      assert.match(text, has, JSON.stringify(wanted));
      if (lacks !== null) assert.doesNotMatch(text, lacks, JSON.stringify(wanted));
    }
    const none: Wanted[] = [{ scope: ['swarm'] }, { plugin: ['x'] }, { daemon: ['x'] }, { type: ['node'] }];
    for (const wanted of none) {
      const { text } = await daemon.request('GET', `/events?since=1&until=${until}&${query(wanted)}`);
      assert.equal(text, '', JSON.stringify(wanted));
    }
  });

  test('that are none are refused by every operation that has filters', async () => {
    const operations: [method: string, path: string][] = [
      ['GET', '/containers/json'],
      ['GET', '/images/json'],
      ['GET', '/volumes'],
      ['GET', '/networks'],
      ['GET', '/events'],
      ['GET', '/plugins'],
      ...['containers', 'images', 'volumes', 'networks', 'build'].map((what): [string, string] => [
        'POST',
        `/${what}/prune`,
      ]),
    ];
    for (const [method, path] of operations) {
      for (const [filters, message] of [
        ['{"colour":["red"]}', "invalid filter 'colour'"],
        ['nonsense', 'invalid filter'],
        ['{"label":"a"}', 'invalid filter'],
      ]) {
        const answer = await daemon.request(method, `${path}?filters=${encodeURIComponent(filters!)}`);
        assert.deepEqual([answer.status, answer.json], [400, { message }], `${method} ${path} ${filters}`);
      }
    }
    const values: [path: string, Wanted, message: string, status?: number][] = [
      [
        '/containers/json',
        { status: ['x'] },
        'invalid value for state (x): must be one of created, running, paused, restarting, removing, exited, dead',
      ],
      [
        '/containers/json',
        { health: ['x'] },
        'invalid value for health (x): must be one of none, starting, healthy, unhealthy',
      ],
      ['/containers/json', { exited: ['x'] }, 'strconv.Atoi: parsing "x": invalid syntax'],
      ['/containers/json', { 'is-task': ['x'] }, "invalid filter 'is-task=[x]'"],
      ['/containers/json', { expose: ['80:80'] }, "filter for 'expose' should not contain ':': 80:80"],
      [
        '/containers/json',
        { publish: ['x'] },
        'error while looking up for publish x: strconv.ParseUint: parsing "x": invalid syntax',
      ],
      ['/containers/json', { before: ['x'] }, 'No such container: x', 404],
      ['/images/json', { dangling: ['x'] }, "invalid filter 'dangling=[x]'"],
      ['/images/json', { since: ['x'] }, 'No such image: x:latest', 404],
      ['/volumes', { dangling: ['x'] }, "invalid filter 'dangling=[x]'"],
      ['/networks', { type: ['x'] }, "invalid filter: 'type'='x'"],
      [
        '/networks',
        { dangling: ['x'] },
        'invalid value for filter \'dangling\', must be "true" (or "1"), or "false" (or "0")',
      ],
    ];
    for (const [path, wanted, message, status = 400] of values) {
      const answer = await daemon.request('GET', `${path}?${query(wanted)}`);
      assert.deepEqual([answer.status, answer.json], [status, { message }], `${path} ${JSON.stringify(wanted)}`);
    }
  });
});
