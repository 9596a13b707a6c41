import { type FSWatcher, watch } from 'node:fs';
import { basename, dirname } from 'node:path';
import type { LogEntry, LogReadOptions } from './contract.ts';
import { type LogFile, type LogFormat, nextLogFile, openLogFiles } from './log-file.ts';

/** Reads a rotated set of log files, and follows it. See LogDriver.read. */
export async function* readLog(path: string, format: LogFormat, options: LogReadOptions): AsyncGenerator<LogEntry[]> {
  const files = await openLogFiles(path, format);
  let live: LogFile | null = null;
  const changes = options.follow === null ? null : new Changes(path, options);
  try {
    await seekTail(files, options.tail);
    let lastTime = 0n;
    const select = (entries: LogEntry[]): { given: LogEntry[]; done: boolean } => {
      lastTime = entries.at(-1)?.timeNs ?? lastTime;
      const { since, until } = options;
      const given = since === null ? entries : entries.filter((entry) => entry.timeNs >= since);
      if (until === null) return { given, done: false };
      const early = given.filter((entry) => entry.timeNs <= until);
      return { given: early, done: early.length < given.length };
    };
    async function* drain(file: LogFile): AsyncGenerator<LogEntry[], boolean> {
      for await (const entries of file.entries()) {
        if (options.signal.aborted) return true;
        const { given, done } = select(entries);
        if (given.length > 0) yield given;
        if (done) return true;
      }
      return options.signal.aborted;
    }

    while (files.length > 0) {
      const file = files[0]!;
      if (yield* drain(file)) return;
      if (files.length === 1) live = file;
      else await file.close();
      files.shift();
    }
    if (options.upTo !== undefined) {
      const mark = await options.upTo();
      for (let seen = 0n; ; ) {
        const found = mark !== null && live?.inode === mark.inode;
        let passed = false;
        for await (const entries of live?.entries(found ? mark.offset : undefined) ?? []) {
          if (options.signal.aborted) return;
          const late = mark !== null && entries.at(found ? 0 : -1)!.timeNs > mark.timeNs;
          // In a file that compression has made another one meanwhile the time has to do; one that begins later has only got its inode.
          const due = late ? entries.filter((entry) => entry.timeNs <= mark.timeNs) : entries;
          const fresh = seen === 0n ? due : due.filter((entry) => entry.timeNs > seen);
          lastTime = entries.at(-1)?.timeNs ?? lastTime;
          if (fresh.length > 0) yield fresh;
          passed ||= late;
        }
        if (found || passed) return;
        const next = await nextLogFile(path, format, live);
        if (next === null) return;
        // Written between the last read and the rename.
        for await (const entries of live?.entries() ?? []) yield select(entries).given;
        await live?.close();
        live = next.file;
        seen = next.certain ? 0n : lastTime;
      }
    }
    if (changes === null) return;
    for (;;) {
      // Asked before reading: what was written up to here is read below, so an end seen now misses nothing.
      const ended = changes.ended;
      if (live !== null && (yield* drain(live))) return;
      for (;;) {
        const next = await nextLogFile(path, format, live);
        if (next === null) break;
        if (live !== null) {
          // Written between the last read and the rename.
          if (yield* drain(live)) return;
          await live.close();
        }
        live = next.file;
        const after = lastTime;
        for await (const entries of live.entries()) {
          if (options.signal.aborted) return;
          const fresh = next.certain ? entries : entries.filter((entry) => entry.timeNs > after);
          const { given, done } = select(fresh);
          if (given.length > 0) yield given;
          if (done) return;
        }
      }
      if (ended || options.signal.aborted) return;
      await changes.next();
    }
  } finally {
    changes?.close();
    await live?.close();
    for (const file of files) await file.close();
  }
}

/** Drops from the front what the last `tail` entries do not reach. */
async function seekTail(files: LogFile[], tail: number | null): Promise<void> {
  if (tail === null) return;
  let wanted = tail;
  const kept: LogFile[] = [];
  for (const file of files.toReversed()) {
    if (wanted > 0 || kept.length === 0) {
      wanted -= await file.seekLast(wanted);
      kept.unshift(file);
    } else await file.close();
  }
  files.splice(0, files.length, ...kept);
}

/** Wakes the reader when something may have changed. */
class Changes {
  ended: boolean;
  readonly #watcher: FSWatcher | null;
  readonly #timers: NodeJS.Timeout[] = [];
  readonly #signal: AbortSignal;
  readonly #follow: AbortSignal;
  #pending = false;
  #wake: (() => void) | null = null;

  constructor(path: string, options: LogReadOptions) {
    this.#signal = options.signal;
    this.#follow = options.follow!;
    this.ended = this.#follow.aborted;
    this.#follow.addEventListener('abort', this.#end);
    this.#signal.addEventListener('abort', this.#notify);
    if (options.until !== null) {
      const delay = Number((options.until - BigInt(Date.now()) * 1_000_000n) / 1_000_000n);
      // Longer than a timer can hold (24 days): an entry after `until` will end the read.
      if (delay < 2 ** 31) this.#timers.push(setTimeout(this.#end, Math.max(0, delay) + 1));
    }
    const base = basename(path);
    let watcher: FSWatcher | null = null;
    try {
      watcher = watch(dirname(path), (_event, name) => {
        if (name === null || name.startsWith(base)) this.#notify();
      });
      watcher.on('error', this.#notify);
    } catch {
      // No inotify watch left (fs.inotify.max_user_watches): look every now and then instead.
      this.#timers.push(setInterval(this.#notify, 250));
    }
    this.#watcher = watcher;
  }

  readonly #end = (): void => {
    this.ended = true;
    this.#notify();
  };

  readonly #notify = (): void => {
    this.#pending = true;
    this.#wake?.();
  };

  async next(): Promise<void> {
    if (!this.#pending) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
      this.#wake = null;
    }
    this.#pending = false;
  }

  close(): void {
    this.#watcher?.close();
    for (const timer of this.#timers) clearTimeout(timer);
    this.#follow.removeEventListener('abort', this.#end);
    this.#signal.removeEventListener('abort', this.#notify);
  }
}
