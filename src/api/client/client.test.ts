import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { afterEach, beforeEach, test } from 'node:test';
import { Client, compareVersions } from './client.ts';
import { ApiError, ConnectionError } from './errors.ts';
import { jsonStream } from './json-stream.ts';
import { Demultiplexer } from './multiplex.ts';

let directory = '';
let server: net.Server;
let seen: string[] = [];
let connections = 0;
let client: Client;
/** What the server writes for each piece that it gets. */
let reply: (text: string, socket: net.Socket) => void = () => {};

beforeEach(async () => {
  directory = mkdtempSync(`${tmpdir()}/gantry-client-`);
  seen = [];
  connections = 0;
  server = net.createServer({ allowHalfOpen: true }, (socket) => {
    connections++;
    socket.on('data', (data) => {
      seen.push(data.toString());
      reply(data.toString(), socket);
    });
    socket.on('error', () => {});
  });
  const path = `${directory}/s`;
  await new Promise<void>((resolve) => server.listen(path, resolve));
  client = new Client({ endpoint: { kind: 'unix', path, display: `unix://${path}` }, userAgent: 'test' });
});
afterEach(() => {
  client.close();
  server.close();
  rmSync(directory, { recursive: true });
});

const head = (status: string, ...headers: string[]) =>
  `HTTP/1.1 ${status}\r\n${headers.map((one) => `${one}\r\n`).join('')}\r\n`;

test('a body by length, however it is cut, and the connection is used again', async () => {
  const text = `${head('200 OK', 'Content-Length: 11')}{"a":"b\u00e4"}`;
  reply = (_, socket) => {
    const bytes = Buffer.from(text);
    let at = 0;
    const next = () => {
      if (at < bytes.length) socket.write(bytes.subarray(at, ++at), () => setImmediate(next));
    };
    next();
  };
  for (let round = 0; round < 3; round++) assert.deepEqual(await client.json('GET', '/x'), { a: 'b\u00e4' });
  assert.equal(connections, 1);
  assert.match(seen[0]!, /^GET \/x HTTP\/1\.1\r\nHost: /);
});

test('a chunked body with extensions and trailers', async () => {
  reply = (_, socket) =>
    socket.write(
      `${head('200 OK', 'Transfer-Encoding: chunked')}3;x=y\r\nabc\r\n0a\r\n0123456789\r\n0\r\nTrailer: 1\r\n\r\n`,
    );
  assert.equal(await (await client.request('GET', '/x')).text(), 'abc0123456789');
  assert.equal(await (await client.request('GET', '/x')).text(), 'abc0123456789');
  assert.equal(connections, 1);
});

test('a body up to the end of the stream', async () => {
  reply = (_, socket) => socket.end(`${head('200 OK')}all of it`);
  assert.equal(await (await client.request('GET', '/x')).text(), 'all of it');
});

test('a body that breaks off is an error', async () => {
  reply = (_, socket) => socket.end(`${head('200 OK', 'Content-Length: 100')}short`);
  await assert.rejects(async () => (await client.request('GET', '/x')).text(), /unexpected EOF/);
});

test('no body for 204, 304 and HEAD', async () => {
  reply = (text, socket) => {
    if (text.startsWith('HEAD')) socket.write(head('200 OK', 'Content-Length: 5'));
    else socket.write(head(text.includes('/a') ? '204 No Content' : '304 Not Modified'));
  };
  assert.equal(await client.send('POST', '/a'), 204);
  assert.equal(await client.send('POST', '/b'), 304);
  assert.equal(await client.send('HEAD', '/c'), 200);
  assert.equal(connections, 1);
});

test("the engine's errors carry status and message", async () => {
  reply = (_, socket) => socket.write(`${head('404 Not Found', 'Content-Length: 24')}{"message":"no such x"}\n`);
  await assert.rejects(client.json('GET', '/x'), (error: ApiError) => {
    assert.ok(error instanceof ApiError);
    assert.deepEqual(
      [error.status, error.detail, error.message],
      [404, 'no such x', 'Error response from daemon: no such x'],
    );
    return true;
  });
});

test('nobody listens', async () => {
  const lost = new Client({ endpoint: { kind: 'unix', path: '/nope', display: 'unix:///nope' }, userAgent: '' });
  await assert.rejects(lost.json('GET', '/x'), (error: Error) => {
    assert.ok(error instanceof ConnectionError);
    assert.equal(error.message, 'Cannot connect to the Gantry daemon at unix:///nope. Is gantryd running?');
    return true;
  });
});

test('query, JSON and the version that an engine newer than this client speaks', async () => {
  reply = (_, socket) => socket.write(head('200 OK', 'Api-Version: 1.99', 'Content-Length: 0'));
  await client.send('POST', '/x', {
    query: { a: true, b: false, c: undefined, d: ['x y', 'z'], e: 5 },
    json: { k: '\u00e4' },
  });
  assert.match(seen[0]!, /^POST \/x\?a=1&b=0&d=x%20y&d=z&e=5 HTTP/);
  assert.match(seen[0]!, /Content-Length: 10\r\n\r\n\{"k":"\u00e4"\}$/);
  await client.send('GET', '/y');
  assert.match(seen[1]!, /^GET \/v1\.50\/y HTTP/);
  assert.equal(await client.apiVersion(), '1.50');
});

test('an upload ends when the engine has refused it', async () => {
  let answered = false;
  reply = (_, socket) => {
    if (answered) return;
    answered = true;
    socket.write(`${head('400 Bad Request', 'Content-Length: 17')}{"message":"bad"}`);
  };
  let produced = 0;
  async function* endless() {
    for (;;) {
      produced++;
      yield Buffer.alloc(1000);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }
  await assert.rejects(client.send('PUT', '/x', { stream: endless() }), /bad/);
  const before = produced;
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.ok(produced - before <= 2);
});

test('a hijacked stream keeps what was read too far, and closes one way at a time', async () => {
  reply = (text, socket) => {
    if (text.startsWith('POST')) socket.write(`${head('101 UPGRADED', 'Connection: Upgrade', 'Upgrade: tcp')}early`);
    socket.once('end', () => socket.end('late'));
  };
  const { stream, head: early } = await client.hijack('POST', '/attach');
  assert.equal(early.toString(), 'early');
  stream.end();
  let text = '';
  stream.on('data', (chunk) => {
    text += chunk;
  });
  const ended = new Promise((resolve) => stream.on('end', resolve));
  stream.resume();
  await ended;
  assert.equal(text, 'late');
});

test('frames are taken apart at any cut', () => {
  const frame = (kind: number, text: string) => {
    const header = Buffer.alloc(8);
    header[0] = kind;
    header.writeUInt32BE(Buffer.byteLength(text), 4);
    return Buffer.concat([header, Buffer.from(text)]);
  };
  const bytes = Buffer.concat([frame(1, 'out'), frame(2, ''), frame(2, 'err'), frame(1, 'more')]);
  for (let size = 1; size <= bytes.length; size++) {
    let out = '';
    let err = '';
    const take = new Demultiplexer(
      (chunk) => {
        out += chunk;
      },
      (chunk) => {
        err += chunk;
      },
    );
    for (let at = 0; at < bytes.length; at += size) take.push(bytes.subarray(at, at + size));
    assert.deepEqual([out, err], ['outmore', 'err']);
  }
  assert.throws(
    () =>
      new Demultiplexer(
        () => {},
        () => {},
      ).push(Buffer.from('12345678')),
    /Unrecognized input header/,
  );
});

test('JSON values one a line, cut anywhere, or with nothing between', async () => {
  async function* body() {
    yield Buffer.from('{"a":"\u00e4"}\n{"a"').subarray(0, 7);
    yield Buffer.from('{"a":"\u00e4"}\n{"a"').subarray(7);
    yield Buffer.from(':2}\r\n\n{"a":3}{"a":4}');
  }
  const values: unknown[] = [];
  for await (const value of jsonStream<{ a: unknown }>(body())) values.push(value.a);
  assert.deepEqual(values, ['\u00e4', 2, 3, 4]);
});

test('versions are numbers', () => {
  assert.ok(compareVersions('1.9', '1.24') < 0);
  assert.ok(compareVersions('1.50', '1.50') === 0);
  assert.ok(compareVersions('2.0', '1.99') > 0);
});
