/**
 * A monitor that is there and does not answer: somebody stopped it (SIGSTOP, a debugger, a frozen cgroup), or it hangs. It must keep
 * neither the daemon from starting nor its container from being removed.
 */
import fs from 'node:fs';
import path from 'node:path';
import { processStartTime, signalProcess } from '../linux/pidfd.ts';

/**
 * Waits for `answer`. After `patience` milliseconds the monitor of `dir` is continued, after as many again it is killed. False when it
 * was, or cannot be found.
 */
export async function answerOf(dir: string, answer: Promise<unknown>, patience: number): Promise<boolean> {
  for (const signal of ['SIGCONT', 'SIGKILL'] as const) {
    if (await settlesWithin(answer, patience)) return true;
    if (!signalMonitor(dir, signal)) return false;
  }
  return false;
}

async function settlesWithin(promise: Promise<unknown>, milliseconds: number): Promise<boolean> {
  const { promise: late, resolve } = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => resolve(false), milliseconds);
  const settled = () => true;
  try {
    return await Promise.race([promise.then(settled, settled), late]);
  } finally {
    clearTimeout(timer);
  }
}

/** By its `started` file, checked against what the pid is now. */
function signalMonitor(dir: string, signal: NodeJS.Signals): boolean {
  try {
    const pid = Number(fs.readFileSync(path.join(dir, 'started'), 'utf8').split(' ', 1)[0]);
    const startTime = processStartTime(pid);
    const ours = fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(`\0--dir\0${dir}\0`);
    return ours && startTime !== null && signalProcess(pid, startTime, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
}
