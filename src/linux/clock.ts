import { check, declare } from './libc.ts';

const clockGetTime = declare('int clock_gettime(int clock, void *time)');
const CLOCK_REALTIME = 0;

/**
 * Nanoseconds since the epoch. Date.now() has whole milliseconds: a time taken with it lies before things that happened earlier
 * in the same millisecond.
 */
export function wallClock(): bigint {
  // struct timespec of 64-bit Linux: seconds and nanoseconds, eight bytes each.
  const time = Buffer.allocUnsafe(16);
  check(clockGetTime(CLOCK_REALTIME, time), 'clock_gettime');
  return time.readBigInt64LE(0) * 1_000_000_000n + time.readBigInt64LE(8);
}
