import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import { chmod, chown, mkdir, readdir, rename, rm, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { GantryError } from '../../api/errors.ts';
import { getXattr, listXattrs, setXattr } from '../../linux/xattr.ts';
import { untarInto } from '../../storage/archive/untar-into.ts';
import { decompressed } from '../../storage/decompress.ts';
import { sealedTree, unsealed } from '../../storage/sealed-tar.ts';

/** Holds what is being restored, in the volume itself: from there it gets to its place by renaming. */
const STAGING = '.gantry-restore-';

/** The content of a directory, which may be in use, as restoreInto() takes it. */
export function archiveOf(directory: string): AsyncGenerator<Buffer> {
  return sealedTree(directory, (path) => path.startsWith(STAGING));
}

/**
 * Fills a directory with what archiveOf() gave, plain or compressed. Nothing is touched before the whole archive is unpacked beside and
 * its checksum found right. Throws conflict when there is something in the directory, unless it shall be replaced, and
 * invalid_parameter for a damaged archive.
 */
export async function restoreInto(
  directory: string,
  archive: Readable,
  options: { name: string; replace: boolean },
): Promise<void> {
  const present = await readdir(directory);
  const leftovers = present.filter((entry) => entry.startsWith(STAGING));
  const old = present.filter((entry) => !entry.startsWith(STAGING));
  if (old.length > 0 && !options.replace) {
    archive.destroy();
    throw new GantryError('conflict', `restore ${options.name}: volume is not empty`, {
      hint: 'use --force to replace what is in it',
    });
  }
  for (const entry of leftovers) await rm(join(directory, entry), { recursive: true, force: true });
  const staging = join(directory, `${STAGING}${randomBytes(4).toString('hex')}`);
  await mkdir(staging, { mode: 0o700 });
  try {
    const checked = Readable.from(unsealed(decompressed(archive)), { objectMode: false });
    await untarInto({ directory: staging, container: options.name }, '/', checked, { ownDirectory: true });
    const restored = fs.statSync(staging);
    for (const entry of old) await rm(join(directory, entry), { recursive: true, force: true });
    for (const entry of await readdir(staging)) await rename(join(staging, entry), join(directory, entry));
    const attributes = listXattrs(staging).map((name) => [name, getXattr(staging, name)] as const);
    for (const [name, value] of attributes) if (value !== null) setXattr(directory, name, value);
    await rm(staging, { recursive: true });
    await chown(directory, restored.uid, restored.gid);
    await chmod(directory, restored.mode & 0o7777);
    await utimes(directory, restored.atime, restored.mtime);
  } catch (error) {
    await rm(staging, { recursive: true, force: true });
    throw error;
  }
}
