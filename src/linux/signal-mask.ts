import { declare } from './libc.ts';

const pthread_sigmask = declare('int pthread_sigmask(int how, const void *set, void *old)');

const SIG_UNBLOCK = 1;
/** Of glibc's sigset_t; the kernel's own is 8. */
const SET_BYTES = 128;

/** Lets a signal through to this thread. Node started with --disable-sigusr1 blocks SIGUSR1 rather than leave it to listeners. */
export function unblockSignal(signal: number): void {
  const set = Buffer.alloc(SET_BYTES);
  set.writeBigUInt64LE(1n << BigInt(signal - 1), 0);
  // Fails for a bad `how` alone.
  pthread_sigmask(SIG_UNBLOCK, set, null);
}
