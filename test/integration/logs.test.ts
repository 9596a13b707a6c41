import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import http from 'node:http';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { startDaemon, type TestDaemon } from '../support/daemon.ts';
import { create, download, frames, importBusybox, run, start, textOf } from './api-helpers.ts';

const BOTH = 'stdout=1&stderr=1';

describe('logs', () => {
  let daemon: TestDaemon;
  before(async () => {
    daemon = await startDaemon();
    await importBusybox(daemon);
  });
  after(async () => {
    await daemon[Symbol.asyncDispose]();
  });

  const logs = async (id: string, query: string) => (await download(daemon, `/containers/${id}/logs?${query}`)).bytes;
  const logConfig = (Type: string, Config: Record<string, string> = {}) => ({
    HostConfig: { LogConfig: { Type, Config } },
  });

  test('the log since the start holds the first line, however fast it came', async () => {
    for (let round = 0; round < 10; round++) {
      const id = await run(daemon, ['echo', 'first']);
      const { StartedAt } = (await daemon.request('GET', `/containers/${id}/json`)).json.State;
      assert.equal(textOf(await logs(id, `${BOTH}&since=${StartedAt}`)), 'first\n');
    }
  });

  for (const driver of ['json-file', 'local']) {
    test(`${driver}: streams, tail, timestamps, since and until`, async () => {
      const script = 'echo one; sleep 0.01; echo two >&2; sleep 0.5; echo three; sleep 0.01; printf end';
      const id = await run(daemon, ['sh', '-c', script], logConfig(driver));
      assert.deepEqual(frames(await logs(id, BOTH)), [
        { stream: 1, text: 'one\n' },
        { stream: 2, text: 'two\n' },
        { stream: 1, text: 'three\n' },
        { stream: 1, text: 'end' },
      ]);
      assert.equal(textOf(await logs(id, 'stderr=1')), 'two\n');
      assert.equal(textOf(await logs(id, `${BOTH}&tail=2`)), 'three\nend');
      assert.equal(textOf(await logs(id, `${BOTH}&tail=0`)), '');
      assert.equal(textOf(await logs(id, `${BOTH}&tail=all`)), 'one\ntwo\nthree\nend');
      const stamped = frames(await logs(id, `${BOTH}&timestamps=1`)).map(({ text }) => text);
      const times = stamped.map((text) => /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z) /.exec(text)![1]!);
      assert.deepEqual(times, [...times].sort());
      assert.equal(textOf(await logs(id, `${BOTH}&since=${times[2]}`)), 'three\nend');
      assert.equal(textOf(await logs(id, `${BOTH}&until=${times[1]}`)), 'one\ntwo\n');
      assert.equal(textOf(await logs(id, `${BOTH}&since=${times[1]}&until=${times[2]}`)), 'two\nthree\n');
      // Followed after the end: all of it, and the end of the stream.
      assert.equal(textOf(await logs(id, `${BOTH}&follow=1`)), 'one\ntwo\nthree\nend');
      await daemon.request('DELETE', `/containers/${id}`);
    });

    test(`${driver}: a follower sees every line through rotation, and the end`, async () => {
      const count = 3000;
      const id = await start(
        daemon,
        [
          'sh',
          '-c',
          `i=0; while [ $i -lt ${count} ]; do echo line-$i-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx; i=$((i+1)); done`,
        ],
        logConfig(driver, { 'max-size': '40k', 'max-file': '50', compress: 'true' }),
      );
      const lines = textOf(await logs(id, `${BOTH}&follow=1`))
        .trimEnd()
        .split('\n');
      const expected = Array.from({ length: count }, (_, index) => `line-${index}-xxxxxxxxxxxxxxxxxxxxxxxxxxxxxx`);
      same(lines, expected);
      assert.deepEqual(
        textOf(await logs(id, BOTH))
          .trimEnd()
          .split('\n'),
        expected,
      );
      assert.deepEqual(
        textOf(await logs(id, `${BOTH}&tail=2500`))
          .trimEnd()
          .split('\n'),
        expected.slice(-2500),
      );
      const directory = join(daemon.directory, 'data/containers', id, driver === 'local' ? 'local-logs' : '');
      const files = readdirSync(directory).filter((name) => /log(\.\d+(\.gz)?)?$/.test(name));
      assert.ok(files.length > 3, `rotated: ${files}`);
      await daemon.request('DELETE', `/containers/${id}`);
    });
  }

  test('rotation keeps no more files than max-file', async () => {
    const options = logConfig('json-file', { 'max-size': '10k', 'max-file': '3' });
    const id = await run(
      daemon,
      ['sh', '-c', 'i=0; while [ $i -lt 2000 ]; do echo line $i; i=$((i+1)); done'],
      options,
    );
    const files = readdirSync(join(daemon.directory, 'data/containers', id)).filter((name) =>
      name.includes('-json.log'),
    );
    assert.equal(files.length, 3, String(files));
    const kept = textOf(await logs(id, BOTH))
      .trimEnd()
      .split('\n');
    assert.equal(kept.at(-1), 'line 1999');
    assert.ok(kept.length < 2000);
    await daemon.request('DELETE', `/containers/${id}`);
  });

  test('a follower gets lines as they come, and a client that leaves ends the reading', async () => {
    const id = await start(daemon, ['sh', '-c', 'while read line; do echo got $line; done'], { OpenStdin: true });
    const { stream } = await daemon.hijack(`/containers/${id}/attach?stream=1&stdin=1`);
    const seen: Buffer[] = [];
    const request = http.get({
      socketPath: daemon.socket,
      path: `/containers/${id}/logs?${BOTH}&follow=1&tail=0`,
      agent: false,
    });
    const response = await new Promise<http.IncomingMessage>((resolve) => request.once('response', resolve));
    response.on('data', (chunk) => seen.push(chunk));
    response.on('error', () => {});
    await sleep(100);
    for (const word of ['a', 'b']) {
      stream.write(`${word}\n`);
      await until(() => textOf(Buffer.concat(seen)).includes(`got ${word}\n`));
    }
    request.destroy();
    stream.destroy();
    await daemon.request('DELETE', `/containers/${id}?force=1`);
  });

  test('headers and form: frames without a terminal, raw with one', async () => {
    const plain = await run(daemon, ['echo', 'x']);
    const terminal = await run(daemon, ['echo', 'x'], { Tty: true });
    const type = async (id: string, version: string) =>
      (await download(daemon, `${version}/containers/${id}/logs?stdout=1`)).headers['content-type'];
    assert.equal(await type(plain, '/v1.50'), 'application/vnd.docker.multiplexed-stream');
    assert.equal(await type(plain, '/v1.41'), 'application/vnd.docker.raw-stream');
    assert.equal(await type(terminal, '/v1.50'), 'application/vnd.docker.raw-stream');
    assert.equal((await logs(terminal, 'stdout=1')).toString(), 'x\r\n');
    for (const id of [plain, terminal]) await daemon.request('DELETE', `/containers/${id}`);
  });

  test('labels, env and tag come as details', async () => {
    const id = await run(daemon, ['echo', 'x'], {
      Labels: { team: 'a b', other: '1' },
      Env: ['MODE=fast'],
      ...logConfig('json-file', { labels: 'team', env: 'MODE', tag: '{{.ImageName}}' }),
    });
    assert.equal(textOf(await logs(id, 'stdout=1&details=1')), 'MODE=fast,tag=busybox,team=a+b x\n');
    await daemon.request('DELETE', `/containers/${id}`);
  });

  for (const driver of ['json-file', 'local']) {
    test(`${driver}: non-blocking mode gives its monitor a buffer, and loses nothing while the disk keeps up`, async () => {
      const mode = logConfig(driver, { mode: 'non-blocking', 'max-buffer-size': '2m' });
      const id = await start(daemon, ['sh', '-c', 'seq 1 2000; read x'], { OpenStdin: true, ...mode });
      const { Pid } = (await daemon.request('GET', `/containers/${id}/json`)).json.State;
      const parent = /^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${Pid}/status`, 'utf8'))![1];
      const words = readFileSync(`/proc/${parent}/cmdline`, 'utf8').split('\0');
      assert.equal(words[words.indexOf('--log-buffer') + 1], '2097152');
      for (let last = ''; !last.includes('2000\n'); ) last = textOf(await logs(id, `${BOTH}&tail=1`));
      await daemon.request('POST', `/containers/${id}/kill`);
      await daemon.request('POST', `/containers/${id}/wait`);
      same(
        textOf(await logs(id, BOTH))
          .trimEnd()
          .split('\n'),
        Array.from({ length: 2000 }, (_, index) => String(index + 1)),
      );
      await daemon.request('DELETE', `/containers/${id}`);
    });
  }

  test('long lines and binary output come back whole', async () => {
    const id = await run(daemon, ['sh', '-c', "head -c 100000 /dev/zero | tr '\\0' x; echo; printf 'a\\303\\244b\\n'"]);
    assert.equal(textOf(await logs(id, 'stdout=1')), `${'x'.repeat(100_000)}\naäb\n`);
    await daemon.request('DELETE', `/containers/${id}`);
  });

  test('what cannot be is refused', async () => {
    const none = await run(daemon, ['echo', 'x'], logConfig('none'));
    const unread = await daemon.request('GET', `/containers/${none}/logs?stdout=1`);
    assert.deepEqual([unread.status, unread.json.message], [501, 'configured logging driver does not support reading']);
    const neither = await daemon.request('GET', `/containers/${none}/logs`);
    assert.deepEqual(
      [neither.status, neither.json.message],
      [400, 'Bad parameters: you must choose at least one stream'],
    );
    const since = await daemon.request('GET', `/containers/${none}/logs?stdout=1&since=soon`);
    assert.equal(since.status, 400);
    assert.equal((await daemon.request('GET', '/containers/nobody/logs?stdout=1')).status, 404);
    await daemon.request('DELETE', `/containers/${none}`);
    for (const [config, message] of [
      [{ Type: 'json-file', Config: { nope: '1' } }, "unknown log opt 'nope' for json-file log driver"],
      [{ Type: 'json-file', Config: { 'max-size': 'many' } }, "invalid size: 'many'"],
      [{ Type: 'local', Config: { mode: 'fast' } }, 'logger: logging mode not supported: fast'],
      [
        { Type: 'local', Config: { 'max-buffer-size': '1m' } },
        "logger: max-buffer-size option is only supported with 'mode=non-blocking'",
      ],
      [
        { Type: 'json-file', Config: { mode: 'non-blocking', 'max-buffer-size': 'x' } },
        "error parsing option max-buffer-size: invalid size: 'x'",
      ],
      [{ Type: 'syslog', Config: {} }, 'logging driver "syslog" is not supported yet'],
    ] as const) {
      const answer = await daemon.request('POST', '/containers/create', {
        Image: 'busybox',
        HostConfig: { LogConfig: config },
        Cmd: ['true'],
      });
      assert.deepEqual([answer.status >= 400, answer.json.message], [true, message]);
    }
  });

  test('a container that never ran has an empty log, also when followed', async () => {
    const id = await create(daemon, ['true']);
    assert.equal((await logs(id, `${BOTH}&follow=1`)).length, 0);
    await daemon.request('DELETE', `/containers/${id}`);
  });

  test('what is put out while no daemon is there is in the log', async () => {
    const id = await start(daemon, ['sh', '-c', 'i=0; while [ $i -lt 20 ]; do echo $i; i=$((i+1)); sleep 0.1; done']);
    await daemon.kill9();
    await sleep(1000);
    await daemon.start();
    const expected = Array.from({ length: 20 }, (_, index) => String(index));
    assert.deepEqual(
      textOf(await logs(id, `${BOTH}&follow=1`))
        .trimEnd()
        .split('\n'),
      expected,
    );
    await daemon.request('DELETE', `/containers/${id}?force=1`);
  });
});

async function until(condition: () => boolean): Promise<void> {
  for (const deadline = Date.now() + 5000; !condition(); await sleep(10)) {
    assert.ok(Date.now() < deadline, 'waited in vain');
  }
}

/** As deepEqual, without printing thousands of lines. */
function same(lines: string[], expected: string[]): void {
  const at = expected.findIndex((line, index) => lines[index] !== line);
  if (at >= 0) assert.fail(`line ${at} of ${expected.length}: ${lines[at]} in place of ${expected[at]}`);
  assert.equal(lines.length, expected.length);
}
