/** What overlayfs keeps in a directory tree, and the options of a mount (kernel Documentation/filesystems/overlayfs.rst). */
import fs from 'node:fs';
import path from 'node:path';
import { GantryError } from '../api/errors.ts';
import { type PathBytes, S_IFCHR, S_IFMT } from '../linux/file.ts';
import { MS_BIND, MS_RDONLY, MS_REMOUNT, mount } from '../linux/mount.ts';
import { getXattr } from '../linux/xattr.ts';

/** mount(2) copies one page of options, with its NUL. */
const OPTIONS_LIMIT = 4095;

/** Name of an empty directory in the root: overlayfs needs a lower directory, and two of them where there is no upper one. */
export const EMPTY = 'empty';

/** A 0/0 character device hides the name in the layers below. */
export function isWhiteout(stat: fs.BigIntStats): boolean {
  return (Number(stat.mode) & S_IFMT) === S_IFCHR && stat.rdev === 0n;
}

/** Whether a directory hides everything of the same name below. */
export function isOpaque(directory: PathBytes): boolean {
  return getXattr(directory, 'trusted.overlay.opaque')?.toString() === 'y';
}

/**
 * Options that make the layers independent of kernel defaults: with an index or metacopy an upper directory is of use with its
 * own lower directories only, and could not be committed; redirects would let a layer reach into other directories.
 */
export function fixedOptions(): string[] {
  const options: string[] = [];
  const has = (parameter: string): boolean => fs.existsSync(`/sys/module/overlay/parameters/${parameter}`);
  if (has('index')) options.push('index=off');
  if (has('metacopy')) options.push('metacopy=off');
  if (has('redirect_dir')) options.push('redirect_dir=nofollow');
  return options;
}

/**
 * Mounts `<directory>/merged` of `<directory>/diff` over the lower directories, given relative to `root`, top first. Synchronous:
 * 0.2 ms. Throws SystemCallError.
 */
export function mountOverlay(
  root: string,
  directory: string,
  lowers: readonly string[],
  fixed: readonly string[],
): void {
  const options = (base: string): string =>
    [
      lowerOption(base, lowers),
      `upperdir=${path.join(base, directory, 'diff')}`,
      `workdir=${path.join(base, directory, 'work')}`,
      ...fixed,
    ].join(',');
  mountWithOptions(root, path.join(root, directory, 'merged'), 0, options);
}

/** Mounts lower directories, given relative to `root`, top first, at an absolute path, for reading alone. Throws SystemCallError. */
export function mountReadOnly(root: string, target: string, lowers: readonly string[], fixed: readonly string[]): void {
  if (lowers.length === 0) {
    mount(path.join(root, EMPTY), target, null, MS_BIND);
    mount('', target, null, MS_BIND | MS_REMOUNT | MS_RDONLY);
    return;
  }
  mountWithOptions(root, target, MS_RDONLY, (base) => [lowerOption(base, [...lowers, EMPTY]), ...fixed].join(','));
}

function lowerOption(base: string, lowers: readonly string[]): string {
  return `lowerdir=${lowers.map((lower) => (base === '' ? lower : `${base}/${lower}`)).join(':')}`;
}

function mountWithOptions(root: string, target: string, flags: number, options: (base: string) => string): void {
  const absolute = options(root);
  if (absolute.length <= OPTIONS_LIMIT) {
    mount('overlay', target, 'overlay', flags, absolute);
    return;
  }
  const relative = options('');
  if (relative.length > OPTIONS_LIMIT) throw new GantryError('system', `cannot mount ${target}: too many layers`);
  // Relative names need the working directory, which belongs to the whole process. Nothing else runs between these lines on
  // this thread, and no other thread of the daemon uses relative paths.
  const before = process.cwd();
  process.chdir(root);
  try {
    mount('overlay', target, 'overlay', flags, relative);
  } finally {
    process.chdir(before);
  }
}

/** Paths in mount options are separated by ":" and ",", and a backslash escapes: a root with these would be misread. */
export function checkRootPath(root: string): void {
  if (!path.isAbsolute(root) || /[:,\\"\n]/.test(root)) {
    throw new GantryError(
      'invalid_parameter',
      `invalid data root ${JSON.stringify(root)}: it must be absolute, without ":", "," or "\\"`,
    );
  }
}
