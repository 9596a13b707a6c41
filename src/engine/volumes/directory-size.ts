import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';

/** Bytes of the files below a directory; hard links count once. What cannot be read counts nothing. */
export async function directorySize(path: string): Promise<number> {
  const seen = new Set<string>();
  let total = 0;
  const walk = async (directory: string): Promise<void> => {
    for (const entry of await readdir(directory, { withFileTypes: true }).catch(() => [])) {
      const child = join(directory, entry.name);
      if (entry.isDirectory()) {
        await walk(child);
        continue;
      }
      const stats = await lstat(child).catch(() => null);
      if (stats === null) continue;
      const key = `${stats.dev}:${stats.ino}`;
      if (stats.nlink > 1 && seen.has(key)) continue;
      seen.add(key);
      total += stats.size;
    }
  };
  await walk(path);
  return total;
}
