/**
 * Contexts as archives, in the form that docker's clients exchange: meta.json, and tls/<endpoint>/<file> for the TLS files
 * (docs.docker.com/reference/cli/docker/context/export).
 */

import { closeSync, existsSync, mkdirSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { posix } from 'node:path';
import { fromText, newEntry, toText } from '../../tar/entry.ts';
import { TarReader } from '../../tar/reader.ts';
import { END_OF_ARCHIVE, encodeEntry, encodeFile, paddingFor } from '../../tar/writer.ts';
import { between, type Context, defineCommand, exactly, StatusError } from '../command.ts';
import { type ContextMeta, contextDirectories } from '../context-store.ts';
import { writeFully } from '../io.ts';
import { contextExists, readAnyContext } from './context.ts';
import { checkName, writeContext } from './context-edit.ts';
import { readPieces } from './output-file.ts';

/** Far above what certificates take; bounds what a foreign archive can put in memory. */
const MAX_ARCHIVE = 10 << 20;

function directoryMember(name: string): Buffer {
  return encodeEntry({ ...newEntry(fromText(name), 'directory'), mode: 0o700 });
}

function fileMember(name: string, mode: number, content: Buffer): Buffer {
  return encodeFile({ ...newEntry(fromText(name), 'file'), mode }, content);
}

/** The archive of a context. Throws when there is no such context. */
function archive(ctx: Context, name: string): Buffer {
  const parts = [
    fileMember('meta.json', 0o644, Buffer.from(JSON.stringify(readAnyContext(ctx, name)))),
    directoryMember('tls'),
  ];
  const { tls } = contextDirectories(ctx.configDir, name);
  for (const endpoint of existsSync(tls) ? readdirSync(tls).sort() : []) {
    parts.push(directoryMember(`tls/${endpoint}`));
    for (const base of readdirSync(`${tls}/${endpoint}`).sort()) {
      parts.push(fileMember(`tls/${endpoint}/${base}`, 0o600, readFileSync(`${tls}/${endpoint}/${base}`)));
    }
  }
  return Buffer.concat([...parts, END_OF_ARCHIVE]);
}

export const exportContext = defineCommand({
  use: '[OPTIONS] CONTEXT [FILE|-]',
  summary: 'Export a context to a tar archive FILE or a tar stream on STDOUT.',
  args: between(1, 2),
  complete: { kind: 'context' },
  flags: {},
  async run(ctx) {
    const [name, file = `${name}.dockercontext`] = ctx.args as [string, string?];
    const bytes = archive(ctx, name);
    if (file === '-') {
      if (ctx.stdout.isTTY)
        throw new Error('cowardly refusing to export to a terminal, specify a file path or redirect the output');
      ctx.stdout.write(bytes);
      return;
    }
    let fd: number;
    try {
      // Private keys may be in it, and what stands there may be the only copy of another.
      fd = openSync(file, 'wx', 0o600);
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code;
      const why = code === 'EEXIST' ? 'file exists' : code === 'ENOENT' ? 'no such file or directory' : String(code);
      throw new Error(`open ${file}: ${why}`, { cause: error });
    }
    writeFully(fd, bytes);
    closeSync(fd);
    ctx.stderr.write(`Written file ${JSON.stringify(file)}\n`);
  },
});

/** Throws for names that could lead out of the context's directories. */
function checkMember(name: string): void {
  const refuse = (why: string) => new Error(`${name}: ${why}`);
  if (name !== 'meta.json' && !name.startsWith('tls/')) throw refuse('unexpected context file');
  if (posix.normalize(name) !== name) throw refuse('unexpected path format');
  if (name.includes('\\')) throw refuse("unexpected '\\' in path");
  if (name !== 'meta.json' && name.split('/').length !== 3) throw new Error('archive format is invalid');
}

/** The regular files of an archive by name; only names that a context's archive may hold. */
async function readArchive(pieces: AsyncIterable<Uint8Array>): Promise<Map<string, Buffer>> {
  const files = new Map<string, Buffer>();
  let name = '';
  let chunks: Buffer[] = [];
  let total = 0;
  let ended = false;
  const reader = new TarReader({
    entry(entry) {
      if (entry.type !== 'file') return;
      name = toText(entry.name);
      checkMember(name);
      if (entry.sparse !== null) throw new Error(`${name}: sparse files have no place in a context`);
      chunks = [];
    },
    data(bytes) {
      if (ended) throw new Error('unexpected EOF');
      chunks.push(Buffer.from(bytes));
    },
    endOfFile: () => files.set(name, Buffer.concat(chunks)),
  });
  for await (const piece of pieces) {
    if (total === 0 && Buffer.from(piece).subarray(0, 4).toString('latin1') === 'PK\x03\x04')
      throw new Error('zip archives of contexts are not supported yet; a tar archive is');
    total += piece.length;
    if (total > MAX_ARCHIVE) throw new Error('read exceeds the defined limit');
    reader.write(Buffer.from(piece));
  }
  // docker's own export stops right after the last file's content: no padding, no end mark.
  ended = true;
  reader.write(paddingFor(total));
  reader.end();
  return files;
}

export const importContext = defineCommand({
  use: 'CONTEXT FILE|-',
  summary: 'Import a context from a tar file',
  args: exactly(2),
  complete: { kind: 'file', repeat: true },
  flags: {},
  async run(ctx) {
    const [name, file] = ctx.args as [string, string];
    checkName(name);
    if (contextExists(ctx, name)) throw new StatusError(1, `context "${name}" already exists`);
    // All of it is read and checked before anything is written.
    const files = await readArchive(readPieces(file));
    const text = files.get('meta.json');
    if (!text) throw new Error('invalid context: no metadata found');
    const meta = JSON.parse(text.toString()) as ContextMeta;
    const { tls } = contextDirectories(ctx.configDir, name);
    rmSync(tls, { recursive: true, force: true });
    for (const [path, content] of files) {
      const [, endpoint, base] = path.split('/');
      if (endpoint === undefined || base === undefined) continue;
      mkdirSync(`${tls}/${endpoint}`, { recursive: true, mode: 0o700 });
      writeFileSync(`${tls}/${endpoint}/${base}`, content, { mode: 0o600 });
    }
    writeContext(ctx.configDir, {
      ...meta,
      Name: name,
      Metadata: meta.Metadata ?? {},
      Endpoints: meta.Endpoints ?? {},
    });
    ctx.stdout.write(`${name}\n`);
    ctx.stderr.write(`Successfully imported context "${name}"\n`);
  },
});
