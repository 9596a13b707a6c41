import { declare } from './libc.ts';

const mallocTrim = declare('int malloc_trim(size_t pad)');
const mallopt = declare('int mallopt(int parameter, int value)');
const M_ARENA_MAX = -8;

/** Lets the threads share so many of malloc's arenas (mallopt(3)); to be called before there are many threads. */
export function limitMallocArenas(count: number): void {
  mallopt(M_ARENA_MAX, count);
}

/** Gives the pages that malloc holds and nobody uses back to the kernel, of all threads' arenas (malloc_trim(3)); about a millisecond. */
export function trimMalloc(): void {
  mallocTrim(0);
}
