/**
 * Walks a directory tree that a running container may change meanwhile. Every directory is opened through the descriptor of its
 * parent without following a symlink, so a directory that is exchanged for a symlink cannot lead out of the tree.
 */
import fs from 'node:fs';
import { openat2, RESOLVE_BENEATH, RESOLVE_NO_SYMLINKS } from '../linux/file.ts';

export interface TreeEntry {
  /** Byte string relative to the root, no leading slash. */
  path: string;
  name: string;
  stat: fs.BigIntStats;
  /** Path through the parent's descriptor, valid until the walk goes on: only its last component is in the tree. */
  at: Buffer;
}

/** Levels of directories; each holds a descriptor. No path that can be named by a program is deeper. */
const MAX_DEPTH = 2048;

/**
 * The entries below `root` (itself not among them), a directory before what is in it, names in byte order. What vanishes during the
 * walk is left out. `descend` may keep it out of a directory.
 */
export function* walkTree(root: string | number, descend?: (entry: TreeEntry) => boolean): Generator<TreeEntry> {
  const flags = fs.constants.O_RDONLY | fs.constants.O_DIRECTORY | fs.constants.O_NOFOLLOW;
  const top = fs.openSync(
    typeof root === 'number' ? `/proc/self/fd/${root}/.` : root,
    fs.constants.O_RDONLY | fs.constants.O_DIRECTORY,
  );
  const stack: { fd: number; path: string; names: string[] }[] = [{ fd: top, path: '', names: readNames(top) }];
  try {
    while (stack.length > 0) {
      const directory = stack[stack.length - 1]!;
      const name = directory.names.pop();
      if (name === undefined) {
        fs.closeSync(directory.fd);
        stack.pop();
        continue;
      }
      const at = Buffer.from(`/proc/self/fd/${directory.fd}/${name}`, 'latin1');
      const stat = fs.lstatSync(at, { bigint: true, throwIfNoEntry: false });
      if (stat === undefined) continue;
      const entry: TreeEntry = { path: directory.path === '' ? name : `${directory.path}/${name}`, name, stat, at };
      yield entry;
      if (!stat.isDirectory() || descend?.(entry) === false) continue;
      if (stack.length >= MAX_DEPTH) throw new Error(`directories are nested too deep: ${entry.path.slice(0, 200)}...`);
      let fd: number;
      try {
        fd = openat2(directory.fd, Buffer.from(name, 'latin1'), flags, 0, RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS);
      } catch (error) {
        const code = (error as NodeJS.ErrnoException).code;
        if (code === 'ENOENT' || code === 'ENOTDIR' || code === 'ELOOP') continue;
        throw error;
      }
      stack.push({ fd, path: entry.path, names: readNames(fd) });
    }
  } finally {
    for (const { fd } of stack) fs.closeSync(fd);
  }
}

/** Names in reverse order, so that the next one is at the end. */
function readNames(fd: number): string[] {
  const names = fs.readdirSync(`/proc/self/fd/${fd}`, 'latin1' as BufferEncoding);
  return names.sort((a, b) => (a < b ? 1 : -1));
}

/** Turns in which a long synchronous walk lets the daemon do something else. */
export class Turns {
  #last = performance.now();

  /** Waits a turn when the last one is more than 5 ms ago. */
  async pause(): Promise<void> {
    if (performance.now() - this.#last < 5) return;
    await new Promise((resolve) => setImmediate(resolve));
    this.#last = performance.now();
  }
}
