/** The same operation on several objects: all are tried, each success is named, each failure reported. */

import type { Client } from '../../api/client/client.ts';
import type { Context } from '../command.ts';

const PARALLEL = 50;

export interface EachOptions {
  /** An error that is printed but leaves the status at 0. */
  forgive?(error: Error): boolean;
}

/**
 * Runs `operate` for each name, at most 50 at a time, and writes what it returns in the order given as they
 * are done. Resolves with the status: 1 when one failed.
 */
export async function forEach(
  ctx: Context,
  names: readonly string[],
  operate: (client: Client, name: string) => Promise<string>,
  options: EachOptions = {},
): Promise<number> {
  const client = await ctx.client();
  const running: Promise<string | Error>[] = [];
  let failed = false;
  const start = (name: string) =>
    operate(client, name).catch((error: unknown) => (error instanceof Error ? error : new Error(String(error))));
  let next = 0;
  for (let index = 0; index < names.length; index++) {
    while (next < names.length && next < index + PARALLEL) running.push(start(names[next++]!));
    const result = await running[index]!;
    if (result instanceof Error) {
      if (!options.forgive?.(result)) failed = true;
      ctx.stderr.write(`${result.message}\n`);
    } else {
      ctx.stdout.write(`${result}\n`);
    }
  }
  return failed ? 1 : 0;
}

/** The API's path of a container; names may hold a slash (links). */
export function containerPath(name: string, operation?: string): string {
  const path = `/containers/${encodeURIComponent(name)}`;
  return operation === undefined ? path : `${path}/${operation}`;
}

/** The API's path of an image; a name's slashes stay. */
export function imagePath(name: string, operation?: string): string {
  const path = `/images/${name.split('/').map(encodeURIComponent).join('/')}`;
  return operation === undefined ? path : `${path}/${operation}`;
}
