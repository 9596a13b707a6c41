import fs from 'node:fs';
import os from 'node:os';
import { check, declare, SystemCallError } from './libc.ts';

/** Numbers are the same on x86-64 and arm64; wrappers for them are in no libc older than glibc 2.36. */
const SYS_PIDFD_SEND_SIGNAL = 424;
const SYS_PIDFD_OPEN = 434;
const syscall = declare('long syscall(long number, long a, long b, void *c, long d)');

/**
 * Start time of a process in clock ticks since boot (field 22 of /proc/PID/stat), which with its pid names it for good; null
 * when there is no such process.
 */
export function processStartTime(pid: number): string | null {
  try {
    const stat = fs.readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The command name before it is in parentheses and may hold any character.
    return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? null;
  } catch {
    return null;
  }
}

/**
 * Sends a signal to the process that had this pid and start time; false when it is gone. The descriptor pins the process
 * before the start time is compared, so that a reused pid is never hit.
 */
export function signalProcess(pid: number, startTime: string, signal: NodeJS.Signals | number): boolean {
  const number = typeof signal === 'number' ? signal : os.constants.signals[signal];
  try {
    const fd = check(syscall(SYS_PIDFD_OPEN, pid, 0, null, 0), 'pidfd_open', String(pid));
    try {
      if (processStartTime(pid) !== startTime) return false;
      check(syscall(SYS_PIDFD_SEND_SIGNAL, fd, number, null, 0), 'pidfd_send_signal', String(pid));
      return true;
    } finally {
      fs.closeSync(fd);
    }
  } catch (error) {
    if (error instanceof SystemCallError && error.code === 'ESRCH') return false;
    throw error;
  }
}
