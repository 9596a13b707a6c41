/** What the storage tests share. They need root, overlayfs and, for the root file systems, test/fixtures/make-rootfs. */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { Readable } from 'node:stream';
import type { TestContext } from 'node:test';
import { listMounts, MNT_DETACH, mount, umount } from '../../src/linux/mount.ts';
import { type OverlayStorage, openStorage } from '../../src/storage/storage.ts';
import { newEntry, type TarEntry, type TarEntryType } from '../../src/tar/entry.ts';
import { END_OF_ARCHIVE, encodeEntry, encodeFile } from '../../src/tar/writer.ts';

export const CACHE = process.env.GANTRY_TEST_CACHE ?? '/var/cache/gantry-test';

/** Path of a cached root file system, made when it is missing. */
export function rootfs(name: 'busybox' | 'debian'): string {
  execFileSync(path.join(import.meta.dirname, '../fixtures/make-rootfs'), [name]);
  return path.join(CACHE, `${name}.tar`);
}

/**
 * A directory that goes away with the test, mounts on and below it included. `memory` puts it on a tmpfs of so many megabytes: some
 * disks take half a minute to remove a tree of 10,000 files.
 */
export function scratch(t: TestContext, memory = 0): string {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'storage-test-'));
  if (memory > 0) mount('tmpfs', directory, 'tmpfs', 0, `size=${memory}m`);
  t.after(() => {
    for (const { mountPoint } of listMounts().reverse()) {
      if (`${mountPoint}/`.startsWith(`${directory}/`)) umount(mountPoint, MNT_DETACH);
    }
    fs.rmSync(directory, { recursive: true, force: true });
  });
  return directory;
}

export function newStorage(t: TestContext, memory = 0): OverlayStorage {
  return openStorage(path.join(scratch(t, memory), 'data'));
}

export type Member = Partial<Omit<TarEntry, 'type' | 'name'>> & {
  name: string;
  type?: TarEntryType;
  content?: string | Buffer;
};

/** A tar of the members, in order. */
export function tarOf(...members: Member[]): Buffer {
  const parts: Buffer[] = [];
  for (const { content, name, type, ...fields } of members) {
    const bytes = Buffer.from(content ?? '');
    const entry = { ...newEntry(name, type ?? (name.endsWith('/') ? 'directory' : 'file')), ...fields };
    parts.push(entry.type === 'file' ? encodeFile(entry, bytes) : encodeEntry(entry));
  }
  return Buffer.concat([...parts, END_OF_ARCHIVE]);
}

/** A stream that gives the bytes in pieces of a size that is no multiple of a block. */
export function stream(bytes: Buffer, piece = 10_007): Readable {
  const pieces: Buffer[] = [];
  for (let at = 0; at < bytes.length; at += piece) pieces.push(bytes.subarray(at, at + piece));
  return Readable.from(pieces, { objectMode: false });
}

export function sha256(bytes: Buffer): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

export async function collect(readable: Readable): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const chunk of readable) parts.push(chunk as Buffer);
  return Buffer.concat(parts);
}

export async function digestOfStream(readable: Readable): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of readable) hash.update(chunk as Buffer);
  return `sha256:${hash.digest('hex')}`;
}

/** Names that an archive lists, by GNU tar. */
export function listTar(bytes: Buffer, ...options: string[]): string[] {
  return execFileSync('tar', ['-t', ...options], { input: bytes })
    .toString()
    .trimEnd()
    .split('\n');
}
