import type { ImageSummary } from '../../api/schemas/image.ts';
import { atMost, bool, defineCommand, StatusError } from '../command.ts';
import { formatRows } from '../format/rows.ts';
import { imageListing, imageRows } from '../listings/images.ts';
import { filterFlag, filterQuery } from './filter-flag.ts';
import { listFormatFlag } from './format-flag.ts';

export const command = defineCommand({
  use: '[OPTIONS] [REPOSITORY[:TAG]]',
  summary: 'List images',
  args: atMost(1),
  complete: { kind: 'image' },
  flags: {
    all: bool('a', 'Show all images (default hides intermediate images)'),
    digests: bool('', 'Show digests'),
    filter: filterFlag(),
    format: listFormatFlag,
    'no-trunc': bool('', "Don't truncate output"),
    quiet: bool('q', 'Only show image IDs'),
    tree: bool('', 'List multi-platform images as a tree (EXPERIMENTAL)', false, { hidden: true }),
  },
  async run(ctx) {
    const { flags } = ctx;
    if (flags.tree) throw new StatusError(1, '--tree is not supported yet');
    const format = flags.format === '' && !flags.quiet ? (ctx.config().imagesFormat ?? '') : flags.format;
    const reference = ctx.args[0] || undefined;
    const client = await ctx.client();
    const images = await client.json<ImageSummary[]>('GET', '/images/json', {
      query: {
        all: flags.all ? true : undefined,
        'shared-size': /\.(SharedSize|UniqueSize)\b/.test(format) ? true : undefined,
        filters: filterQuery(flags.filter, reference === undefined ? {} : { reference: [reference] }),
      },
    });
    const options = { truncate: !flags['no-trunc'], digests: flags.digests };
    // One line an ID when only IDs are wanted of an image with several tags, as docker prints them: a line a tag.
    const rows = images.flatMap((image) => imageRows(image, options));
    ctx.stdout.write(formatRows(imageListing(flags.digests), rows, { format, quiet: flags.quiet }));
  },
});
