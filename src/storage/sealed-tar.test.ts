import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newEntry } from '../tar/entry.ts';
import { TarReader } from '../tar/reader.ts';
import { encodeFile } from '../tar/writer.ts';
import { sealed, unsealed } from './sealed-tar.ts';

const member = encodeFile({ ...newEntry('file', 'file'), mode: 0o644 }, Buffer.from('content'));

async function* pieces(bytes: Buffer, size = bytes.length): AsyncGenerator<Buffer> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}
async function whole(stream: AsyncIterable<Buffer>): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of stream) parts.push(part);
  return Buffer.concat(parts);
}

test('what is sealed comes out again, in pieces of any size, and is a tar like others', async () => {
  const archive = await whole(sealed(pieces(member, 100)));
  for (const size of [1, 511, 2048, archive.length]) {
    assert.deepEqual(await whole(unsealed(pieces(archive, size))), archive);
  }
  const names: string[] = [];
  const reader = new TarReader({ entry: ({ name }) => names.push(name) });
  reader.write(archive);
  reader.end();
  assert.deepEqual(names, ['file']);
  const empty = await whole(sealed(pieces(Buffer.alloc(0))));
  assert.deepEqual(await whole(unsealed(pieces(empty, 7))), empty);
});

test('a changed byte, a missing end and a foreign archive are found', async () => {
  const archive = await whole(sealed(pieces(member)));
  for (let at = 0; at < archive.length; at += 97) {
    const changed = Buffer.from(archive);
    changed[at]! ^= 1;
    await assert.rejects(whole(unsealed(pieces(changed))), { name: 'TarError' }, `byte ${at}`);
  }
  await assert.rejects(whole(unsealed(pieces(archive.subarray(0, -1)))), { name: 'TarError' });
  for (const length of [0, 512, archive.length - 1024]) {
    await assert.rejects(whole(unsealed(pieces(archive.subarray(0, length)))), /no checksum at its end/);
  }
  await assert.rejects(whole(unsealed(pieces(Buffer.concat([member, Buffer.alloc(1024)])))), /no checksum at its end/);
});
