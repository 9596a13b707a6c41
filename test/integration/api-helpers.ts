/** What the tests of images, logs and files do with a daemon of their own over its API. */
import assert from 'node:assert/strict';
import { createReadStream } from 'node:fs';
import http from 'node:http';
import type { Answer, TestDaemon } from '../support/daemon.ts';
import { rootfs } from './storage-helpers.ts';

/** Imports the busybox root file system under a name; returns the image's ID. */
export async function importBusybox(daemon: TestDaemon, repo = 'busybox', query = ''): Promise<string> {
  const answer = await daemon.request('POST', `/images/create?fromSrc=-&repo=${repo}${query}`, undefined, {
    raw: createReadStream(rootfs('busybox')),
  });
  assert.equal(answer.status, 200, answer.text);
  return messages(answer).at(-1)!.status as string;
}

/** The JSON objects of a progress stream. */
export function messages(answer: Answer): Record<string, unknown>[] {
  return answer.text
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map((line) => JSON.parse(line));
}

/** A reply's body as bytes. */
export function download(
  daemon: TestDaemon,
  path: string,
): Promise<{ status: number; headers: http.IncomingHttpHeaders; bytes: Buffer }> {
  return new Promise((resolve, reject) => {
    const request = http.get({ socketPath: daemon.socket, path, agent: false }, (response) => {
      const parts: Buffer[] = [];
      response.on('data', (chunk) => parts.push(chunk));
      response.on('error', reject);
      response.on('end', () =>
        resolve({ status: response.statusCode!, headers: response.headers, bytes: Buffer.concat(parts) }),
      );
    });
    request.on('error', reject);
  });
}

/** Creates a container; returns its ID. */
export async function create(daemon: TestDaemon, cmd: string[], body: object = {}): Promise<string> {
  const answer = await daemon.request('POST', '/containers/create', { Image: 'busybox', Cmd: cmd, ...body });
  assert.equal(answer.status, 201, answer.text);
  return answer.json.Id;
}

/** Creates and starts a container; returns its ID. */
export async function start(daemon: TestDaemon, cmd: string[], body: object = {}): Promise<string> {
  const id = await create(daemon, cmd, body);
  const answer = await daemon.request('POST', `/containers/${id}/start`);
  assert.equal(answer.status, 204, answer.text);
  return id;
}

/** Runs a container to its end; returns its ID. */
export async function run(daemon: TestDaemon, cmd: string[], body: object = {}): Promise<string> {
  const id = await start(daemon, cmd, body);
  await daemon.request('POST', `/containers/${id}/wait`);
  return id;
}

/** Payloads of multiplexed output, in order. */
export function frames(bytes: Buffer): { stream: number; text: string }[] {
  const found: { stream: number; text: string }[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = bytes.readUInt32BE(at + 4);
    assert.ok(at + 8 + length <= bytes.length, 'a frame is cut off');
    found.push({ stream: bytes[at]!, text: bytes.subarray(at + 8, at + 8 + length).toString() });
    at += 8 + length;
  }
  return found;
}

export function textOf(bytes: Buffer): string {
  return frames(bytes)
    .map(({ text }) => text)
    .join('');
}
