/** The worker threads that unpack layers: at most a few, started when needed, ended when idle. */
import os from 'node:os';
import type { Readable } from 'node:stream';
import { Worker } from 'node:worker_threads';
import { GantryError } from '../api/errors.ts';
import type { FromWorker, ToWorker } from './layer-worker.ts';

export type UnpackResult = Omit<Extract<FromWorker, { type: 'done' }>, 'type'>;

/** A worker costs about 15 ms to start and 10 MB to keep; gone before the daemon gives back memory (IdleMemory), as its heap is in it. */
const IDLE_MS = 500;
/** Compressed bytes under way to one worker. */
const WINDOW = 4 << 20;
/** Unpacking is bound by the processor: more than this only take each other's turns (and the daemon's). */
const MAX_WORKERS = Math.max(1, Math.min(4, os.availableParallelism()));

/** Enough for the names of the largest layer allowed; a worker that needs more ends, and not the daemon. */
const HEAP_MB = 1024;

/** The worker's own file beside this one: as source, or where the bundler puts it. */
export function layerWorkerUrl(): URL {
  return new URL(import.meta.url.endsWith('.ts') ? './layer-worker.ts' : './layer-worker.js', import.meta.url);
}

export class LayerWorkers {
  readonly #url: URL;
  readonly #idle: { worker: Worker; timer: NodeJS.Timeout }[] = [];
  readonly #waiting: (() => void)[] = [];
  #busy = 0;

  constructor(url: URL) {
    this.#url = url;
  }

  /**
   * Unpacks `tar` into `directory` (made by the caller, removed by the caller behind an error), writes what `describe` makes of the
   * result as `layer.json`, and brings all of it to disk. Throws what the worker met: see `unpackError`; what `describe` throws;
   * AbortError when the signal fires.
   */
  async unpack(
    tar: Readable,
    directory: string,
    lowers: string[],
    describe: (result: UnpackResult) => string,
    options: { signal?: AbortSignal | undefined; onProgress?: ((bytes: number) => void) | undefined } = {},
  ): Promise<UnpackResult> {
    if (this.#busy >= MAX_WORKERS) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    else this.#busy++;
    let worker: Worker | null = null;
    let healthy = false;
    try {
      options.signal?.throwIfAborted();
      worker = this.#take();
      const result = await feed(worker, tar, directory, lowers, describe, options);
      healthy = true;
      return result;
    } catch (error) {
      tar.destroy();
      throw unpackError(error);
    } finally {
      // A worker in which something failed or was broken off ends, so that nothing of it writes into the directory any more.
      if (worker !== null) {
        if (healthy) this.#park(worker);
        else await worker.terminate();
      }
      const next = this.#waiting.shift();
      if (next === undefined) this.#busy--;
      else next();
    }
  }

  #take(): Worker {
    const parked = this.#idle.pop();
    if (parked === undefined)
      return new Worker(this.#url, {
        name: 'layer-worker',
        execArgv: [],
        resourceLimits: { maxOldGenerationSizeMb: HEAP_MB },
      });
    clearTimeout(parked.timer);
    parked.worker.ref();
    return parked.worker;
  }

  #park(worker: Worker): void {
    const timer = setTimeout(() => {
      this.#idle.splice(
        this.#idle.findIndex((entry) => entry.worker === worker),
        1,
      );
      void worker.terminate();
    }, IDLE_MS);
    timer.unref();
    worker.unref();
    this.#idle.push({ worker, timer });
  }
}

/** Sends the stream to the worker in step with its answers. */
function feed(
  worker: Worker,
  tar: Readable,
  directory: string,
  lowers: string[],
  describe: (result: UnpackResult) => string,
  options: { signal?: AbortSignal | undefined; onProgress?: ((bytes: number) => void) | undefined },
): Promise<UnpackResult> {
  const { promise, resolve, reject } = Promise.withResolvers<UnpackResult>();
  const sent: number[] = [];
  let result: UnpackResult | null = null;
  let underway = 0;
  let total = 0;
  const post = (message: ToWorker, transfer: ArrayBuffer[] = []): void => worker.postMessage(message, transfer);
  const onMessage = (message: FromWorker): void => {
    if (message.type === 'ack') {
      const bytes = sent.shift() ?? 0;
      underway -= bytes;
      total += bytes;
      options.onProgress?.(total);
      if (underway < WINDOW && tar.isPaused()) tar.resume();
    } else if (message.type === 'done') {
      const { type: _, ...done } = message;
      result = done;
      try {
        post({ type: 'seal', directory, text: describe(done) });
      } catch (error) {
        reject(error);
      }
    } else if (message.type === 'sealed') {
      resolve(result!);
    } else {
      reject(Object.assign(new Error(message.message), { name: message.name, code: message.code }));
    }
  };
  const onData = (chunk: Buffer | string): void => {
    // A copy of its own memory can be handed over; the stream's buffer may be a slice of a shared pool.
    const bytes = new Uint8Array(typeof chunk === 'string' ? Buffer.from(chunk) : chunk);
    underway += bytes.length;
    sent.push(bytes.length);
    post({ type: 'chunk', bytes }, [bytes.buffer]);
    if (underway >= WINDOW) tar.pause();
  };
  const onEnd = (): void => post({ type: 'end' });
  const onClose = (): void => {
    if (!tar.readableEnded) reject(tar.errored ?? new Error('the stream of the layer ended early'));
  };
  const onAbort = (): void => reject(options.signal?.reason);
  worker.on('message', onMessage).on('error', reject);
  options.signal?.addEventListener('abort', onAbort);
  post({ type: 'start', directory, lowers });
  tar.on('end', onEnd).on('error', reject).on('close', onClose).on('data', onData);
  if (tar.destroyed && !tar.readableEnded) onClose();
  return promise.finally(() => {
    worker.off('message', onMessage).off('error', reject);
    options.signal?.removeEventListener('abort', onAbort);
    tar.off('end', onEnd).off('close', onClose).off('data', onData);
  });
}

/** Errors that are the host's and not the archive's. */
const HOST_ERRORS = new Set(['EIO', 'EROFS', 'EMFILE', 'ENFILE', 'ENOMEM', 'EACCES']);

/** What went wrong while unpacking, as the caller is to see it. */
function unpackError(error: unknown): unknown {
  if (error instanceof GantryError) return error;
  const { name, code, message } = error as NodeJS.ErrnoException;
  if (name === 'AbortError') return error;
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new GantryError('no_space', 'failed to register layer: no space left on device', { cause: error });
  }
  const ofArchive =
    name === 'TarError' ||
    code === 'ERR_WORKER_OUT_OF_MEMORY' ||
    (code !== undefined && /^(Z_|ERR_ZSTD|ZSTD_|ERR_BUFFER_TOO_LARGE)/.test(code)) ||
    (code !== undefined && /^E[A-Z0-9]+$/.test(code) && !HOST_ERRORS.has(code) && name === 'SystemCallError') ||
    code === 'ENAMETOOLONG' ||
    code === 'EINVAL' ||
    code === 'EFBIG' ||
    code === 'ELOOP' ||
    code === 'EMLINK';
  if (ofArchive) return new GantryError('invalid_parameter', `failed to register layer: ${message}`, { cause: error });
  return error;
}
