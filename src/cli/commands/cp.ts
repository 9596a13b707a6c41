import { lstatSync, readlinkSync, realpathSync, statSync } from 'node:fs';
import { dirname, posix, resolve } from 'node:path';
import type { Client, Response } from '../../api/client/client.ts';
import { bool, type Context, defineCommand, exactly } from '../command.ts';
import { pack } from '../copy/pack.ts';
import {
  type CopySource,
  type CopyTarget,
  claimsDirectory,
  endsInDot,
  keepTrailing,
  planCopy,
  rebase,
  renamed,
  splitCopyArgument,
  splitEntry,
} from '../copy/paths.ts';
import { CopyProgress } from '../copy/progress.ts';
import { unpack } from '../copy/unpack.ts';
import { containerPath } from './each.ts';
import { checkOutputPath, readPieces } from './output-file.ts';

const flags = {
  archive: bool('a', 'Archive mode (copy all uid/gid information)'),
  'follow-link': bool('L', 'Always follow symbolic links in SRC_PATH'),
  quiet: bool('q', 'No progress output while copying; without a terminal there is none anyway'),
};
type CopyContext = Context<typeof flags>;

export const command = defineCommand({
  use: '[OPTIONS] CONTAINER:SRC_PATH DEST_PATH|-\n[OPTIONS] SRC_PATH|- CONTAINER:DEST_PATH',
  summary: 'Copy files/folders between a container and the local filesystem',
  long: `Copy files/folders between a container and the local filesystem

With '-' as the source a tar archive is read from stdin
and unpacked into a directory of the container.
With '-' as the destination a tar archive of what is in the
container is written to stdout.`,
  flags,
  args: exactly(2),
  complete: { kind: 'file', repeat: true },
  async run(ctx) {
    const [from = '', to = ''] = ctx.args;
    if (from === '') throw new Error('source can not be empty');
    if (to === '') throw new Error('destination can not be empty');
    const source = splitCopyArgument(from);
    const target = splitCopyArgument(to);
    if (source.container !== '' && target.container !== '') {
      throw new Error('copying between containers is not supported');
    }
    if (source.container !== '') return await fromContainer(ctx, source.container, source.path, target.path);
    if (target.container !== '') return await toContainer(ctx, target.container, source.path, target.path);
    throw new Error('must specify at least one container source');
  },
});

interface PathStat {
  name: string;
  size: number;
  /** Go's os.FileMode. */
  mode: number;
  linkTarget: string;
}

// The type bits of Go's os.FileMode.
const GO_DIRECTORY = 0x80000000;
const GO_SYMLINK = 0x08000000;
const GO_SPECIAL = 0x04000000 | 0x02000000 | 0x01000000 | 0x00200000;
const has = (mode: number, bit: number) => (mode & bit) >>> 0 !== 0;

function statOf(response: Response): PathStat {
  const header = response.headers['x-docker-container-path-stat'];
  if (!header) throw new Error('unable to get resource stat from response');
  return JSON.parse(Buffer.from(header, 'base64').toString()) as PathStat;
}

async function statInContainer(client: Client, container: string, path: string): Promise<PathStat | undefined> {
  try {
    const response = await client.request('HEAD', containerPath(container, 'archive'), { query: { path } });
    await response.bytes();
    return statOf(response);
  } catch (error) {
    if (error instanceof Error && error.name === 'ApiError') return undefined;
    throw error;
  }
}

/** An absolute local path that keeps its trailing "/" or "/.". */
function localPath(path: string): string {
  return keepTrailing(resolve(path), path);
}

const isQuiet = (ctx: CopyContext) => (ctx.changed.has('quiet') ? ctx.flags.quiet : !ctx.stdout.isTTY);

async function fromContainer(ctx: CopyContext, container: string, from: string, to: string): Promise<void> {
  const destination = to === '-' ? '-' : localPath(to);
  if (destination !== '-') checkOutputPath(destination);
  const client = await ctx.client();
  let path = from;
  let name = '';
  if (ctx.flags['follow-link']) {
    const stat = await statInContainer(client, container, path);
    if (stat && has(stat.mode, GO_SYMLINK)) {
      const link = stat.linkTarget;
      ({ path, name } = rebase(path, link.startsWith('/') ? link : posix.join(splitEntry(path).directory, link)));
    }
  }
  const response = await client.request('GET', containerPath(container, 'archive'), { query: { path } });
  if (destination === '-') {
    for await (const chunk of response) ctx.stdout.write(chunk);
    return;
  }
  const isDirectory = has(statOf(response).mode, GO_DIRECTORY);
  const progress = new CopyProgress(ctx.stderr, 'Copying from container - ', isQuiet(ctx));
  const plan = planCopy({ path, isDirectory, name: '' }, localTarget(destination));
  // A followed link keeps the link's name where nothing else names the copy.
  if (!plan.rename && name !== '') plan.rename = { from: splitEntry(path).base, to: name };
  await unpack(progress.count(response), plan);
  progress.done(destination);
}

const MAX_LINKS = 10;

/** What the destination is; a link is followed, also one that leads to nothing yet. */
function localTarget(given: string): CopyTarget {
  let path = given;
  for (let links = 0; ; links++) {
    const stat = lstatSync(path, { throwIfNoEntry: false });
    if (!stat) break;
    if (!stat.isSymbolicLink()) return { path, exists: true, isDirectory: stat.isDirectory() };
    if (links > MAX_LINKS) throw new Error(`too many symlinks in ${given}`);
    const link = readlinkSync(path);
    path = link.startsWith('/') ? link : posix.join(splitEntry(path).directory, link);
  }
  if (!statSync(splitEntry(path).directory).isDirectory()) throw new Error('not a directory');
  return { path, exists: false, isDirectory: false };
}

async function toContainer(ctx: CopyContext, container: string, from: string, to: string): Promise<void> {
  const client = await ctx.client();
  const target: CopyTarget = { path: to, exists: false, isDirectory: false };
  let stat = await statInContainer(client, container, to);
  if (stat && has(stat.mode, GO_SYMLINK)) {
    const link = stat.linkTarget;
    target.path = link.startsWith('/') ? link : posix.join(splitEntry(to).directory, link);
    stat = await statInContainer(client, container, target.path);
  }
  if (stat) {
    if (has(stat.mode, GO_SPECIAL)) {
      throw new Error(`destination "${container}:${to}" must be a directory or a regular file`);
    }
    target.exists = true;
    target.isDirectory = has(stat.mode, GO_DIRECTORY);
  }
  const quiet = isQuiet(ctx);
  const progress = new CopyProgress(ctx.stderr, 'Copying to container - ', quiet);
  let directory = target.path;
  let pieces: AsyncIterable<Uint8Array> | Iterable<Uint8Array>;
  if (from === '-') {
    if (!target.isDirectory) throw new Error(`destination "${container}:${to}" must be a directory`);
    pieces = readPieces('-');
  } else {
    const source = localSource(localPath(from), ctx.flags['follow-link']);
    const plan = planCopy(source, target);
    directory = plan.directory;
    const base = splitEntry(source.path).base;
    const own = source.name || (base === '/' ? '.' : base);
    pieces = pack(source.path, renamed(own, plan.rename));
  }
  const status = await client.send('PUT', containerPath(container, 'archive'), {
    query: { path: directory, noOverwriteDirNonDir: true, copyUIDGID: ctx.flags.archive || undefined },
    stream: progress.count(pieces),
  });
  if (status !== 200) throw new Error(`unexpected status code from daemon: ${status}`);
  if (from !== '-' || !quiet) progress.done(`${container}:${target.path}`);
}

/** The source: links before its last element are followed, the last one with -L. */
function localSource(path: string, follow: boolean): CopySource {
  const missing = (error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT')
      return new Error(`lstat ${path}: no such file or directory`);
    return error;
  };
  try {
    if (follow) {
      const real = rebase(path, realpathSync(path));
      return { path: real.path, name: real.name, isDirectory: statSync(real.path).isDirectory() };
    }
    const bare = path.replace(/(.)\/+$/, '$1');
    const parent = realpathSync(endsInDot(path) ? bare : dirname(bare));
    const real = endsInDot(path) ? `${parent}/.` : posix.join(parent, posix.basename(bare));
    const stat = claimsDirectory(path) ? statSync(real) : lstatSync(real);
    if (claimsDirectory(path) && !stat.isDirectory()) throw new Error(`lstat ${path}: not a directory`);
    // "link/" is what the link leads to, under the link's name.
    const direct = path.endsWith('/') ? realpathSync(real) : real;
    return {
      path: direct,
      name: direct === real ? '' : posix.basename(bare),
      isDirectory: stat.isDirectory(),
    };
  } catch (error) {
    throw missing(error);
  }
}
