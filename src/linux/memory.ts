import { declare } from './libc.ts';

const mallocTrim = declare('int malloc_trim(size_t pad)');

/** Gives the pages that malloc holds and nobody uses back to the kernel, of all threads' arenas (malloc_trim(3)); about a millisecond. */
export function trimMalloc(): void {
  mallocTrim(0);
}
