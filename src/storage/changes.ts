/** What an upper directory changes against its lower directories: `docker diff`. */
import fs from 'node:fs';
import { S_IFMT } from '../linux/file.ts';
import { getXattr } from '../linux/xattr.ts';
import { toText } from '../tar/entry.ts';
import type { Change } from './contract.ts';
import { isOpaque, isWhiteout } from './overlay.ts';
import { type TreeEntry, Turns, walkTree } from './tree.ts';

const MODIFIED = 0;
const ADDED = 1;
const DELETED = 2;

/** A directory of the upper layer during the walk. */
interface Level {
  path: string;
  /** Lower directories that are merged here, top first. */
  lowers: Buffer[];
  /** Names of the lower directories that an opaque directory hides, or null. */
  hidden: Set<string> | null;
  listed: boolean;
}

/**
 * The changes, sorted by path. As Docker compares: owner, mode, device, and for all but directories size and time; a directory is
 * listed as modified when something in it is. `ignored`: paths relative to `upper` to leave out with all below them. Neither tree may be changed by strangers except below `upper`.
 */
export async function listChanges(
  upper: string,
  lowers: readonly string[],
  ignored: ReadonlySet<string> = new Set(),
): Promise<Change[]> {
  const changes: Change[] = [];
  const turns = new Turns();
  const stack: Level[] = [{ path: '', lowers: lowers.map((lower) => Buffer.from(lower)), hidden: null, listed: true }];
  const add = (path: string, kind: Change['kind']): void => {
    // Something changed in these directories, so they are changed too.
    for (const level of stack) {
      if (level.listed) continue;
      level.listed = true;
      changes.push({ path: `/${toText(level.path)}`, kind: MODIFIED });
    }
    changes.push({ path: `/${toText(path)}`, kind });
  };
  const leave = (): void => {
    const level = stack[stack.length - 1]!;
    for (const name of level.hidden ?? []) add(`${level.path}/${name}`, DELETED);
    stack.pop();
  };
  for (const entry of walkTree(upper, ({ path }) => !ignored.has(path))) {
    await turns.pause();
    while (stack.length > 1 && !entry.path.startsWith(`${stack[stack.length - 1]!.path}/`)) leave();
    const parent = stack[stack.length - 1]!;
    const below = lookUp(parent.lowers, entry.name);
    parent.hidden?.delete(entry.name);
    if (ignored.has(entry.path)) continue;
    // Under an opaque directory overlayfs shows nothing of the lower ones, but the comparison is with what the parent showed.
    if (isWhiteout(entry.stat)) {
      if (below !== null) add(entry.path, DELETED);
      continue;
    }
    let listed = true;
    if (below === null) add(entry.path, ADDED);
    else if (differs(entry, below)) add(entry.path, MODIFIED);
    else listed = false;
    if (!entry.stat.isDirectory()) continue;
    const merged = below?.stat.isDirectory() === true ? below.directories : [];
    const hidden = merged.length > 0 && isOpaque(entry.at) ? listNames(merged) : null;
    stack.push({ path: entry.path, lowers: merged, hidden, listed });
  }
  while (stack.length > 1) leave();
  return changes.sort((a, b) => (a.path < b.path ? -1 : a.path > b.path ? 1 : 0));
}

interface Below {
  stat: fs.BigIntStats;
  path: Buffer;
  /** All lower directories that are merged under this name. */
  directories: Buffer[];
}

/** What the lower directories show under a name, or null. */
export function lookUp(lowers: readonly Buffer[], name: string): Below | null {
  let found: Below | null = null;
  for (const lower of lowers) {
    const path = Buffer.concat([lower, Buffer.from(`/${name}`, 'latin1')]);
    const stat = fs.lstatSync(path, { bigint: true, throwIfNoEntry: false });
    if (stat === undefined) continue;
    if (isWhiteout(stat)) break;
    if (found === null) found = { stat, path, directories: [] };
    if (!stat.isDirectory()) break;
    found.directories.push(path);
    if (isOpaque(path)) break;
  }
  return found;
}

/** Names that a list of merged lower directories shows. */
function listNames(directories: readonly Buffer[]): Set<string> {
  const names = new Set<string>();
  const gone = new Set<string>();
  for (const directory of directories) {
    const inThis: string[] = [];
    for (const name of fs.readdirSync(directory, 'latin1' as BufferEncoding)) {
      const path = Buffer.concat([directory, Buffer.from(`/${name}`, 'latin1')]);
      const stat = fs.lstatSync(path, { bigint: true, throwIfNoEntry: false });
      if (stat === undefined) continue;
      if (isWhiteout(stat)) inThis.push(name);
      else if (!gone.has(name)) names.add(name);
    }
    for (const name of inThis) if (!names.has(name)) gone.add(name);
  }
  return names;
}

export function differs(entry: Pick<TreeEntry, 'stat' | 'at'>, below: Below): boolean {
  const a = entry.stat;
  const b = below.stat;
  if (a.mode !== b.mode || a.uid !== b.uid || a.gid !== b.gid || a.rdev !== b.rdev) return true;
  if (a.isDirectory()) return false;
  if (a.size !== b.size || a.mtimeNs !== b.mtimeNs) return true;
  if ((Number(a.mode) & S_IFMT) !== 0o100000) return false;
  const mine = getXattr(entry.at, 'security.capability');
  const theirs = getXattr(below.path, 'security.capability');
  return mine === null || theirs === null ? mine !== theirs : !mine.equals(theirs);
}
