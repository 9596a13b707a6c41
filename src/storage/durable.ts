/** Files and directories that outlast a power cut once the call returns. */
import fs from 'node:fs';
import path from 'node:path';
import { GantryError } from '../api/errors.ts';

async function syncDirectory(directory: string): Promise<void> {
  const handle = await fs.promises.open(directory, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

/** Puts the bytes at `target` as a whole or not at all, by way of `tmp` on the same file system. Throws no_space. */
export async function writeDurably(target: string, bytes: Uint8Array | string, tmp: string): Promise<void> {
  try {
    const handle = await fs.promises.open(tmp, 'wx', 0o600);
    try {
      await handle.writeFile(bytes);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await fs.promises.rename(tmp, target);
    await syncDirectory(path.dirname(target));
  } catch (error) {
    await fs.promises.rm(tmp, { force: true });
    throw noSpace(error, `failed to write ${target}`);
  }
}

/** Turns "disk full" into the API's error; other errors come back as they are. */
export function noSpace(error: unknown, what: string): unknown {
  const code = (error as NodeJS.ErrnoException | null)?.code;
  if (code !== 'ENOSPC' && code !== 'EDQUOT') return error;
  return new GantryError('no_space', `${what}: no space left on device`, { cause: error });
}
