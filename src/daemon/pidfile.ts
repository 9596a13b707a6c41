import { closeSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { errnoOf } from '../api/errors.ts';
import { lockFile } from '../linux/file-lock.ts';

/** Writes the pid file; the function returned removes it, when it is still ours. Throws Error when the process named in it lives. */
export function takePidFile(path: string): () => void {
  const other = readPid(path);
  if (other !== null && other !== process.pid && lives(other)) {
    throw new Error(`ensure gantryd is not running or delete ${path}: process with PID ${other} is still running`);
  }
  mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
  writeFileSync(path, String(process.pid), { mode: 0o644 });
  return () => {
    if (readPid(path) === process.pid) rmSync(path, { force: true });
  };
}

/**
 * Makes sure that this daemon is the only one on its data root: two would tear each other's state. The kernel releases the lock
 * with the process, so nothing has to be cleaned up after a crash. Throws Error when another daemon has it.
 */
export function lockDataRoot(dataRoot: string): () => void {
  const path = join(dataRoot, 'gantryd.lock');
  const fd = openSync(path, 'a', 0o600);
  try {
    lockFile(fd);
  } catch (cause) {
    closeSync(fd);
    // One number, two names.
    if (!['EAGAIN', 'EWOULDBLOCK'].includes(errnoOf(cause) ?? '')) throw cause;
    throw new Error(`the data root ${dataRoot} is in use by another gantryd`, { cause });
  }
  return () => closeSync(fd);
}

/** One that has ended and whose parent has not asked for its status yet (a zombie) does not. */
function lives(pid: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // proc(5): the state comes behind the name, which may hold any character.
    return !/^[ZX]/.test(stat.slice(stat.lastIndexOf(')') + 2));
  } catch {
    return false;
  }
}

function readPid(path: string): number | null {
  try {
    const pid = Number.parseInt(readFileSync(path, 'utf8'), 10);
    return Number.isInteger(pid) && pid > 0 ? pid : null;
  } catch {
    return null;
  }
}
