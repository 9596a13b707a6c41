/** Mount points that an OCI runtime makes in a container's root where the image has none. */
import fs from 'node:fs';
import { differs, lookUp } from './changes.ts';

/** Children before their parents. */
const FILES = ['etc/hostname', 'etc/hosts', 'etc/resolv.conf', 'dev/console'];
const DIRECTORIES = ['dev/mqueue', 'dev/pts', 'dev/shm', 'dev', 'proc', 'sys', 'etc'];

/**
 * Paths in an upper directory, relative to it, that are there only because something was mounted on them: empty, and not the
 * container's doing. Neither `docker diff` nor `docker commit` shows them; dockerd keeps them in a layer of their own, which every
 * start would have to mount.
 */
export function runtimePlaces(upper: string, lowers: readonly string[]): ReadonlySet<string> {
  const places = new Set<string>();
  for (const path of FILES) {
    const stat = lstat(`${upper}/${path}`);
    if (stat?.isFile() === true && stat.size === 0n && below(lowers, path) === null) places.add(path);
  }
  for (const path of DIRECTORIES) {
    const at = Buffer.from(`${upper}/${path}`);
    const stat = lstat(`${upper}/${path}`);
    if (stat?.isDirectory() !== true) continue;
    if (!fs.readdirSync(at, 'latin1' as BufferEncoding).every((name) => places.has(`${path}/${name}`))) continue;
    const original = below(lowers, path);
    if (original === null || !differs({ stat, at }, original)) places.add(path);
  }
  return places;
}

function lstat(path: string): fs.BigIntStats | undefined {
  return fs.lstatSync(path, { bigint: true, throwIfNoEntry: false });
}

/** What the lower directories show at a path, or null. */
function below(lowers: readonly string[], path: string): ReturnType<typeof lookUp> {
  let directories: Buffer[] = lowers.map((lower) => Buffer.from(lower));
  const names = path.split('/');
  const last = names.pop()!;
  for (const name of names) directories = lookUp(directories, name)?.directories ?? [];
  return lookUp(directories, last);
}
