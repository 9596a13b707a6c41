import type { Network } from '../../api/schemas/network.ts';
import { bool, defineCommand, noArgs } from '../command.ts';
import { formatRows, type Listing } from '../format/rows.ts';
import { goTimeOf, labelList, shortId } from '../listings/text.ts';
import { filterFlag, filterQuery } from './filter-flag.ts';
import { listFormatFlag } from './format-flag.ts';

const LISTING: Listing = {
  headers: {
    ID: 'NETWORK ID',
    Name: 'NAME',
    Driver: 'DRIVER',
    Scope: 'SCOPE',
    IPv4: 'IPV4',
    IPv6: 'IPV6',
    Internal: 'INTERNAL',
    Labels: 'LABELS',
    CreatedAt: 'CREATED AT',
  },
  table: 'table {{.ID}}\t{{.Name}}\t{{.Driver}}\t{{.Scope}}',
  quiet: 'ID',
  type: '*network.networkContext',
  raw: {
    lines: 'network_id: {{.ID}}\nname: {{.Name}}\ndriver: {{.Driver}}\nscope: {{.Scope}}\n',
    quiet: 'network_id: {{.ID}}',
  },
};

export const ls = defineCommand({
  use: '[OPTIONS]',
  summary: 'List networks',
  args: noArgs,
  flags: {
    filter: filterFlag("Provide filter values (e.g. 'driver=bridge')"),
    format: listFormatFlag,
    'no-trunc': bool('', 'Do not truncate the output'),
    quiet: bool('q', 'Only display network IDs'),
  },
  async run(ctx) {
    const { flags } = ctx;
    const networks = await (await ctx.client()).json<Network[]>('GET', '/networks', {
      query: { filters: filterQuery(flags.filter) },
    });
    const rows = networks
      .sort((a, b) => ((a.Name ?? '') < (b.Name ?? '') ? -1 : 1))
      .map((network) => ({
        ID: flags['no-trunc'] ? network.Id : shortId(network.Id ?? ''),
        Name: network.Name,
        Driver: network.Driver,
        Scope: network.Scope,
        IPv4: String(network.EnableIPv4 ?? false),
        IPv6: String(network.EnableIPv6 ?? false),
        Internal: String(network.Internal ?? false),
        Labels: labelList(network.Labels),
        Label: (key: unknown) => network.Labels?.[String(key)] ?? '',
        CreatedAt: goTimeOf(network.Created ?? ''),
      }));
    const format = flags.format === '' && !flags.quiet ? (ctx.config().networksFormat ?? '') : flags.format;
    ctx.stdout.write(formatRows(LISTING, rows, { format, quiet: flags.quiet }));
  },
});
