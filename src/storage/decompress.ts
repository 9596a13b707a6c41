/** Finds out how a stream is compressed by its first bytes and decompresses it. */
import { spawn } from 'node:child_process';
import { Duplex, Readable, type Transform } from 'node:stream';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { TarError } from '../tar/entry.ts';

export type Compression = 'none' | 'gzip' | 'zstd' | 'bzip2' | 'xz';

/** How many first bytes `detectCompression` looks at. */
export const MAGIC_LENGTH = 6;
/** Output in large pieces: with zlib's default of 16 KB a 170 MB layer takes half a second more. */
const CHUNK = 1 << 20;

export function detectCompression(start: Uint8Array): Compression {
  const begins = (...bytes: number[]): boolean => bytes.every((byte, index) => start[index] === byte);
  if (begins(0x1f, 0x8b)) return 'gzip';
  if (begins(0x28, 0xb5, 0x2f, 0xfd)) return 'zstd';
  // A skippable frame may come first (RFC 8878, 3.1.2).
  if (start.length >= 4 && (start[0]! & 0xf0) === 0x50 && start[1] === 0x2a && start[2] === 0x4d && start[3] === 0x18) {
    return 'zstd';
  }
  if (begins(0x42, 0x5a, 0x68)) return 'bzip2';
  if (begins(0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00)) return 'xz';
  return 'none';
}

/** A stream that decompresses what is written to it. It fails with TarError when the tool for bzip2 or xz is not installed. */
export function decompressor(compression: Exclude<Compression, 'none'>): Transform | Duplex {
  if (compression === 'gzip') return createGunzip({ chunkSize: CHUNK });
  if (compression === 'zstd') return createZstdDecompress({ chunkSize: CHUNK });
  return toolDecompressor(compression);
}

function toolDecompressor(tool: 'bzip2' | 'xz'): Duplex {
  const child = spawn(tool, ['-dc'], { stdio: ['pipe', 'pipe', 'pipe'] });
  let complaint = '';
  child.stderr.on('data', (data: Buffer) => {
    complaint = (complaint + data.toString()).slice(0, 500);
  });
  // The exit code decides; a broken pipe on the way only follows from it.
  child.stdin.on('error', () => {});
  let ended = false;
  let code: number | null | undefined;
  const stream = new Duplex({
    write(chunk, _encoding, done) {
      if (child.stdin.destroyed || child.stdin.write(chunk)) done();
      else {
        const go = (): void => {
          child.stdin.off('drain', go);
          child.stdin.off('close', go);
          done();
        };
        child.stdin.on('drain', go);
        child.stdin.on('close', go);
      }
    },
    final(done) {
      child.stdin.end();
      done();
    },
    read() {
      child.stdout.resume();
    },
    destroy(error, done) {
      child.kill('SIGKILL');
      done(error);
    },
  });
  const finish = (): void => {
    if (!ended || code === undefined) return;
    if (code === 0) stream.push(null);
    else stream.destroy(new TarError(complaint.trim() || `${tool} failed`));
  };
  child.on('error', (error) => {
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    stream.destroy(
      missing
        ? new TarError(`the archive is compressed with ${tool}, and the command ${tool} is not installed`)
        : error,
    );
  });
  child.stdout.on('data', (data: Buffer) => {
    if (!stream.push(data)) child.stdout.pause();
  });
  child.stdout.on('end', () => {
    ended = true;
    finish();
  });
  child.on('exit', (exitCode) => {
    code = exitCode;
    finish();
  });
  return stream;
}

/** The stream decompressed, whatever it is compressed with. Its errors are those of the source, or TarError. */
export function decompressed(source: Readable): Readable {
  return Readable.from(decompressAll(source), { objectMode: false });
}

async function* decompressAll(source: Readable): AsyncGenerator<Buffer> {
  const chunks = source[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  let head: Buffer = Buffer.alloc(0);
  let ended = false;
  while (head.length < MAGIC_LENGTH && !ended) {
    const next = await chunks.next();
    if (next.done === true) ended = true;
    else head = Buffer.concat([head, Buffer.from(next.value)]);
  }
  async function* whole(): AsyncGenerator<Buffer> {
    if (head.length > 0) yield head;
    for (;;) {
      if (ended) return;
      const next = await chunks.next();
      if (next.done === true) return;
      yield next.value;
    }
  }
  const compression = detectCompression(head);
  try {
    if (compression === 'none') {
      yield* whole();
      return;
    }
    const decoder = decompressor(compression);
    const input = Readable.from(whole(), { objectMode: false });
    input.on('error', (error) => decoder.destroy(error));
    input.pipe(decoder);
    try {
      yield* decoder as AsyncIterable<Buffer>;
    } finally {
      input.destroy();
      decoder.destroy();
    }
  } finally {
    source.destroy();
  }
}
