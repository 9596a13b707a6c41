/** The members of an image archive on disk: its index may come last, and its blobs are needed in an order of their own. */
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import type { Readable } from 'node:stream';
import { GantryError } from '../../api/errors.ts';
import { type TarEntry, TarError, toText } from '../../tar/entry.ts';
import { TarReader } from '../../tar/reader.ts';
import type { Digest } from '../contract.ts';
import { decompressed } from '../decompress.ts';
import { hexOf } from '../digest.ts';
import { Turns } from '../tree.ts';

/** Members of one archive; an image has about five for each of its at most 128 layers. */
const MAX_MEMBERS = 100_000;
/** Longest config, manifest or index that is read into memory; distribution-spec asks registries for 4 MB at least. */
const MAX_DOCUMENT = 16 << 20;
/** A link that leads to a link that leads to a link: Docker's own archives go one step. */
const MAX_LINKS = 10;

type Member = { file: string; size: number; digest: Digest } | { link: string };

export class ImageSpool {
  readonly #directory: string;
  readonly #members = new Map<string, Member>();
  #count = 0;

  /** `directory` exists, is empty, and is removed by the caller. */
  constructor(directory: string) {
    this.#directory = directory;
  }

  /** Reads the archive to its end. Throws invalid_parameter for a damaged or hostile one. */
  async fill(stream: Readable, onProgress?: (bytes: number) => void): Promise<void> {
    let fd = -1;
    let hash = createHash('sha256');
    let current: TarEntry | null = null;
    const reader = new TarReader({
      entry: (entry) => {
        if (++this.#count > MAX_MEMBERS) throw new TarError(`an image archive has more than ${MAX_MEMBERS} members`);
        current = entry;
        const name = memberName(entry.name);
        if (entry.type === 'file') {
          fd = fs.openSync(path.join(this.#directory, String(this.#count)), 'wx', 0o600);
          hash = createHash('sha256');
        } else if (entry.type === 'symlink') {
          this.#members.set(name, {
            link: memberName(path.posix.join(path.posix.dirname(name), toText(entry.linkName))),
          });
        } else if (entry.type === 'hardlink') {
          this.#members.set(name, { link: memberName(entry.linkName) });
        } else if (entry.type !== 'directory') {
          throw new TarError(`an image archive holds a ${entry.type}: ${name}`);
        }
      },
      data: (bytes, offset) => {
        if (current?.sparse !== null) throw new TarError('an image archive holds a sparse file');
        hash.update(bytes);
        for (let done = 0; done < bytes.length; ) {
          done += fs.writeSync(fd, bytes, done, bytes.length - done, offset + done);
        }
      },
      endOfFile: () => {
        fs.closeSync(fd);
        fd = -1;
        const name = memberName(current!.name);
        const digest = `sha256:${hash.digest('hex')}`;
        const named = /^blobs\/sha256\/([^/]*)$/.exec(name);
        if (named !== null && digest !== `sha256:${named[1]}`) {
          throw new TarError(`blob sha256:${named[1]} of the archive has digest ${digest}`);
        }
        this.#members.set(name, {
          file: path.join(this.#directory, String(this.#count)),
          size: current!.size,
          digest,
        });
      },
    });
    const turns = new Turns();
    let total = 0;
    try {
      for await (const chunk of decompressed(stream) as AsyncIterable<Buffer>) {
        reader.write(chunk);
        total += chunk.length;
        onProgress?.(total);
        await turns.pause();
      }
      reader.end();
    } finally {
      if (fd >= 0) fs.closeSync(fd);
    }
  }

  has(name: string): boolean {
    return this.#find(name) !== null;
  }

  #find(name: string): Exclude<Member, { link: string }> | null {
    let at = name;
    for (let links = 0; links <= MAX_LINKS; links++) {
      const member = this.#members.get(at);
      if (member === undefined) return null;
      if (!('link' in member)) return member;
      at = member.link;
    }
    return null;
  }

  #get(name: string): Exclude<Member, { link: string }> {
    const member = this.#find(memberName(Buffer.from(name).toString('latin1')));
    if (member === null) throw new GantryError('invalid_parameter', `invalid archive: ${name} is missing`);
    return member;
  }

  /** Bytes of a member. Throws invalid_parameter when it is missing or too large for a document. */
  bytes(name: string): Buffer {
    const member = this.#get(name);
    if (member.size > MAX_DOCUMENT) throw new GantryError('invalid_parameter', `invalid archive: ${name} is too large`);
    return fs.readFileSync(member.file);
  }

  /** A member that is JSON. Throws invalid_parameter. */
  json(name: string): unknown {
    try {
      return JSON.parse(this.bytes(name).toString('utf8'));
    } catch (error) {
      if (!(error instanceof SyntaxError)) throw error;
      throw new GantryError('invalid_parameter', `invalid archive: ${name} is no JSON: ${error.message}`, {
        cause: error,
      });
    }
  }

  /** A blob of an OCI layout; its digest was checked when it came in. */
  blob(digest: Digest): Buffer {
    return this.bytes(`blobs/sha256/${hexOf(digest)}`);
  }

  /** Bytes of a member as it is in the archive. */
  size(name: string): number {
    return this.#get(name).size;
  }

  open(name: string): Readable {
    return fs.createReadStream(this.#get(name).file, { highWaterMark: 1 << 20 });
  }
}

/** A name as the index documents write it: no "./", no "..". Throws TarError for one that leads out. */
function memberName(name: string): string {
  const clean = path.posix.normalize(toText(name)).replace(/\/+$/, '');
  if (clean === '..' || clean.startsWith('../') || clean.startsWith('/')) {
    throw new TarError(`invalid path in image archive: ${JSON.stringify(toText(name))}`);
  }
  return clean;
}
