import type { ContainerSummary } from '../../api/schemas/container.ts';
import { bool, defineCommand, int, noArgs } from '../command.ts';
import { checkRowFormat, formatRows } from '../format/rows.ts';
import { containerListing, containerRow } from '../listings/containers.ts';
import { filterFlag, filterQuery } from './filter-flag.ts';
import { listFormatFlag } from './format-flag.ts';

export const command = defineCommand({
  use: '[OPTIONS]',
  summary: 'List containers',
  args: noArgs,
  flags: {
    all: bool('a', 'Show all containers (default shows just running)'),
    filter: filterFlag(),
    format: listFormatFlag,
    last: int('n', 'Show n last created containers (includes all states)', -1),
    latest: bool('l', 'Show the latest created container (includes all states)'),
    'no-trunc': bool('', "Don't truncate output"),
    quiet: bool('q', 'Only display container IDs'),
    size: bool('s', 'Display total file sizes'),
  },
  async run(ctx) {
    const { flags } = ctx;
    const limit = flags.latest && flags.last === -1 ? 1 : flags.last;
    let format = flags.format === '' && !flags.quiet ? (ctx.config().psFormat ?? '') : flags.format;
    if (flags.format !== '' && flags.quiet) {
      ctx.stderr.write('WARNING: Ignoring custom format, because both --format and --quiet are set.\n');
      if (format !== 'raw') format = '';
    }
    // A template that prints the size needs it computed.
    let size = flags.size;
    if (flags.format !== '') {
      const row = containerRow({} as ContainerSummary, true);
      const used = Object.defineProperty(row, 'Size', {
        get: () => {
          size ||= !flags.quiet && !ctx.changed.has('size');
          return '';
        },
      });
      checkRowFormat(containerListing(false), used, flags.format);
    }
    const client = await ctx.client();
    const containers = await client.json<ContainerSummary[]>('GET', '/containers/json', {
      query: {
        all: flags.all ? true : undefined,
        limit: limit > 0 ? limit : undefined,
        size: size ? true : undefined,
        filters: filterQuery(flags.filter),
      },
    });
    const rows = containers.map((container) => containerRow(container, !flags['no-trunc']));
    ctx.stdout.write(formatRows(containerListing(flags.size), rows, { format, quiet: flags.quiet }));
  },
});
