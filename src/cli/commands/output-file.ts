/** Streams of archives to a file, to stdout, and from a file or stdin. */

import { closeSync, createReadStream, existsSync, openSync, renameSync, rmSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { type Output, openError, writeFully } from '../io.ts';

/** Checks that `path` can be written: its directory is there and it is no directory or device itself. */
export function checkOutputPath(path: string): void {
  const directory = dirname(resolve(path));
  if (!existsSync(directory)) {
    throw new Error(`invalid output path: directory ${JSON.stringify(directory)} does not exist`);
  }
  if (!existsSync(path)) return;
  const stat = statSync(path);
  if (stat.isDirectory()) return;
  const kind =
    stat.isBlockDevice() || stat.isCharacterDevice()
      ? 'a device'
      : stat.isFIFO()
        ? 'a named pipe'
        : stat.isSocket()
          ? 'a socket'
          : undefined;
  if (kind !== undefined) {
    throw new Error(`invalid output path: ${JSON.stringify(path)} must be a directory or a regular file: got ${kind}`);
  }
}

/** What save and export say of a path that they cannot write; devices and pipes they can. */
export function checkOutputFile(path: string, failure: string): void {
  // With a slash at its end the path says itself that it is a directory.
  const directory = path.endsWith('/') ? path.replace(/(.)\/+$/, '$1') : dirname(path);
  if (!existsSync(directory))
    throw new Error(`${failure}: invalid output path: stat ${directory}: no such file or directory`);
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory())
    throw new Error(`${failure}: cannot write to a directory`);
}

/** Writes a body to `path` ('' is stdout). A file appears whole or not at all. */
export async function writeBody(body: AsyncIterable<Buffer>, path: string, stdout: Output): Promise<void> {
  if (path === '') {
    for await (const chunk of body) stdout.write(chunk);
    return;
  }
  const special = existsSync(path) && !statSync(path).isFile();
  const target = special ? path : `${dirname(resolve(path))}/.tmp-${process.pid}-${Date.now()}`;
  const fd = openSync(target, special ? 'w' : 'wx', 0o600);
  try {
    for await (const chunk of body) writeFully(fd, chunk);
    closeSync(fd);
    if (!special) renameSync(target, path);
  } catch (error) {
    if (!special) rmSync(target, { force: true });
    throw error;
  }
}

/** The pieces of a file; `path` '-' is stdin. Throws `open x: no such file or directory`. */
export function readPieces(path: string): AsyncIterable<Uint8Array> {
  if (path === '-') return createReadStream('', { fd: 0, autoClose: false, highWaterMark: 1 << 18 });
  openInput(path);
  return createReadStream(path, { highWaterMark: 1 << 18 });
}

function openInput(path: string): void {
  try {
    closeSync(openSync(path, 'r'));
  } catch (error) {
    throw new Error(openError(error, path), { cause: error });
  }
}
