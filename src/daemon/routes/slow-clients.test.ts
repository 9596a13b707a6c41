/** A client that does not read must not fill the daemon's memory, and one that goes away leaves nothing behind. */
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { bridge } from '../../engine/containers/bridge.ts';
import type { Containers } from '../../engine/containers/containers.ts';
import { WaitList } from '../../engine/containers/wait-list.ts';
import { EventBus } from '../../engine/events.ts';
import { ApiServer } from '../http/server.ts';
import { containerIoRoutes } from './containers-io.ts';
import { eventRoutes } from './events.ts';
import { logRoutes } from './logs.ts';

/** Bytes that may be on their way to a client: what the socket takes and a few blocks. */
const BOUND = 24 << 20;
const BLOCK = Buffer.alloc(64 << 10, 'x');

const directory = mkdtempSync(join(tmpdir(), 'slow-clients-'));
const path = join(directory, 'sock');
const log = { debug() {}, info() {}, warn() {}, error() {} };
const events = new EventBus();
const waiters = new WaitList();
let made = 0;
let open = 0;
let waiting = 0;

/** Gives blocks for as long as they are taken. */
async function* endless(signal: AbortSignal): AsyncGenerator<Buffer> {
  open++;
  try {
    while (!signal.aborted) {
      made += BLOCK.length;
      yield BLOCK;
    }
  } finally {
    open--;
  }
}

const endlessOutput = () =>
  new Readable({
    read() {
      made += BLOCK.length;
      this.push(BLOCK);
    },
    destroy(error, done) {
      open--;
      done(error);
    },
  });

const containers = {
  resolve: () => ({ record: { config: {} } }),
  logs: (_container: unknown, { signal }: { signal: AbortSignal }) => endless(signal),
  async *stats(_container: unknown, { signal }: { signal: AbortSignal }) {
    for await (const block of endless(signal)) yield { name: String(block) };
  },
  wait: (_container: unknown, condition: 'removed', signal: AbortSignal) => {
    waiting++;
    return waiters.add(condition, signal).finally(() => {
      waiting--;
    });
  },
  async attach(_container: unknown, _request: unknown, take: () => net.Socket) {
    open++;
    const output = endlessOutput();
    await bridge(take(), output as never, { stdin: false, endOfInput: 'ignore', detachKeys: null });
  },
} as unknown as Containers;

const api = new ApiServer({
  routes: [...eventRoutes(events), ...logRoutes(containers), ...containerIoRoutes(containers)],
  log,
  version: '0',
  onActivity() {},
});
before(async () => {
  const server = api.createServer(null);
  await new Promise<void>((resolve) => server.listen(path, resolve));
});
after(async () => {
  await api.close(100);
  rmSync(directory, { recursive: true });
});

/** A client that sends its request and reads nothing. */
function silent(requestLine: string): net.Socket {
  const socket = net.connect(path);
  socket.pause();
  socket.on('error', () => {});
  socket.write(`${requestLine} HTTP/1.1\r\nHost: d\r\nContent-Length: 0\r\n\r\n`);
  return socket;
}

async function until(check: () => boolean): Promise<void> {
  while (!check()) await sleep(5);
}

/** When nothing more is made. */
async function stands(): Promise<number> {
  for (let last = -1; last !== made; ) {
    last = made;
    await sleep(100);
  }
  return made;
}

for (const [what, request] of [
  ['followed logs', 'GET /containers/x/logs?follow=1&stdout=1'],
  ['stats', 'GET /containers/x/stats'],
  ['an attach', 'POST /containers/x/attach?stream=1&stdout=1'],
] as const) {
  test(`${what} wait for a client that does not read, and end when it goes`, async () => {
    made = 0;
    const socket = silent(request);
    await until(() => made > 0);
    const atMost = await stands();
    assert.ok(atMost < BOUND, `${atMost} bytes`);
    assert.equal(open, 1);
    socket.destroy();
    await until(() => open === 0);
  });
}

test('a client of the events that falls behind is cut off', async () => {
  const socket = silent('GET /events');
  await until(() => events.listeners === 1);
  const attributes = { text: 'x'.repeat(1000) };
  let sent = 0;
  for (; events.listeners === 1; sent++) {
    events.emit('container', 'exec_create', 'x', attributes);
    assert.ok(sent < 100_000, 'nothing bounds what is kept for the client');
  }
  assert.ok(sent > 1000, 'a client may be behind a little');
  // It sees that its stream did not come to its end.
  await assert.rejects(
    new Promise((resolve, reject) => {
      const chunks: Buffer[] = [];
      socket.on('data', (chunk) => chunks.push(chunk as Buffer));
      socket.on('close', () =>
        String(Buffer.concat(chunks)).endsWith('0\r\n\r\n') ? resolve(null) : reject(new Error('cut')),
      );
      socket.resume();
    }),
    /cut/,
  );
});

test('events, and a wait, end with their client', async () => {
  const listener = http.get({ socketPath: path, path: '/events', agent: false });
  listener.on('error', () => {});
  await until(() => events.listeners === 1);
  listener.destroy();
  await until(() => events.listeners === 0);
  const waiter = silent('POST /containers/x/wait?condition=removed');
  await until(() => waiting === 1);
  waiter.destroy();
  await until(() => waiting === 0);
});
