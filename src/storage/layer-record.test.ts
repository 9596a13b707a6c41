import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { test } from 'node:test';
import { createZstdCompress } from 'node:zlib';
import { type RecordPart, RecordWriter, readRecord } from './layer-record.ts';

async function written(t: { after(fn: () => void): void }, write: (record: RecordWriter) => void): Promise<string> {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'layer-record-'));
  t.after(() => fs.rmSync(directory, { recursive: true }));
  const file = path.join(directory, 'record');
  const compress = createZstdCompress();
  const done = pipeline(compress, fs.createWriteStream(file));
  const record = new RecordWriter(compress);
  write(record);
  record.end();
  await done;
  return file;
}

async function parts(file: string): Promise<RecordPart[]> {
  const all: RecordPart[] = [];
  for await (const part of readRecord(file)) {
    const last = all.at(-1);
    // How raw bytes are cut is of no matter.
    if (part.kind === 'raw' && last?.kind === 'raw') last.bytes = Buffer.concat([last.bytes, part.bytes]);
    else all.push(part.kind === 'raw' ? { kind: 'raw', bytes: Buffer.from(part.bytes) } : part);
  }
  return all;
}

test('parts come back in order, contiguous content as one, files numbered', async (t) => {
  const file = await written(t, (record) => {
    record.raw(Buffer.from('header'));
    record.file('a/\xff');
    record.content(0, 10);
    record.content(10, 5);
    record.content(100, 1);
    record.raw(Buffer.from('padding'));
    record.raw(Buffer.from('header'));
    record.file('b');
    record.content(0, 2 ** 40);
    assert.equal(record.total, 6 + 16 + 7 + 6 + 2 ** 40);
  });
  assert.deepEqual(await parts(file), [
    { kind: 'raw', bytes: Buffer.from('header') },
    { kind: 'content', file: 0, path: 'a/\xff', offset: 0, length: 15 },
    { kind: 'content', file: 0, path: 'a/\xff', offset: 100, length: 1 },
    { kind: 'raw', bytes: Buffer.from('paddingheader') },
    { kind: 'content', file: 1, path: 'b', offset: 0, length: 2 ** 40 },
  ]);
});

test('raw parts larger than the buffer and many small ones', async (t) => {
  const big = Buffer.alloc(1 << 20, 'b');
  const file = await written(t, (record) => {
    for (let i = 0; i < 2000; i++) record.raw(Buffer.alloc(512, i));
    record.raw(big);
    record.file('x');
    record.content(0, 1);
    for (let i = 0; i < 2000; i++) record.raw(Buffer.alloc(512, i));
  });
  const all = await parts(file);
  assert.deepEqual(
    all.map((part) => (part.kind === 'raw' ? part.bytes.length : part.length)),
    [2000 * 512 + big.length, 1, 2000 * 512],
  );
  assert.equal((all[2] as { bytes: Buffer }).bytes[512 * 1999], 1999 % 256);
});

test('a record that was cut is refused', async (t) => {
  const file = await written(t, (record) => record.raw(Buffer.alloc(100_000, 'x')));
  fs.truncateSync(file, fs.statSync(file).size - 5);
  await assert.rejects(parts(file));
});
