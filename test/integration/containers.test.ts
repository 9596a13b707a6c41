import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Api, eventually, unframe } from './containers-api.ts';
import { startEngine, type TestEngine, UNABLE } from './containers-harness.ts';

describe('containers', { skip: UNABLE ?? false }, () => {
  let engine: TestEngine;
  let api: Api;
  before(async () => {
    engine = await startEngine();
    api = new Api(engine.socket);
  });
  after(() => engine.destroy());

  const inspect = (id: string) => api.ok('GET', `/containers/${id}/json`);
  const actionsOf = (id: string) =>
    engine.events.filter((event) => event.Type === 'container' && event.Actor!.ID === id).map((event) => event.Action);

  test('create, attach, start, wait and remove, with events in Docker’s order', async () => {
    const id = await api.create(['sh', '-c', 'echo out; echo err >&2; exit 3']);
    const stream = await api.hijack(`/containers/${id}/attach?stream=1&stdout=1&stderr=1`);
    assert.match(stream.head, /^HTTP\/1.1 101 UPGRADED/);
    assert.match(stream.head, /application\/vnd\.docker\.multiplexed-stream/);
    const waiting = api.ok('POST', `/containers/${id}/wait?condition=next-exit`);
    await api.ok('POST', `/containers/${id}/start`);
    assert.deepEqual(await waiting, { StatusCode: 3 });
    const output = await stream.rest();
    assert.equal(output[0], 1);
    assert.equal(unframe(output), 'out\nerr\n');
    const { State } = await inspect(id);
    assert.equal(State.Status, 'exited');
    assert.equal(State.ExitCode, 3);
    assert.equal((await api.call('DELETE', `/containers/${id}`)).status, 204);
    assert.deepEqual(actionsOf(id), ['create', 'attach', 'start', 'die', 'destroy']);
    const missing = await api.call('GET', `/containers/${id}/json`);
    assert.deepEqual(missing, { status: 404, body: { message: `No such container: ${id}` } });
  });

  test('--rm removes all and then tells those who wait for the removal', async () => {
    const id = await api.create(['true'], { HostConfig: { AutoRemove: true }, Volumes: { '/data': {} } });
    const volume = (await inspect(id)).Mounts[0].Name;
    const waiting = api.ok('POST', `/containers/${id}/wait?condition=removed`);
    await api.ok('POST', `/containers/${id}/start`);
    assert.deepEqual(await waiting, { StatusCode: 0 });
    assert.equal((await api.call('GET', `/containers/${id}/json`)).status, 404);
    assert.equal(existsSync(join(engine.root, 'data/volumes', volume)), false);
    assert.equal(existsSync(join(engine.root, 'data/rw', id)), false);
  });

  test('a single file is mounted read-only', async () => {
    const id = await api.run(['sleep', '100'], { HostConfig: { Binds: [`${import.meta.filename}:/deep/one:ro`] } });
    assert.equal((await api.exec(id, ['head', '-c', '6', '/deep/one'])).output, 'import');
    assert.match((await api.exec(id, ['sh', '-c', ': >>/deep/one'])).output, /Read-only file system/);
    await api.ok('DELETE', `/containers/${id}?force=1`);
  });

  test('stop sends TERM and then KILL', async () => {
    const polite = await api.run(['sh', '-c', 'trap "exit 5" TERM; echo ready; while :; do sleep 0.05; done']);
    await sleep(200);
    assert.equal((await api.call('POST', `/containers/${polite}/stop?t=10`)).status, 204);
    assert.equal((await inspect(polite)).State.ExitCode, 5);
    assert.equal((await api.call('POST', `/containers/${polite}/stop`)).status, 304);
    const deaf = await api.run(['sleep', '100']);
    assert.equal((await api.call('POST', `/containers/${deaf}/stop?t=0`)).status, 204);
    assert.equal((await inspect(deaf)).State.ExitCode, 137);
    const kills = engine.events.filter((event) => event.Actor!.ID === deaf && event.Action === 'kill');
    assert.deepEqual(
      kills.map((event) => event.Actor!.Attributes!.signal),
      ['15', '9'],
    );
    assert.equal(actionsOf(deaf).at(-1), 'stop');
  });

  test('a stop that waits for ever does not keep a kill out', async () => {
    const id = await api.run(['sleep', '100']);
    const stopping = api.call('POST', `/containers/${id}/stop?t=-1`);
    await sleep(100);
    assert.equal((await api.call('POST', `/containers/${id}/kill`)).status, 204);
    assert.equal((await stopping).status, 204);
  });

  test('start errors carry Docker’s codes and leave nothing mounted', async () => {
    const missing = await api.create(['nosuch']);
    const reply = await api.call('POST', `/containers/${missing}/start`);
    assert.equal(reply.status, 400);
    assert.match(reply.body.message, /exec: "nosuch": executable file not found in \$PATH/);
    const { State } = await inspect(missing);
    assert.deepEqual([State.Status, State.ExitCode], ['created', 127]);
    const refused = await api.create(['/etc/passwd']);
    assert.equal((await api.call('POST', `/containers/${refused}/start`)).status, 400);
    assert.equal((await inspect(refused)).State.ExitCode, 126);
    const mounts = readFileSync('/proc/self/mountinfo', 'utf8');
    assert.equal(mounts.includes(missing), false);
    assert.equal(existsSync(join(engine.root, 'exec/containers', missing)), false);
  });

  test('pause and unpause; a paused container can be stopped', async () => {
    const id = await api.run(['sleep', '100'], {}, 'paused1');
    assert.equal((await api.call('POST', `/containers/${id}/pause`)).status, 204);
    assert.equal((await api.call('POST', `/containers/${id}/pause`)).status, 409);
    assert.equal((await inspect(id)).State.Status, 'paused');
    assert.equal((await api.call('POST', `/containers/${id}/start`)).status, 409);
    const removal = await api.call('DELETE', `/containers/${id}`);
    assert.equal(removal.status, 409);
    assert.match(removal.body.message, /container is paused and must be unpaused first/);
    assert.equal((await api.call('POST', `/containers/${id}/exec`, { Cmd: ['true'] })).status, 409);
    assert.equal((await api.call('POST', `/containers/${id}/unpause`)).status, 204);
    assert.equal((await api.call('POST', `/containers/${id}/unpause`)).status, 500);
    await api.ok('POST', `/containers/${id}/pause`);
    await api.ok('POST', `/containers/${id}/stop?t=1`);
    assert.equal((await inspect(id)).State.Status, 'exited');
  });

  test('names: conflicts, rename, prefixes', async () => {
    const one = await api.create(['true'], {}, 'nameone');
    const taken = await api.call('POST', '/containers/create?name=nameone', { Image: 'busybox' });
    assert.deepEqual(taken, {
      status: 409,
      body: {
        message: `Conflict. The container name "/nameone" is already in use by container "${one}". You have to remove (or rename) that container to be able to reuse that name.`,
      },
    });
    const rival = await api.create(['true'], {}, 'namerival');
    assert.deepEqual(await api.call('POST', `/containers/${rival}/rename?name=nameone`), {
      status: 409,
      body: { message: `Error when allocating new name: ${taken.body.message}` },
    });
    assert.equal((await api.call('POST', `/containers/${one}/rename?name=nametwo`)).status, 204);
    assert.equal((await inspect('nametwo')).Id, one);
    assert.equal((await inspect('/nametwo')).Id, one);
    assert.equal((await inspect(one.slice(0, 12))).Id, one);
    assert.equal((await api.call('GET', '/containers/nameone/json')).status, 404);
    assert.equal((await api.call('POST', '/containers/create?name=a', { Image: 'busybox' })).status, 400);
    const image = await api.call('POST', '/containers/create', { Image: 'nosuchimage' });
    assert.deepEqual(image, { status: 404, body: { message: 'No such image: nosuchimage:latest' } });
  });

  test('exec: output, exit code, stdin, user, directory, errors', async () => {
    const id = await api.run(['sleep', '100']);
    assert.deepEqual(
      await api.exec(id, ['sh', '-c', 'echo $A; pwd; id -u; exit 4'], {
        Env: ['A=b'],
        WorkingDir: '/tmp',
        User: 'nobody',
      }),
      {
        output: 'b\n/tmp\n65534\n',
        code: 4,
      },
    );
    const nosuch = await api.exec(id, ['nosuch']);
    assert.match(nosuch.output, /executable file not found in \$PATH/);
    assert.equal(nosuch.code, 127);
    const exec = await api.ok('POST', `/containers/${id}/exec`, {
      AttachStdin: true,
      AttachStdout: true,
      Cmd: ['cat'],
    });
    assert.deepEqual((await inspect(id)).ExecIDs, [exec.Id]);
    const stream = await api.hijack(`/exec/${exec.Id}/start`, {});
    stream.socket.end('through\n');
    assert.equal(unframe(await stream.rest()), 'through\n');
    const shown = await api.ok('GET', `/exec/${exec.Id}/json`);
    assert.equal(shown.Running, false);
    assert.equal(shown.ExitCode, 0);
    assert.deepEqual(shown.ProcessConfig, { tty: false, entrypoint: 'cat', arguments: [], privileged: false });
    assert.equal((await inspect(id)).ExecIDs, null);
    const again = await api.call('POST', `/exec/${exec.Id}/start`, {});
    assert.equal(again.status, 409);
    assert.equal((await api.call('GET', '/exec/nosuch/json')).status, 404);
    await api.ok('POST', `/containers/${id}/kill`);
    assert.equal((await api.call('POST', `/containers/${id}/exec`, { Cmd: ['true'] })).status, 409);
    await eventually(() => readdirSync(join(engine.root, 'exec/execs')).length === 0, 'exec directories gone');
  });

  test('a terminal: raw output, resize, and detach keys read by the daemon', async () => {
    const id = await api.create(['sh'], { Tty: true, OpenStdin: true });
    const stream = await api.hijack(`/containers/${id}/attach?stream=1&stdin=1&stdout=1&detachKeys=ctrl-x,y`);
    assert.match(stream.head, /application\/vnd\.docker\.raw-stream/);
    await api.ok('POST', `/containers/${id}/start`);
    assert.equal((await api.call('POST', `/containers/${id}/resize?h=33&w=101`)).status, 200);
    stream.socket.write('stty size\n');
    await stream.until('33 101\r\n');
    // A begun sequence that does not end is the process's.
    stream.socket.write('echo \x18');
    stream.socket.write('q\n');
    await stream.until('q\r\n');
    stream.socket.write('\x18y');
    await stream.rest();
    assert.equal((await inspect(id)).State.Running, true);
    assert.ok(actionsOf(id).includes('detach'));
    const bad = await api.call('POST', `/containers/${id}/attach?stream=1&stdin=1&detachKeys=ctrl-%C3%A4`);
    assert.equal(bad.status, 400);
    await api.ok('DELETE', `/containers/${id}?force=1`);
  });

  test('restart policies: on-failure counts, a stop ends them', async () => {
    const failing = await api.run(['sh', '-c', 'exit 7'], {
      HostConfig: { RestartPolicy: { Name: 'on-failure', MaximumRetryCount: 2 } },
    });
    const state = await eventually(async () => {
      const view = await inspect(failing);
      return view.State.Status === 'exited' ? view : null;
    }, 'the policy gives up');
    assert.equal(state.RestartCount, 2);
    // Waiting for "not running" ends with each exit, although the container is started again.
    const reborn = await api.run(['sh', '-c', 'sleep 0.3'], { HostConfig: { RestartPolicy: { Name: 'always' } } });
    const waiting = api.ok('POST', `/containers/${reborn}/wait?condition=not-running`);
    assert.equal((await waiting).StatusCode, 0);
    await api.ok('DELETE', `/containers/${reborn}?force=1`);
    const always = await api.run(['sh', '-c', 'sleep 0.1; exit 1'], {
      HostConfig: { RestartPolicy: { Name: 'always' } },
    });
    await eventually(async () => (await inspect(always)).RestartCount >= 2, 'restarts');
    await api.call('POST', `/containers/${always}/stop?t=0`);
    const stopped = await inspect(always);
    assert.equal(stopped.State.Status, 'exited');
    await sleep(500);
    assert.equal((await inspect(always)).RestartCount, stopped.RestartCount);
  });

  test('health: healthy, unhealthy, and the label that restarts', async () => {
    const check = { Test: ['CMD-SHELL', 'test -e /ok && echo fine'], Interval: 50_000_000, Retries: 2 };
    const id = await api.run(['sleep', '100'], { Healthcheck: check });
    assert.equal((await inspect(id)).State.Health.Status, 'starting');
    await eventually(async () => (await inspect(id)).State.Health.Status === 'unhealthy', 'unhealthy');
    await api.exec(id, ['touch', '/ok']);
    const healthy = await eventually(async () => {
      const { Health } = (await inspect(id)).State;
      return Health.Status === 'healthy' ? Health : null;
    }, 'healthy');
    assert.equal(healthy.Log.at(-1).Output, 'fine\n');
    assert.ok(healthy.Log.length <= 5);
    assert.ok(actionsOf(id).includes('health_status: healthy'));
    const [listed] = (await api.ok('GET', '/containers/json')).filter((one: { Id: string }) => one.Id === id);
    assert.match(listed.Status, /\(healthy\)$/);

    const slow = await api.run(['sleep', '100'], {
      Healthcheck: { Test: ['CMD', 'sleep', '50'], Interval: 50_000_000, Timeout: 100_000_000, Retries: 1 },
      Labels: { 'gantry.restart-on-unhealthy': 'true' },
      HostConfig: { RestartPolicy: { Name: 'no' } },
      StopTimeout: 0,
    });
    const firstPid = (await inspect(slow)).State.Pid;
    await eventually(async () => {
      const { State } = await inspect(slow);
      return State.Running && State.Pid !== firstPid;
    }, 'restart of the unhealthy');
    await api.ok('DELETE', `/containers/${slow}?force=1`);
    await api.ok('DELETE', `/containers/${id}?force=1`);
  });

  test('top, stats, update', async () => {
    const id = await api.run(['sleep', '100']);
    let table = await api.ok('GET', `/containers/${id}/top?ps_args=-o%20pid,args`);
    // A start is answered when the runtime has let the process go; for a moment more it is the runtime's, until it has called execve.
    while (/crun|runc/.test(table.Processes[0]![1])) {
      table = await api.ok('GET', `/containers/${id}/top?ps_args=-o%20pid,args`);
    }
    assert.deepEqual(table.Titles, ['PID', 'COMMAND']);
    assert.equal(table.Processes[0][1], 'sleep 100');
    const sample = await api.ok('GET', `/containers/${id}/stats?stream=0&one-shot=1`);
    assert.ok(sample.memory_stats.usage > 0 && sample.cpu_stats.system_cpu_usage > 0);
    assert.ok(sample.networks.eth0);
    assert.equal((await api.call('GET', `/containers/${id}/stats?stream=1&one-shot=1`)).status, 400);
    await api.ok('POST', `/containers/${id}/update`, { Memory: 64 * 2 ** 20, MemorySwap: 64 * 2 ** 20 });
    assert.equal((await api.ok('GET', `/containers/${id}/stats?stream=0&one-shot=1`)).memory_stats.limit, 64 * 2 ** 20);
    await api.ok('POST', `/containers/${id}/kill`);
    const empty = await api.ok('GET', `/containers/${id}/stats?stream=0`);
    assert.equal(empty.read, '0001-01-01T00:00:00Z');
    assert.equal((await api.call('GET', `/containers/${id}/top`)).status, 409);
  });

  test('list and its filters; prune', async () => {
    const one = await api.create(
      ['true'],
      { Labels: { lot: 'x', n: '1' }, ExposedPorts: { '80/tcp': {} } },
      'filter-one',
    );
    const two = await api.run(
      ['sleep', '100'],
      { Labels: { lot: 'x', n: '2' }, ExposedPorts: { '80/tcp': {} } },
      'filter-two',
    );
    const ids = async (filters: Record<string, string[]>, more = '&all=1') => {
      const query = encodeURIComponent(JSON.stringify({ label: ['lot=x'], ...filters }));
      const list = await api.ok('GET', `/containers/json?filters=${query}${more}`);
      return list.map((entry: { Id: string }) => entry.Id);
    };
    assert.deepEqual(await ids({}), [two, one]);
    assert.deepEqual(await ids({}, ''), [two]);
    assert.deepEqual(await ids({}, '&limit=1'), [two]);
    assert.deepEqual(await ids({ name: ['^/filter-o'] }), [one]);
    assert.deepEqual(await ids({ status: ['created'] }, ''), [one]);
    assert.deepEqual(await ids({ label: ['lot=x', 'n=2'] }), [two]);
    assert.deepEqual(await ids({ before: ['filter-two'] }), [one]);
    assert.deepEqual(await ids({ before: ['filter-two'] }, ''), [], 'still only those that run');
    assert.deepEqual(await ids({ since: ['filter-one'] }), [two]);
    assert.deepEqual(await ids({ ancestor: ['busybox'] }), [two, one]);
    assert.deepEqual(await ids({ ancestor: ['nosuch'] }), []);
    assert.deepEqual(await ids({ expose: ['80'] }), [two]);
    assert.deepEqual(await ids({ network: ['bridge'] }), [two, one]);
    assert.deepEqual(await ids({ 'is-task': ['true'] }), []);
    assert.equal((await api.call('GET', '/containers/json?filters={"nope":["x"]}')).status, 400);
    assert.equal((await api.call('GET', '/containers/json?filters={"status":["x"]}')).status, 400);
    const pruned = await api.ok('POST', `/containers/prune?filters=${encodeURIComponent('{"label":["lot=x"]}')}`);
    assert.deepEqual(pruned.ContainersDeleted, [one]);
    await api.ok('DELETE', `/containers/${two}?force=1`);
  });

  test('attach with logs=1 replays what was, and goes on', async () => {
    const id = await api.run(['sh', '-c', 'echo first; echo more >&2; sleep 0.4; echo last']);
    await sleep(200);
    const stream = await api.hijack(`/containers/${id}/attach?logs=1&stream=1&stdout=1&stderr=1`);
    assert.equal(unframe(await stream.rest()), 'first\nmore\nlast\n');
    const logs = await api.hijack(`/containers/${id}/attach?logs=1&stdout=1`);
    assert.equal(unframe(await logs.rest()), 'first\nlast\n');
  });

  test('attach over a websocket: raw bytes both ways', async () => {
    const id = await api.create(['sh', '-c', 'read line; echo got $line; echo err >&2'], {
      OpenStdin: true,
      StdinOnce: true,
    });
    const { WebSocket } = await import('ws');
    const socket = new WebSocket(
      `ws+unix://${engine.socket}:/v1.50/containers/${id}/attach/ws?stream=1&stdin=1&stdout=1&stderr=1`,
    );
    let text = '';
    socket.on('message', (data) => {
      text += data;
    });
    await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject));
    await api.ok('POST', `/containers/${id}/start`);
    socket.send('line\n');
    await new Promise((resolve) => socket.once('close', resolve));
    assert.equal(text.includes('got line\n') && text.includes('err\n'), true, text);
  });

  test('a start that fails ends the clients that wait for it; a removal too', async () => {
    const failing = await api.create(['nosuch']);
    const one = await api.hijack(`/containers/${failing}/attach?stream=1&stdout=1`);
    await api.call('POST', `/containers/${failing}/start`);
    assert.equal((await one.rest()).length, 0);
    const removed = await api.create(['true']);
    const two = await api.hijack(`/containers/${removed}/attach?stream=1&stdout=1`);
    const waiting = api.ok('POST', `/containers/${removed}/wait?condition=next-exit`);
    await sleep(50);
    await api.ok('DELETE', `/containers/${removed}`);
    assert.equal((await two.rest()).length, 0);
    assert.equal((await waiting).StatusCode, 0);
  });

  test('a client that goes early, or does not read, harms nobody', async () => {
    const id = await api.run(['sh', '-c', 'yes | head -c 30000000; echo done >&2; sleep 100']);
    const lazy = await api.hijack(`/containers/${id}/attach?stream=1&stdout=1`);
    lazy.socket.pause();
    const gone = await api.hijack(`/containers/${id}/attach?stream=1&stdout=1`);
    gone.socket.destroy();
    assert.deepEqual(await api.exec(id, ['echo', 'alive']), { output: 'alive\n', code: 0 });
    lazy.socket.destroy();
    await api.ok('DELETE', `/containers/${id}?force=1`);
  });

  test('volumes: shared, anonymous ones go with rm -v, named ones stay', async () => {
    const one = await api.run(['sleep', '100'], {
      Volumes: { '/anonymous': {} },
      HostConfig: { Binds: ['kept:/kept'] },
    });
    await api.exec(one, ['sh', '-c', 'echo x > /kept/file; echo y > /anonymous/file']);
    const two = await api.run(['cat', '/kept/file', '/anonymous/file'], { HostConfig: { VolumesFrom: [one] } });
    assert.equal((await api.ok('POST', `/containers/${two}/wait`)).StatusCode, 0);
    const { Mounts } = await inspect(one);
    const names = Mounts.map((mount: { Name: string }) => mount.Name);
    await api.ok('DELETE', `/containers/${two}?v=1`);
    await api.ok('DELETE', `/containers/${one}?v=1&force=1`);
    const left = names.filter((name: string) => existsSync(join(engine.root, 'data/volumes', name)));
    assert.deepEqual(left, ['kept']);
    const events = engine.events.filter(({ Type, Actor }) => Type === 'volume' && Actor?.ID === 'kept');
    assert.deepEqual(
      events.map(({ Action, Actor }) => `${Action} ${Actor?.Attributes?.container === one ? 'one' : ''}`.trim()),
      ['create', 'mount one', 'mount', 'unmount', 'unmount one'],
    );
  });

  test('namespaces of other containers', async () => {
    const host = await api.run(['sleep', '100'], { HostConfig: { IpcMode: 'shareable' } }, 'nshost');
    const joined = (HostConfig: object) =>
      api.create(['sh', '-c', 'cat /proc/1/cmdline; ip addr; df /dev/shm'], { HostConfig });
    const output = async (id: string) => {
      const stream = await api.hijack(`/containers/${id}/attach?stream=1&stdout=1&stderr=1`);
      await api.ok('POST', `/containers/${id}/start`);
      return unframe(await stream.rest());
    };
    assert.match(await output(await joined({ PidMode: 'container:nshost' })), /^sleep/);
    const address = (await inspect(host)).NetworkSettings.IPAddress;
    assert.ok((await output(await joined({ NetworkMode: 'container:nshost' }))).includes(`${address}/`));
    assert.match(await output(await joined({ IpcMode: 'container:nshost' })), /shm/);
    const own = await api.run(['sleep', '100'], { HostConfig: { IpcMode: 'private' } });
    const apart = await api.call('POST', `/containers/${await joined({ IpcMode: `container:${own}` })}/start`);
    assert.equal(apart.status, 400);
    assert.match(apart.body.message, /non-shareable IPC/);
    await api.ok('POST', `/containers/${own}/kill`);
    await api.ok('POST', `/containers/${host}/kill`);
    const late = await api.call('POST', `/containers/${await joined({ NetworkMode: 'container:nshost' })}/start`);
    assert.equal(late.status, 409);
    assert.match(late.body.message, /cannot join network of a non running container/);
  });

  test('out of memory: the flag and the event', async () => {
    const id = await api.run(['tail', '/dev/zero'], { HostConfig: { Memory: 16 * 2 ** 20 } });
    assert.equal((await api.ok('POST', `/containers/${id}/wait`)).StatusCode, 137);
    assert.equal((await inspect(id)).State.OOMKilled, true);
    assert.ok(actionsOf(id).includes('oom'));
  });

  test('forty starts at once all run', async () => {
    const ids = await Promise.all(
      Array.from({ length: 40 }, () => api.run(['true'], { HostConfig: { NetworkMode: 'none' } })),
    );
    const codes = await Promise.all(ids.map(async (id) => (await api.ok('POST', `/containers/${id}/wait`)).StatusCode));
    assert.deepEqual(new Set(codes), new Set([0]));
    await Promise.all(ids.map((id) => api.ok('DELETE', `/containers/${id}`)));
  });

  test('nothing stays on the host', async () => {
    for (const { Id } of await api.ok('GET', '/containers/json?all=1'))
      await api.ok('DELETE', `/containers/${Id}?force=1&v=1`);
    assert.deepEqual(readdirSync(join(engine.root, 'exec/containers')), []);
    assert.deepEqual(readdirSync(join(engine.root, 'data/containers')), []);
    assert.deepEqual(readdirSync(join(engine.root, 'data/rw')), []);
    assert.equal(readFileSync('/proc/self/mountinfo', 'utf8').includes(`${engine.root}/data/rw`), false);
  });
});
