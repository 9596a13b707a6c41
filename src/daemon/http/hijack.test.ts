import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { describe, test } from 'node:test';
import { WebSocket } from 'ws';
import { testServer } from './server-fixture.ts';

const { path, request, converse } = testServer();

describe('taken-over connections', () => {
  const upgrade = 'Connection: Upgrade\r\nUpgrade: tcp\r\n';

  test('by upgrade: 101, both ways, half-closed stdin does not end the output', async () => {
    const text = await converse([
      `POST /v1.43/containers/c/attach HTTP/1.1\r\nHost: d\r\n${upgrade}Content-Length: 0\r\n\r\n`,
      'hello',
    ]);
    assert.match(text, /^HTTP\/1\.1 101 UPGRADED\r\n/);
    assert.match(text, /\r\nContent-Type: application\/vnd\.docker\.raw-stream\r\n/);
    assert.match(text, /\r\nUpgrade: tcp\r\n/);
    assert.match(text, /\r\n\r\nbody=null;\[hello\]eof$/);
  });

  test('by upgrade with a JSON body, and stdin right behind it', async () => {
    const text = await converse([
      `POST /exec/e/start HTTP/1.1\r\nHost: d\r\n${upgrade}Content-Type: application/json\r\nContent-Length: 12\r\n\r\n{"Tty":true}early`,
      'late',
    ]);
    assert.match(text, /^HTTP\/1\.1 101/);
    assert.match(text, /\r\n\r\nbody={"Tty":true};\[early\]\[late\]eof$/);
  });

  test('by upgrade with a chunked body', async () => {
    const text = await converse([
      `POST /exec/e/start HTTP/1.1\r\nHost: d\r\n${upgrade}Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n`,
      'c\r\n{"tty":true}\r\n',
      '0\r\n\r\n',
      'late',
    ]);
    assert.match(text, /\r\n\r\nbody={"Tty":true};\[late\]eof$/);
  });

  test('by an Upgrade header alone: 101 as well', async () => {
    const text = await converse([
      'POST /containers/c/attach HTTP/1.1\r\nHost: d\r\nUpgrade: tcp\r\nContent-Length: 0\r\n\r\n',
      'hello',
    ]);
    assert.match(text, /^HTTP\/1\.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n/);
    assert.match(text, /\r\n\r\nbody=null;\[hello\]eof$/);
  });

  test('in the bare form: 200 and the raw stream', async () => {
    const text = await converse([
      'POST /containers/c/attach HTTP/1.1\r\nHost: d\r\n\r\n',
      'hello',
      'GET / HTTP/1.1\r\n\r\n',
    ]);
    assert.match(text, /^HTTP\/1\.1 200 OK\r\nContent-Type: application\/vnd\.docker\.raw-stream\r\n/);
    assert.doesNotMatch(text, /Content-Length|Transfer-Encoding/);
    assert.match(text, /\r\n\r\nbody=null;\[hello\]\[GET \/ HTTP\/1\.1\r\n\r\n\]eof$/);
  });

  test('in the bare form at once: stdin waits until somebody reads it', async () => {
    const socket = connect({ path, allowHalfOpen: true });
    socket.write('POST /exec/e/eager HTTP/1.1\r\nHost: d\r\n\r\n');
    socket.once('data', () => socket.end('hello'));
    let text = '';
    for await (const chunk of socket) text += chunk;
    assert.match(text, /\r\n\r\n\[hello\]eof$/);
  });

  test('in the bare form with a body, and stdin that comes before the answer', async () => {
    const head =
      'POST /exec/e/start HTTP/1.1\r\nHost: d\r\nContent-Type: application/json\r\nContent-Length: 12\r\n\r\n';
    assert.match(
      await converse([`${head}{"Tty":true}`, 'early', 'late'], { gap: 5 }),
      /body={"Tty":true};\[early(\]\[)?late\]eof$/,
    );
    assert.match(await converse([`${head}{"Tty":true}early`, 'late']), /body={"Tty":true};\[early\]\[late\]eof$/);
  });

  test('in the bare form on a connection that was used before', async () => {
    const text = await converse([
      'GET /_ping HTTP/1.1\r\nHost: d\r\n\r\n',
      'POST /containers/c/attach HTTP/1.1\r\nHost: d\r\n\r\n',
      'hello',
    ]);
    assert.match(text, /"OK"[\s\S]*body=null;\[hello\]eof$/);
  });

  test('are not taken over when the operation fails', async () => {
    const text = await converse(
      [
        `POST /exec/e/start HTTP/1.1\r\nHost: d\r\n${upgrade}Content-Type: application/json\r\nContent-Length: 11\r\n\r\n{"Tty":"x"}`,
      ],
      { end: false },
    );
    assert.match(text, /^HTTP\/1\.1 400 Bad Request\r\n/);
    assert.match(text, /field Tty/);
  });

  test('by websocket', async () => {
    const socket = new WebSocket(`ws+unix://${path}:/v1.43/containers/c/attach/ws?stream=1`);
    await new Promise((resolve, reject) => {
      socket.on('open', resolve);
      socket.on('error', reject);
    });
    socket.send('hi');
    const [data, binary] = await new Promise<[Buffer, boolean]>((resolve) =>
      socket.on('message', (message, isBinary) => resolve([message as Buffer, isBinary])),
    );
    assert.equal(String(data), '<hi>');
    assert.equal(binary, true);
    socket.close();
    assert.equal((await request('GET', '/containers/c/attach/ws')).status, 400);
    // Messages were text before 1.28.
    const older = new WebSocket(`ws+unix://${path}:/v1.27/containers/c/attach/ws?stream=1`);
    await new Promise((resolve) => older.on('open', resolve));
    older.send('hi');
    assert.equal(await new Promise((resolve) => older.on('message', (_, isBinary) => resolve(isBinary))), false);
    older.close();
  });
});
