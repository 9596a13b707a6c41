import fs from 'node:fs';
import path from 'node:path';
import { Readable } from 'node:stream';
import { HardLinks } from '../../tar/stat.ts';
import { END_OF_ARCHIVE } from '../../tar/writer.ts';
import { entryOf, memberOf, membersOf, TarOutput } from '../tree-tar.ts';
import { absolutePath, type ContainerFiles, ContainerRoot, inDirectory } from './root.ts';
import { type PathStat, statPath } from './stat.ts';

/**
 * The path as a tar, as `GET /containers/{id}/archive` answers: names start with the base name of the path, or with "." when it ends in
 * "/.", or with "/" for the root. A symlink is archived itself unless a slash follows it. Errors of the path itself (not_found,
 * invalid_parameter) are thrown at once; the stream keeps what it needs open until it ends or is destroyed.
 */
export function tarPath(files: ContainerFiles, target: string): { stat: PathStat; tar: Readable } {
  const stat = statPath(files, target);
  const root = new ContainerRoot(files);
  try {
    const clean = absolutePath(target);
    const base = clean === '/' ? '' : path.posix.basename(clean);
    const directory = root.lstat(clean).isDirectory();
    const fd = root.openDirectory(directory ? clean : path.posix.dirname(clean));
    return { stat, tar: Readable.from(members(fd, directory, base), { objectMode: false }) };
  } catch (error) {
    throw root.explain(error, target);
  } finally {
    root.close();
  }
}

async function* members(fd: number, directory: boolean, base: string): AsyncGenerator<Buffer> {
  const output = new TarOutput();
  const links = new HardLinks();
  try {
    const at = inDirectory(fd, directory ? '.' : base);
    const entry = entryOf(directory && base === '' ? '/' : base, fs.lstatSync(at, { bigint: true }), at);
    if (entry !== null) yield* memberOf(output, entry, at);
    if (directory) yield* membersOf(output, fd, { rename: (inner) => `${base}/${inner}` }, links);
    output.add(END_OF_ARCHIVE);
    yield output.take();
  } finally {
    fs.closeSync(fd);
  }
}
