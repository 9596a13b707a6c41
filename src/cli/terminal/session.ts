/**
 * The client's side of an attached process: output from the hijacked connection to stdout and stderr, input from stdin, raw
 * mode and the detach keys when there is a terminal.
 */

import type { Hijacked } from '../../api/client/client.ts';
import { Demultiplexer } from '../../api/client/multiplex.ts';
import type { Input, Output } from '../io.ts';
import { DEFAULT_DETACH_KEYS, DetachScanner, parseDetachKeys } from './detach-keys.ts';

export interface SessionOptions {
  tty: boolean;
  stdin?: Input | undefined;
  stdout?: Output | undefined;
  stderr?: Output | undefined;
  /** '' for the default. */
  detachKeys: string;
}

export type SessionEnd = 'ended' | 'detached';

/** Joins the streams; resolves when the output has ended (without outputs: the input), or the user has detached. Restores the terminal. */
export function runSession(hijacked: Hijacked, options: SessionOptions): Promise<SessionEnd> {
  const { stream, head } = hijacked;
  const restore = options.stdin && options.tty && options.stdin.isTTY ? rawMode() : () => {};
  const { promise, resolve, reject } = Promise.withResolvers<SessionEnd>();
  const finish = (end: SessionEnd) => {
    restore();
    resolve(end);
  };
  const fail = (error: Error) => {
    restore();
    reject(error);
  };

  const { stdout, stderr } = options;
  const demultiplexer = new Demultiplexer(
    (chunk) => stdout?.write(chunk),
    (chunk) => stderr?.write(chunk),
  );
  const take = options.tty ? (chunk: Buffer) => stdout?.write(chunk) : (chunk: Buffer) => demultiplexer.push(chunk);
  const guarded = (chunk: Buffer) => {
    try {
      take(chunk);
    } catch (error) {
      stream.destroy();
      fail(error as Error);
    }
  };
  if (head.length > 0) guarded(head);
  stream.on('data', guarded);
  stream.on('end', () => finish('ended'));
  stream.on('close', () => finish('ended'));
  stream.on('error', (error: NodeJS.ErrnoException) => {
    // The engine closed while input was on its way: the end of the session, not a fault.
    if (error.code === 'EPIPE' || error.code === 'ECONNRESET') finish('ended');
    else fail(error);
  });
  stream.resume();

  if (options.stdin) {
    const noOutput = !stdout && !stderr;
    pump(stream, options.tty ? options.detachKeys : undefined, (end) => {
      if (end === 'detached') {
        stream.destroy();
        finish('detached');
      } else if (noOutput) {
        stream.once('finish', () => finish('ended'));
        stream.end();
      } else {
        stream.end();
      }
    });
  }
  return promise;
}

/** Copies stdin to the stream; `keys` undefined looks for no detach sequence. */
function pump(stream: Hijacked['stream'], keys: string | undefined, done: (end: SessionEnd) => void): void {
  const input = process.stdin;
  const scanner = new DetachScanner(
    keys === undefined ? [] : keys === '' ? DEFAULT_DETACH_KEYS : parseDetachKeys(keys),
  );
  input.on('data', (chunk: Buffer) => {
    const { pass, detached } = scanner.scan(chunk);
    if (pass.length > 0 && stream.writable && !stream.write(pass)) {
      input.pause();
      stream.once('drain', () => input.resume());
    }
    if (detached) done('detached');
  });
  input.on('end', () => done('ended'));
  // A terminal that hangs up reads as EIO.
  input.on('error', () => done('ended'));
}

/** Puts the terminal into raw mode; returns what restores it, which also runs however the process exits. */
function rawMode(): () => void {
  const input = process.stdin;
  input.setRawMode(true);
  // libuv's raw mode still turns "\n" into "\r\n" on its way out, which the container's own terminal has done already, or has left undone
  // for a full-screen program. A terminal that stty cannot set shows lines with one "\r" too many, no worse. What restores it is setRawMode.
  const { spawnSync } = process.getBuiltinModule('node:child_process') as typeof import('node:child_process');
  spawnSync('stty', ['-opost'], { stdio: ['inherit', 'ignore', 'ignore'] });
  let raw = true;
  const restore = () => {
    if (!raw) return;
    raw = false;
    process.off('exit', restore);
    input.setRawMode(false);
  };
  process.on('exit', restore);
  return restore;
}
