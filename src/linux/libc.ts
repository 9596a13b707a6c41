import { createRequire } from 'node:module';
import os from 'node:os';

/**
 * The one place that loads the FFI library, so that another (node:ffi, once it is stable) can take its place. koffi is
 * prebuilt for glibc and musl on x86-64 and arm64 and costs 0.2 us a call; it is loaded through require because it is a
 * native addon that stays outside the bundle.
 */
const koffi = createRequire(import.meta.url)('koffi') as typeof import('koffi');
const library = koffi.load('libc.so.6');

const ERRNO_NAMES = new Map(Object.entries(os.constants.errno).map(([name, value]) => [value, name]));

/** A failed system call: `code` is the errno name, as in Node's own errors. */
export class SystemCallError extends Error {
  readonly code: string;
  readonly errno: number;
  readonly syscall: string;
  constructor(errno: number, syscall: string, detail: string) {
    const code = ERRNO_NAMES.get(errno) ?? `errno ${errno}`;
    super(`${syscall}${detail === '' ? '' : ` ${detail}`}: ${code}`);
    this.name = 'SystemCallError';
    this.code = code;
    this.errno = errno;
    this.syscall = syscall;
  }
}

/** Declares a libc function by its C prototype, e.g. declare('int umount2(const char *target, int flags)'). */
export function declare(prototype: string): (...args: unknown[]) => number {
  return library.func(prototype) as unknown as (...args: unknown[]) => number;
}

/**
 * The same for a call that may wait for a disk or a server: it runs on a thread beside, so that the daemon goes on. The promise fails
 * with SystemCallError for -1; koffi hands errno over with the result.
 */
export function declareBlocking(
  prototype: string,
  syscall: string,
): (detail: string, ...args: unknown[]) => Promise<number> {
  const call = library.func(prototype);
  return (detail, ...args) =>
    new Promise((resolve, reject) => {
      call.async(...args, (error: unknown, result: number) => {
        if (error !== null) reject(error);
        else if (Number(result) === -1) reject(new SystemCallError(koffi.errno(), syscall, detail));
        else resolve(Number(result));
      });
    });
}

/** Where a buffer lies, for structures that point to it. The buffer must be kept until the call that uses it is done. */
export function addressOf(buffer: Buffer): bigint {
  return BigInt(koffi.address(buffer));
}

/** errno of the last failed call on this thread. Read it before anything else runs. */
export function errno(): number {
  return koffi.errno();
}

/** Passes a result through, or throws SystemCallError for -1. */
export function check(result: number, syscall: string, detail = ''): number {
  if (Number(result) === -1) throw new SystemCallError(koffi.errno(), syscall, detail);
  return Number(result);
}
