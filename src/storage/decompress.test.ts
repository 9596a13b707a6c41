import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { decompressed, detectCompression } from './decompress.ts';

async function collect(stream: Readable): Promise<string> {
  const parts: Buffer[] = [];
  for await (const part of stream) parts.push(part as Buffer);
  return Buffer.concat(parts).toString();
}

/** The bytes one by one, so that the first chunk does not tell the compression. */
function bytewise(bytes: Buffer): Readable {
  return Readable.from(
    [...bytes].map((byte) => Buffer.from([byte])),
    { objectMode: false },
  );
}

test('the compression is told by the first bytes', () => {
  assert.equal(detectCompression(gzipSync('')), 'gzip');
  assert.equal(detectCompression(zstdCompressSync(Buffer.alloc(0))), 'zstd');
  assert.equal(detectCompression(Buffer.from([0x53, 0x2a, 0x4d, 0x18, 0, 0])), 'zstd');
  assert.equal(detectCompression(Buffer.from('BZh91AY')), 'bzip2');
  assert.equal(detectCompression(Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0])), 'xz');
  assert.equal(detectCompression(Buffer.from('etc/passwd')), 'none');
  assert.equal(detectCompression(Buffer.alloc(0)), 'none');
});

test('all kinds of input come out as they were', async () => {
  const text = 'content '.repeat(1000);
  for (const bytes of [Buffer.from(text), gzipSync(text), zstdCompressSync(text)]) {
    assert.equal(await collect(decompressed(bytewise(bytes))), text);
  }
  assert.equal(await collect(decompressed(bytewise(Buffer.concat([gzipSync('a'), gzipSync('b')])))), 'ab');
  assert.equal(await collect(decompressed(bytewise(Buffer.from('ab')))), 'ab');
  assert.equal(await collect(decompressed(Readable.from([]))), '');
});

test('errors of the source and of the data come through, and the source is closed', async () => {
  const source = bytewise(gzipSync('content').subarray(0, 15));
  await assert.rejects(collect(decompressed(source)), { code: 'Z_BUF_ERROR' });
  assert.ok(source.destroyed);
  const failing = Readable.from(
    (async function* () {
      yield gzipSync('content').subarray(0, 12);
      throw new Error('connection lost');
    })(),
  );
  await assert.rejects(collect(decompressed(failing)), /connection lost/);
});
