/**
 * Standard streams by plain system calls. `process.stdout` costs 2 ms to make and writes to pipes asynchronously, which
 * loses output at exit; a synchronous write is also the back-pressure that a slow reader needs.
 */

import { readSync, writeSync } from 'node:fs';

export interface Output {
  readonly fd: number;
  readonly isTTY: boolean;
  /** Width of the terminal; 80 when it is none. */
  columns(): number;
  rows(): number;
  write(data: string | Uint8Array): void;
}

export interface Input {
  readonly fd: number;
  readonly isTTY: boolean;
  /** Reads all that is there, up to the end of file. */
  readAll(): Buffer;
  /** Reads one line without its end; undefined at the end of file. */
  readLine(): string | undefined;
}

const WHY: Readonly<Record<string, string>> = {
  ENOENT: 'no such file or directory',
  EACCES: 'permission denied',
  EPERM: 'operation not permitted',
  EISDIR: 'is a directory',
  ENOTDIR: 'not a directory',
  EEXIST: 'file exists',
  EROFS: 'read-only file system',
  ENOSPC: 'no space left on device',
};

/** "open PATH: why", as Go's programs say it. */
export function openError(error: unknown, path: string): string {
  const code = (error as NodeJS.ErrnoException).code ?? '';
  return `open ${path}: ${WHY[code] ?? (error as Error).message}`;
}

const PAUSE = 1;

/** Sleeps without the event loop: only for a descriptor that is not ready and cannot be polled. */
function pause(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
}

/**
 * Writes everything, at `position` of a file when it is given; waits when the descriptor is non-blocking and full. Ends the process
 * on a closed pipe, as SIGPIPE would.
 */
export function writeFully(fd: number, data: string | Uint8Array, position: number | null = null): void {
  const bytes = typeof data === 'string' ? Buffer.from(data) : data;
  let offset = 0;
  while (offset < bytes.length) {
    try {
      offset += writeSync(fd, bytes, offset, null, position === null ? null : position + offset);
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      if (code === 'EAGAIN') pause(PAUSE);
      else if (code === 'EPIPE') process.exit(128 + 13);
      else if (code !== 'EINTR') throw error;
    }
  }
}

function isTerminal(fd: number): boolean {
  return (process.getBuiltinModule('node:tty') as typeof import('node:tty')).isatty(fd);
}

function size(fd: number): [number, number] {
  const { WriteStream } = process.getBuiltinModule('node:tty') as typeof import('node:tty');
  const stream = fd === 1 ? process.stdout : fd === 2 ? process.stderr : new WriteStream(fd);
  return stream.getWindowSize();
}

export function output(fd: number): Output {
  let tty: boolean | undefined;
  return {
    fd,
    get isTTY() {
      tty ??= isTerminal(fd);
      return tty;
    },
    columns: () => (isTerminal(fd) ? size(fd)[0] || 80 : 80),
    rows: () => (isTerminal(fd) ? size(fd)[1] || 24 : 24),
    write: (data) => writeFully(fd, data),
  };
}

function readSome(fd: number, buffer: Uint8Array): number {
  for (;;) {
    try {
      return readSync(fd, buffer);
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      if (code === 'EAGAIN') pause(PAUSE);
      else if (code === 'EOF' || code === 'EIO') return 0;
      else if (code !== 'EINTR') throw error;
    }
  }
}

export function input(fd: number): Input {
  let tty: boolean | undefined;
  return {
    fd,
    get isTTY() {
      tty ??= isTerminal(fd);
      return tty;
    },
    readAll() {
      const chunks: Buffer[] = [];
      for (;;) {
        const buffer = Buffer.allocUnsafe(65536);
        const count = readSome(fd, buffer);
        if (count === 0) return Buffer.concat(chunks);
        chunks.push(buffer.subarray(0, count));
      }
    },
    // A byte at a time: what follows the line stays for whoever reads the descriptor next.
    readLine() {
      const byte = Buffer.alloc(1);
      const bytes: number[] = [];
      for (;;) {
        if (readSome(fd, byte) === 0) return bytes.length === 0 ? undefined : Buffer.from(bytes).toString();
        if (byte[0] === 10) return Buffer.from(bytes).toString().replace(/\r$/, '');
        bytes.push(byte[0]!);
      }
    },
  };
}
