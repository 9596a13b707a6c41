/** attach with logs=1&stream=1: the log and the stream that goes on from it make up the output to the byte. Needs root. */
import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { after, before, describe, test } from 'node:test';
import { startDaemon, type TestDaemon } from '../support/daemon.ts';
import { importBusybox } from './api-helpers.ts';
import { unframe } from './monitor-fixture.ts';

const skip = process.getuid?.() === 0 ? false : 'needs root';
let daemon: TestDaemon;

before(async () => {
  if (skip) return;
  daemon = await startDaemon();
  await importBusybox(daemon);
});
after(async () => await daemon?.[Symbol.asyncDispose]());

/** Starts a container that writes until it reads a line. */
async function writer(script: string, options: { tty?: boolean; log?: Record<string, string> } = {}): Promise<string> {
  const { json } = await daemon.request('POST', '/containers/create', {
    Image: 'busybox',
    Cmd: ['sh', '-c', script],
    OpenStdin: true,
    Tty: options.tty ?? false,
    HostConfig: { LogConfig: { Type: 'json-file', Config: options.log ?? {} } },
  });
  assert.equal((await daemon.request('POST', `/containers/${json.Id}/start`)).status, 204);
  return json.Id;
}

async function attach(id: string, query = 'logs=1&stream=1&stdout=1&stderr=1'): Promise<Socket> {
  return (await daemon.hijack(`/containers/${id}/attach?${query}`)).stream;
}

async function all(stream: Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/** What the log has in the end, as one client sees it. */
async function logged(id: string): Promise<{ stdout: string; stderr: string }> {
  const stream = await attach(id, 'logs=1&stdout=1&stderr=1');
  return unframe(await all(stream));
}

/** Lines, parts of lines and both streams, as fast as it can, until the file /stop is there. */
const BUSY = `
  i=0
  while [ ! -e /stop ]; do
    echo "out $i"; printf "part $i "; echo "err $i" >&2; i=$((i + 1))
  done
  printf end`;

async function stop(id: string): Promise<void> {
  const exec = await daemon.request('POST', `/containers/${id}/exec`, { Cmd: ['touch', '/stop'] });
  await daemon.request('POST', `/exec/${exec.json.Id}/start`, { Detach: true });
}

describe('attach with logs and stream', { skip }, () => {
  const cases: [what: string, log: Record<string, string>, clients: number][] = [
    ['of a log without rotation', {}, 12],
    ['of a log that is rotated', { 'max-size': '50k', 'max-file': '2000' }, 12],
    ['of a log that is rotated and compressed', { 'max-size': '50k', 'max-file': '1000', compress: 'true' }, 8],
  ];
  for (const [what, log, clients] of cases) {
    test(`gives every byte once, ${what}`, async () => {
      const id = await writer(BUSY, { log });
      const outputs: Promise<Buffer>[] = [];
      for (let count = 0; count < clients; count++) {
        outputs.push(all(await attach(id)));
        // A little output between two clients.
        await daemon.request('GET', '/info');
      }
      await stop(id);
      const got = (await Promise.all(outputs)).map(unframe);
      await daemon.request('POST', `/containers/${id}/wait`);
      const whole = await logged(id);
      assert.match(whole.stdout, /end$/);
      for (const [at, { stdout, stderr }] of got.entries()) {
        assert.ok(stdout === whole.stdout, `client ${at}: ${difference(stdout, whole.stdout)}`);
        assert.ok(stderr === whole.stderr, `client ${at}: ${difference(stderr, whole.stderr)}`);
      }
      await daemon.request('DELETE', `/containers/${id}?force=1`);
    });
  }

  test('gives the start of a line that is not in the log yet, and nothing twice of a terminal', async () => {
    const id = await writer('printf "> "; read x; printf "got $x"; read y', { tty: true });
    for (let count = 0; count < 3; count++) {
      const stream = await attach(id, 'logs=1&stream=1&stdout=1');
      await comes(stream, /^> $/);
      stream.destroy();
    }
    const stream = await attach(id, 'logs=1&stream=1&stdin=1&stdout=1');
    stream.write('x\n');
    await comes(stream, /^> x\r\ngot x$/);
    stream.destroy();
    const late = await attach(id, 'logs=1&stream=1&stdout=1');
    await comes(late, /^> x\r\ngot x$/);
    late.destroy();
  });

  test('goes on from the runs before when the container starts', async () => {
    const id = await writer('echo run; read x');
    const first = await attach(id);
    await comes(first, /run\n$/);
    first.destroy();
    await daemon.request('POST', `/containers/${id}/kill`);
    await daemon.request('POST', `/containers/${id}/wait`);
    const output = all(await attach(id));
    await daemon.request('POST', `/containers/${id}/start`);
    await stopReading(id);
    assert.equal(unframe(await output).stdout, 'run\nrun\n');
  });

  test('gives the whole log of a container that ends meanwhile', async () => {
    const id = await writer('echo one; read x; echo two');
    const stream = await attach(id);
    await stopReading(id);
    assert.equal(unframe(await all(stream)).stdout, 'one\ntwo\n');
    assert.equal(unframe(await all(await attach(id, 'logs=1&stdout=1'))).stdout, 'one\ntwo\n');
  });

  test('without logs begins with what comes', async () => {
    const id = await writer('echo before; printf part; read x; echo after');
    const witness = await attach(id);
    await comes(witness, /before\n[\s\S]*part$/);
    witness.destroy();
    const output = all(await attach(id, 'stream=1&stdout=1'));
    await stopReading(id);
    assert.equal(unframe(await output).stdout, 'after\n');
  });
});

/** Reads until the text matches; the stream can be read no more then. */
async function comes(stream: Socket, wanted: RegExp): Promise<void> {
  let text = '';
  for await (const chunk of stream) {
    text += chunk;
    if (wanted.test(text)) return;
  }
  assert.fail(`the stream ended with ${JSON.stringify(text)}`);
}

/** Gives the container the line it waits for. */
async function stopReading(id: string): Promise<void> {
  const stream = await attach(id, 'stream=1&stdin=1');
  stream.write('go\n');
  stream.resume();
}

function difference(one: string, other: string): string {
  let at = 0;
  while (at < one.length && one[at] === other[at]) at++;
  return `${one.length} bytes, not ${other.length}: at ${at} ${JSON.stringify(one.slice(at, at + 60))}, not ${JSON.stringify(other.slice(at, at + 60))}`;
}
