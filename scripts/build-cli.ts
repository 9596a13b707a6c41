/**
 * Bundles the CLI: dist/gantry.js, one function around the whole program, and dist/gantry.cache, V8's compiled form of it, which
 * dist/start.cjs (from src/cli/start.cjs) loads. Each command stays behind its own import(), which the bundle evaluates on use.
 *
 * Measured, one request, best of 30: plain CommonJS 27.1 ms, Node's module compile cache 25.2 ms (and it is kept per user, in a directory
 * that the user must be able to write), this 24.4 ms; a V8 start-up snapshot costs 4 ms more than it saves (Node's own
 * is part of the executable, a user's is read and checked); V8 flags that change code generation throw Node's own cache away.
 */

import { execFile } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { build } from 'esbuild';

const path = (relative: string) => fileURLToPath(new URL(`../${relative}`, import.meta.url));

export async function buildCli(): Promise<void> {
  const outfile = path('dist/gantry.js');
  await build({
    entryPoints: [path('src/cli/entry.ts')],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'cjs',
    target: 'node26',
    minify: true,
    charset: 'ascii',
    legalComments: 'none',
  });
  const body = readFileSync(outfile, 'utf8').replace(/^"use strict";/, '');
  // One byte a character, so that V8 takes the text as it is. Inner functions in brackets are compiled at once and land in the cache.
  writeFileSync(outfile, `(function(require){"use strict";var module={exports:{}},exports=module.exports;${body}})`);
  copyFileSync(path('src/cli/start.cjs'), path('dist/start.cjs'));
  await compile(outfile, path('dist/gantry.cache'));
}

/** Runs a container on an engine that only pretends, so that all of that path is compiled when the cache is taken. */
async function compile(bundle: string, cache: string): Promise<void> {
  const directory = mkdtempSync(`${tmpdir()}/gantry-build-`);
  const socket = `${directory}/engine.sock`;
  const server = pretendEngine();
  await new Promise<void>((resolve) => server.listen(socket, resolve));
  try {
    const env = { HOME: directory, GANTRY_HOST: `unix://${socket}` };
    await promisify(execFile)(
      process.execPath,
      [path('scripts/cli-code-cache.cjs'), bundle, cache, 'run', '--rm', '--name', 'x', 'busybox', 'true'],
      { env },
    );
  } finally {
    server.close();
    rmSync(directory, { recursive: true, force: true });
  }
}

function pretendEngine(): Server {
  const answer = (status: string, body: string) =>
    `HTTP/1.1 ${status}\r\nContent-Type: application/json\r\nApi-Version: 1.50\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
  return createServer((connection) => {
    connection.on('data', (data) => {
      const request = data.toString();
      if (request.includes('/attach?')) {
        connection.write('HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n');
        setTimeout(() => connection.end(Buffer.from([1, 0, 0, 0, 0, 0, 0, 1, 10])), 20);
      } else if (request.includes('/create')) {
        connection.write(answer('201 Created', '{"Id":"x","Warnings":[]}'));
      } else if (request.includes('/wait')) {
        connection.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Type: application/json\r\n\r\n');
        setTimeout(() => connection.write('10\r\n{"StatusCode":0}\r\n0\r\n\r\n'), 20);
      } else {
        connection.write('HTTP/1.1 204 No Content\r\n\r\n');
      }
    });
    connection.on('error', () => {});
  });
}

if (import.meta.main) await buildCli();
