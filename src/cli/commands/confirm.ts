import type { Context } from '../command.ts';

/** Prints the warning and asks; true for y alone, as docker's prune commands do. */
export function confirm(ctx: Pick<Context, 'stdin' | 'stdout'>, warning: string): boolean {
  ctx.stdout.write(`${warning}\nAre you sure you want to continue? [y/N] `);
  return (ctx.stdin.readLine() ?? '').trim().toLowerCase() === 'y';
}
