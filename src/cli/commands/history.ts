import { bool, defineCommand, exactly, string } from '../command.ts';
import { platformQuery } from '../container/platform.ts';
import { formatRows } from '../format/rows.ts';
import { type HistoryItem, historyListing, historyRow } from '../listings/images.ts';
import { listFormatFlag } from './format-flag.ts';

export const command = defineCommand({
  use: '[OPTIONS] IMAGE',
  summary: 'Show the history of an image',
  args: exactly(1),
  complete: { kind: 'image' },
  flags: {
    format: listFormatFlag,
    human: bool('H', 'Print sizes and dates in human readable format', true),
    'no-trunc': bool('', "Don't truncate output"),
    platform: string(
      '',
      'Show history for the given platform. Formatted as "os[/arch[/variant]]" (e.g., "linux/amd64")',
    ),
    quiet: bool('q', 'Only show image IDs'),
  },
  async run(ctx) {
    const { flags } = ctx;
    const client = await ctx.client();
    const platform = flags.platform === '' ? undefined : platformQuery(flags.platform);
    const items = await client.json<HistoryItem[]>('GET', `/images/${encodeURIComponent(ctx.args[0]!)}/history`, {
      query: { platform },
    });
    const rows = items.map((item) => historyRow(item, { truncate: !flags['no-trunc'], human: flags.human }));
    ctx.stdout.write(formatRows(historyListing(flags.human), rows, { format: flags.format, quiet: flags.quiet }));
  },
});
