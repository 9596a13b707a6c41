/**
 * The path rules of cp (docs.docker.com/reference/cli/docker/container/cp): what a trailing "/" or "/." means, where an archive is
 * unpacked, and which name its first element gets.
 */

import { posix } from 'node:path';

/** CONTAINER:PATH, or a local path. A local name with a colon needs "./" or "/" before it. */
export function splitCopyArgument(text: string): { container: string; path: string } {
  if (text.startsWith('/')) return { container: '', path: text };
  const colon = text.indexOf(':');
  if (colon < 0 || text.startsWith('.')) return { container: '', path: text };
  return { container: text.slice(0, colon), path: text.slice(colon + 1) };
}

export function endsInDot(path: string): boolean {
  return posix.basename(path) === '.' || path === '';
}

/** The path claims to be a directory: it ends in "/" or "/.". */
export function claimsDirectory(path: string): boolean {
  return path.endsWith('/') || endsInDot(path);
}

/** A cleaned path with the original's trailing "/" or "/." put back. */
export function keepTrailing(cleaned: string, original: string): string {
  let path = cleaned;
  if (!endsInDot(path) && endsInDot(original)) path += path.endsWith('/') ? '.' : '/.';
  if (!path.endsWith('/') && original.endsWith('/')) path += '/';
  return path;
}

/** Directory and last element, which is "." when the path says so. */
export function splitEntry(path: string): { directory: string; base: string } {
  const cleaned = posix.normalize(path === '' ? '.' : path).replace(/(.)\/+$/, '$1');
  if (endsInDot(path)) return { directory: cleaned, base: '.' };
  return { directory: posix.dirname(cleaned), base: posix.basename(cleaned) || '/' };
}

/** A link was followed: the target with the link's trailing "/" or "/.", and the name that the copy keeps. */
export function rebase(link: string, target: string): { path: string; name: string } {
  let path = target;
  let name = '';
  if (endsInDot(link) && !endsInDot(path)) path += '/.';
  if (link.endsWith('/') && !path.endsWith('/')) path += '/';
  if (posix.basename(link) !== posix.basename(path)) name = posix.basename(link);
  return { path, name };
}

export interface CopySource {
  path: string;
  isDirectory: boolean;
  /** The name it has in the archive when that is not its own. */
  name: string;
}

export interface CopyTarget {
  path: string;
  exists: boolean;
  isDirectory: boolean;
}

export interface CopyPlan {
  /** Where the archive is unpacked. */
  directory: string;
  /** The archive's first element and what it is renamed to; undefined leaves it. */
  rename: { from: string; to: string } | undefined;
}

/** Throws for a directory onto a file, and for a file into a directory that is not there. */
export function planCopy(source: CopySource, target: CopyTarget): CopyPlan {
  if (target.exists && target.isDirectory) return { directory: target.path, rename: undefined };
  if (target.exists && source.isDirectory) throw new Error('cannot copy directory');
  if (!target.exists && !source.isDirectory && claimsDirectory(target.path)) throw new Error('no such directory');
  const { directory, base } = splitEntry(target.path);
  const from = source.name || splitEntry(source.path).base;
  return { directory, rename: { from: from === '/' ? '' : from, to: base } };
}

/** An archive name with its first element renamed. */
export function renamed(name: string, rename: CopyPlan['rename']): string {
  if (!rename) return name;
  const { from, to } = rename;
  if (name === from) return to;
  if (from === '') return posix.join(to, name);
  return name.startsWith(`${from}/`) ? to + name.slice(from.length) : name;
}
