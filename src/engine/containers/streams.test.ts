import assert from 'node:assert/strict';
import { duplexPair, PassThrough } from 'node:stream';
import { test } from 'node:test';
import { bridge } from './bridge.ts';
import { DetachFilter, parseDetachKeys } from './detach-keys.ts';
import { Framer, frame, Unframer } from './frames.ts';

function through(keys: string, chunks: string[]): { out: string; detached: boolean } {
  let detached = false;
  let out = '';
  const filter = new DetachFilter(parseDetachKeys(keys), () => {
    detached = true;
  });
  filter.on('data', (chunk) => {
    out += chunk;
  });
  for (const chunk of chunks) filter.write(chunk);
  return { out, detached };
}

test('detach keys in the forms of the API', () => {
  assert.deepEqual([...parseDetachKeys('')], [16, 17]);
  assert.deepEqual([...parseDetachKeys('ctrl-a,x,ctrl-[,ctrl-\\,ctrl-_')], [1, 120, 27, 28, 31]);
  for (const wrong of ['ctrl-', 'ab', 'ctrl-AB', 'a,,b', 'ctrl-1']) {
    assert.throws(() => parseDetachKeys(wrong), { code: 'invalid_parameter' }, wrong);
  }
});

test('the sequence detaches however it is cut, and all before it goes through', () => {
  assert.deepEqual(through('', ['ab\x10\x11cd']), { out: 'ab', detached: true });
  assert.deepEqual(through('', ['ab\x10', '\x11']), { out: 'ab', detached: true });
  assert.deepEqual(through('', ['\x10x']), { out: '\x10x', detached: false });
  assert.deepEqual(through('', ['\x10', '\x10', '\x11']), { out: '\x10', detached: true });
  assert.deepEqual(through('a,b,a,c', ['ababac']), { out: 'ab', detached: true });
  assert.deepEqual(through('a,a,b', ['aaab']), { out: 'a', detached: true });
  assert.deepEqual(through('x', ['helxlo']), { out: 'hel', detached: true });
});

test('frames come apart again wherever chunks are cut', async () => {
  const bytes = Buffer.concat([
    frame(1, Buffer.from('out')),
    frame(2, Buffer.alloc(0)),
    frame(2, Buffer.from('error')),
  ]);
  assert.deepEqual([...bytes.subarray(0, 8)], [1, 0, 0, 0, 0, 0, 0, 3]);
  for (let size = 1; size <= bytes.length; size++) {
    const unframer = new Unframer();
    for (let at = 0; at < bytes.length; at += size) unframer.write(bytes.subarray(at, at + size));
    unframer.end();
    let text = '';
    for await (const chunk of unframer) text += chunk;
    assert.equal(text, 'outerror', `cut every ${size} bytes`);
  }
  const framer = new Framer(1);
  framer.end('hi');
  assert.deepEqual(Buffer.concat(await framer.toArray()), frame(1, Buffer.from('hi')));
});

test('a bridge tells the client of the end only when the exit is known', async () => {
  const [client, clientEnd] = duplexPair();
  const output = new PassThrough();
  let known!: () => void;
  const ended = new Promise<void>((resolve) => {
    known = resolve;
  });
  const over = bridge(clientEnd, output, { stdin: false, endOfInput: 'ignore', detachKeys: null, ended });
  let closed = false;
  client.on('end', () => {
    closed = true;
  });
  client.resume();
  output.end('x');
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(closed, false);
  known();
  assert.equal(await over, false);
  await new Promise((resolve) => setTimeout(resolve, 5));
  assert.equal(closed, true);
});

test('a client that goes ends the bridge', async () => {
  const [client, clientEnd] = duplexPair();
  const output = new PassThrough();
  const over = bridge(clientEnd, output, { stdin: true, endOfInput: 'forward', detachKeys: null });
  client.destroy();
  clientEnd.destroy();
  assert.equal(await over, false);
  assert.equal(output.destroyed, true);
});
