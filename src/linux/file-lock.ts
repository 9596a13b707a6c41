import { check, declare } from './libc.ts';

const LOCK_EX = 2;
const LOCK_NB = 4;

const flock = declare('int flock(int fd, int operation)');

/**
 * Takes an exclusive flock(2) on an open file without waiting. The kernel gives it back when the descriptor is closed, so also
 * when the process dies. Throws SystemCallError EAGAIN (also named EWOULDBLOCK) when another process has it.
 */
export function lockFile(fd: number): void {
  check(flock(fd, LOCK_EX | LOCK_NB), 'flock');
}
