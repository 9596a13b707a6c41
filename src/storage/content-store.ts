import { randomUUID } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { GantryError } from '../api/errors.ts';
import type { ContentStore, Digest } from './contract.ts';
import { digestOf, hexOf } from './digest.ts';
import { writeDurably } from './durable.ts';

/** Blobs as files `<root>/content/sha256/<hex>`. */
export class FileContentStore implements ContentStore {
  readonly #directory: string;
  readonly #tmp: string;

  constructor(root: string) {
    this.#directory = path.join(root, 'content', 'sha256');
    this.#tmp = path.join(root, 'tmp');
    fs.mkdirSync(this.#directory, { recursive: true, mode: 0o700 });
  }

  #path(digest: Digest): string {
    return path.join(this.#directory, hexOf(digest));
  }

  has(digest: Digest): boolean {
    return fs.existsSync(this.#path(digest));
  }

  read(digest: Digest): Buffer {
    let bytes: Buffer;
    try {
      bytes = fs.readFileSync(this.#path(digest));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
      throw new GantryError('not_found', `content ${digest} not found`, { cause: error });
    }
    // These are small, and what is read here decides what runs.
    if (digestOf(bytes) !== digest) throw new GantryError('system', `content ${digest} is damaged on disk`);
    return bytes;
  }

  async write(bytes: Uint8Array): Promise<Digest> {
    const digest = digestOf(bytes);
    const target = this.#path(digest);
    if (!fs.existsSync(target)) await writeDurably(target, bytes, path.join(this.#tmp, `content-${randomUUID()}`));
    return digest;
  }

  delete(digest: Digest): void {
    fs.rmSync(this.#path(digest), { force: true });
  }

  list(): Digest[] {
    return fs.readdirSync(this.#directory).map((hex) => `sha256:${hex}`);
  }
}
