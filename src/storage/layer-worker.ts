/**
 * Worker thread that unpacks layers, so that the daemon answers requests meanwhile. One layer at a time: `start`, then
 * `chunk`s, each answered by `ack` when it is worked off (this bounds what is in memory), then `end`, answered by `done`, and `seal`.
 */
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import fs from 'node:fs';
import type { Duplex } from 'node:stream';
import { parentPort } from 'node:worker_threads';
import { constants, createZstdCompress } from 'node:zlib';
import { syncfs } from '../linux/file.ts';
import { TarReader } from '../tar/reader.ts';
import { decompressor, detectCompression, MAGIC_LENGTH } from './decompress.ts';
import { RecordWriter } from './layer-record.ts';
import { LayerUnpacker } from './layer-unpack.ts';

export type ToWorker =
  | { type: 'start'; directory: string; lowers: string[] }
  | { type: 'chunk'; bytes: Uint8Array }
  | { type: 'end' }
  /** After `done`: writes `layer.json` and brings everything to disk. */
  | { type: 'seal'; directory: string; text: string };

export type FromWorker =
  | { type: 'ack' }
  | { type: 'done'; diffId: string; size: number; tarSize: number; moved: [number, string][] }
  | { type: 'sealed' }
  | { type: 'error'; message: string; name: string; code: string | undefined };

/** Decompressed pieces of 1 MB in memory at a time. */
const MAX_QUEUE = 4;

class Job {
  readonly #hash = createHash('sha256');
  readonly #unpacker: LayerUnpacker;
  readonly #reader: TarReader;
  readonly #record: RecordWriter;
  readonly #recordStream = createZstdCompress({ params: { [constants.ZSTD_c_compressionLevel]: 1 } });
  readonly #recordFile: fs.WriteStream;
  readonly #recordDone: Promise<unknown>;
  #head: Buffer | null = Buffer.alloc(0);
  #decoder: Duplex | null = null;
  #decoded: Promise<unknown> | null = null;
  /** Decompressed pieces that wait to be unpacked. */
  readonly #queue: Buffer[] = [];
  #failure: unknown = null;

  constructor(directory: string, lowers: string[]) {
    fs.mkdirSync(`${directory}/diff`, { mode: 0o755 });
    fs.chmodSync(`${directory}/diff`, 0o755);
    this.#recordFile = fs.createWriteStream(`${directory}/record`);
    this.#recordStream.pipe(this.#recordFile);
    this.#recordDone = once(this.#recordFile, 'close');
    this.#recordDone.catch(() => {});
    this.#recordFile.on('error', (error) => this.#fail(error));
    this.#recordStream.on('error', (error) => this.#fail(error));
    this.#record = new RecordWriter(this.#recordStream);
    const target = { diff: `${directory}/diff`, replaced: `${directory}/replaced`, lowers };
    this.#unpacker = new LayerUnpacker(target, this.#record);
    this.#reader = new TarReader(this.#unpacker);
  }

  #fail(error: unknown): void {
    this.#failure ??= error;
    this.#decoder?.destroy();
    this.#recordFile.destroy();
  }

  #take(bytes: Buffer): void {
    if (this.#failure !== null) return;
    try {
      this.#hash.update(bytes);
      this.#reader.write(bytes);
    } catch (error) {
      this.#fail(error);
    }
  }

  #next(): void {
    const bytes = this.#queue.shift();
    if (bytes === undefined) return;
    this.#take(bytes);
    if (this.#queue.length > 0) setImmediate(() => this.#next());
    else this.#decoder?.resume();
  }

  #startDecoder(head: Buffer): void {
    const compression = detectCompression(head);
    if (compression === 'none') return;
    const decoder = decompressor(compression);
    this.#decoder = decoder;
    // Not at once: when this handler returns, zlib's thread goes on with the next piece, and both work at the same time.
    decoder.on('data', (bytes: Buffer) => {
      this.#queue.push(bytes);
      if (this.#queue.length === 1) setImmediate(() => this.#next());
      if (this.#queue.length >= MAX_QUEUE) decoder.pause();
    });
    decoder.on('error', (error) => this.#fail(error));
    this.#decoded = once(decoder, 'close');
    this.#decoded.catch(() => {});
  }

  async write(bytes: Buffer): Promise<void> {
    let chunk = bytes;
    if (this.#head !== null) {
      chunk = Buffer.concat([this.#head, bytes]);
      if (chunk.length < MAGIC_LENGTH) {
        this.#head = chunk;
        return;
      }
      this.#head = null;
      this.#startDecoder(chunk);
    }
    if (this.#decoder === null) this.#take(chunk);
    else if (!this.#decoder.destroyed && !this.#decoder.write(chunk)) {
      await Promise.race([once(this.#decoder, 'drain'), this.#decoded]);
    }
    if (this.#record.full && this.#failure === null)
      await Promise.race([once(this.#recordStream, 'drain'), this.#recordDone]);
    if (this.#failure !== null) throw this.#failure;
  }

  async end(): Promise<FromWorker> {
    if (this.#head !== null && this.#head.length > 0) {
      this.#startDecoder(this.#head);
      if (this.#decoder === null) this.#take(this.#head);
      else (this.#decoder as Duplex).write(this.#head);
    }
    if (this.#decoder !== null) {
      this.#decoder.end();
      await this.#decoded;
      for (const bytes of this.#queue.splice(0)) this.#take(bytes);
    }
    if (this.#failure !== null) throw this.#failure;
    this.#reader.end();
    this.#unpacker.finish();
    this.#record.end();
    await this.#recordDone;
    if (this.#failure !== null) throw this.#failure;
    return {
      type: 'done',
      diffId: `sha256:${this.#hash.digest('hex')}`,
      size: this.#unpacker.size,
      tarSize: this.#record.total,
      moved: this.#unpacker.moved,
    };
  }

  async abort(): Promise<void> {
    this.#unpacker.abort();
    this.#decoder?.destroy();
    this.#recordStream.destroy();
    this.#recordFile.destroy();
    await this.#recordDone.catch(() => {});
  }
}

/** One sync for all files: syncing each of 10,000 takes seconds. */
function seal(directory: string, text: string): void {
  fs.writeFileSync(`${directory}/layer.json`, text, { flag: 'wx', mode: 0o600 });
  const fd = fs.openSync(directory, 'r');
  try {
    syncfs(fd);
  } finally {
    fs.closeSync(fd);
  }
}

const port = parentPort!;
const post = (message: FromWorker): void => port.postMessage(message);
let job: Job | null = null;
let turn = Promise.resolve();

async function handle(message: ToWorker): Promise<void> {
  try {
    if (message.type === 'start') job = new Job(message.directory, message.lowers);
    else if (message.type === 'seal') {
      seal(message.directory, message.text);
      post({ type: 'sealed' });
    }
    // After a failure the rest of the input has no reader any more.
    else if (job === null) return;
    else if (message.type === 'chunk') {
      await job.write(Buffer.from(message.bytes.buffer, message.bytes.byteOffset, message.bytes.byteLength));
      post({ type: 'ack' });
    } else {
      const result = await job.end();
      job = null;
      post(result);
    }
  } catch (error) {
    const failed = job;
    job = null;
    await failed?.abort();
    const { message: text, name, code } = error as NodeJS.ErrnoException;
    post({ type: 'error', message: text, name, code });
  }
}

port.on('message', (message: ToWorker) => {
  turn = turn.then(() => handle(message));
});
