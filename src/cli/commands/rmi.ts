import { ApiError } from '../../api/client/errors.ts';
import type { ImageDeleteResponseItem } from '../../api/schemas/image.ts';
import { atLeast, bool, defineCommand, list } from '../command.ts';
import { platformQuery } from '../container/platform.ts';
import { imagePath } from './each.ts';

export const command = defineCommand({
  use: '[OPTIONS] IMAGE [IMAGE...]',
  summary: 'Remove one or more images',
  flags: {
    force: bool('f', 'Force removal of the image'),
    'no-prune': bool('', 'Do not delete untagged parents'),
    platform: list(
      '',
      'Remove only this platform\'s variant, as "os[/arch[/variant]]" (e.g., "linux/amd64")',
      undefined,
      {
        type: 'strings',
      },
    ),
  },
  args: atLeast(1),
  complete: { kind: 'image', repeat: true },
  async run(ctx) {
    const { force, platform } = ctx.flags;
    const client = await ctx.client();
    let status = 0;
    // One after the other: what one name leaves untagged the next one may delete.
    for (const name of ctx.args) {
      try {
        const items = await client.json<ImageDeleteResponseItem[] | null>('DELETE', imagePath(name), {
          query: {
            force: force || undefined,
            noprune: ctx.flags['no-prune'] || undefined,
            platforms: platform.length > 0 ? platform.map(platformQuery) : undefined,
          },
        });
        for (const item of items ?? []) {
          ctx.stdout.write(item.Deleted ? `Deleted: ${item.Deleted}\n` : `Untagged: ${item.Untagged}\n`);
        }
      } catch (error) {
        ctx.stderr.write(`${(error as Error).message}\n`);
        if (!(force && error instanceof ApiError && error.status === 404)) status = 1;
      }
    }
    return status;
  },
});
