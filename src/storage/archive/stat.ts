import path from 'node:path';
import { S_IFBLK, S_IFCHR, S_IFDIR, S_IFIFO, S_IFLNK, S_IFMT, S_IFSOCK } from '../../linux/file.ts';
import { toText } from '../../tar/entry.ts';
import { absolutePath, type ContainerFiles, ContainerRoot } from './root.ts';

/** What X-Docker-Container-Path-Stat holds (Engine API, ContainerArchiveInfo). */
export interface PathStat {
  name: string;
  size: number;
  /** Bits of Go's os.FileMode. */
  mode: number;
  /** RFC 3339 with nanoseconds, in UTC. */
  mtime: string;
  /** Where a symlink leads in the container, all links resolved; else "". */
  linkTarget: string;
}

/** Go's os.FileMode (https://pkg.go.dev/io/fs#FileMode) of a st_mode. */
function goFileMode(mode: number): number {
  let bits = mode & 0o777;
  const add = (bit: number): void => {
    bits += 2 ** bit;
  };
  switch (mode & S_IFMT) {
    case S_IFDIR:
      add(31);
      break;
    case S_IFLNK:
      add(27);
      break;
    case S_IFBLK:
      add(26);
      break;
    case S_IFCHR:
      add(26);
      add(21);
      break;
    case S_IFIFO:
      add(25);
      break;
    case S_IFSOCK:
      add(24);
      break;
  }
  if ((mode & 0o4000) !== 0) add(23);
  if ((mode & 0o2000) !== 0) add(22);
  if ((mode & 0o1000) !== 0) add(20);
  return bits;
}

/** Throws not_found, or invalid_parameter for a path through what is no directory. */
export function statPath(files: ContainerFiles, target: string): PathStat {
  const root = new ContainerRoot(files);
  try {
    const clean = absolutePath(target);
    const stat = root.lstat(clean);
    return {
      name: toText(path.posix.basename(clean) || '/'),
      size: Number(stat.size),
      mode: goFileMode(Number(stat.mode)),
      mtime: formatTime(stat.mtimeNs),
      linkTarget: stat.isSymbolicLink() ? toText(root.resolve(clean)) : '',
    };
  } catch (error) {
    throw root.explain(error, target);
  } finally {
    root.close();
  }
}

/** Nanoseconds since the epoch as Go's RFC3339Nano: no trailing zeros in the fraction. */
function formatTime(ns: bigint): string {
  const fraction = ((ns % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n;
  const seconds = (ns - fraction) / 1_000_000_000n;
  const date = new Date(Number(seconds) * 1000);
  if (Number.isNaN(date.getTime())) return '0001-01-01T00:00:00Z';
  const digits = String(fraction).padStart(9, '0').replace(/0+$/, '');
  return `${date.toISOString().slice(0, 19)}${digits === '' ? '' : `.${digits}`}Z`;
}
