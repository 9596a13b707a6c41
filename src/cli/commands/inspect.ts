import { ApiError } from '../../api/client/errors.ts';
import type { Context } from '../command.ts';
import { atLeast, bool, defineCommand, StatusError, string } from '../command.ts';
import { formatInspected } from '../format/inspect.ts';
import { objectFormatFlag } from './format-flag.ts';

const PATHS = {
  container: (name: string) => `/containers/${encodeURIComponent(name)}/json`,
  image: (name: string) => `/images/${encodeURIComponent(name)}/json`,
  network: (name: string) => `/networks/${encodeURIComponent(name)}`,
  volume: (name: string) => `/volumes/${encodeURIComponent(name)}`,
};
export type InspectedType = keyof typeof PATHS;
const TYPES = Object.keys(PATHS) as InspectedType[];

/** The first of `types` that knows the name; what the engine says when none does. */
async function find(
  ctx: Context,
  types: readonly InspectedType[],
  name: string,
  query: Record<string, string | boolean | undefined>,
): Promise<unknown> {
  const client = await ctx.client();
  for (const type of types) {
    try {
      return await client.json<unknown>('GET', PATHS[type](name), { query });
    } catch (error) {
      const absent = error instanceof ApiError && (error.status === 404 || error.status === 501);
      if (!absent || types.length === 1) throw error;
    }
  }
  throw new Error(`No such object: ${name}`);
}

/** Inspects each name; prints what was found even when others were not, then fails with all messages. */
export async function inspectAll(
  ctx: Context,
  types: readonly InspectedType[],
  format: string,
  query: Record<string, string | boolean | undefined> = {},
): Promise<undefined> {
  const found: unknown[] = [];
  const failures: string[] = [];
  for (const name of ctx.args) {
    try {
      found.push(await find(ctx, types, name, query));
    } catch (error) {
      if (!(error instanceof ApiError) && !(error as Error).message.startsWith('No such object')) throw error;
      failures.push(error instanceof ApiError ? error.message : `Error: ${(error as Error).message}`);
    }
  }
  if (format === '' || found.length > 0) ctx.stdout.write(formatInspected(found, format));
  if (failures.length > 0) throw new StatusError(1, failures.join('\n'));
}

export const command = defineCommand({
  use: '[OPTIONS] NAME|ID [NAME|ID...]',
  summary: 'Return low-level information on Gantry objects',
  long: 'Return low-level information on containers, images, networks and volumes',
  args: atLeast(1),
  complete: { kind: 'container', repeat: true },
  completeFlags: { type: { kind: 'words', words: TYPES } },
  flags: {
    format: objectFormatFlag,
    size: bool('s', 'Display total file sizes if the type is container'),
    type: string('', 'Only inspect objects of the given type'),
  },
  async run(ctx) {
    const { type, size, format } = ctx.flags;
    if (ctx.changed.has('type') && !TYPES.includes(type as InspectedType)) {
      throw new StatusError(
        1,
        type === ''
          ? 'type is empty: must be one of "container", "image", "network", "volume"'
          : `unknown type: ${JSON.stringify(type)}: must be one of "container", "image", "network", "volume"`,
      );
    }
    await inspectAll(ctx, type === '' ? TYPES : [type as InspectedType], format, { size: size ? true : undefined });
  },
});
