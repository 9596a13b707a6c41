import type { Volume, VolumeListResponse } from '../../api/schemas/volume.ts';
import { humanSize } from '../../api/units.ts';
import { atLeast, atMost, bool, defineCommand, list, noArgs, StatusError, string } from '../command.ts';
import { formatRows, type Listing } from '../format/rows.ts';
import { labelList } from '../listings/text.ts';
import { filterFlag, filterQuery } from './filter-flag.ts';
import { listFormatFlag } from './format-flag.ts';

/** "key=value" words as an object; a word without "=" has an empty value. */
export function pairs(words: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    words.map((word) => {
      const at = word.indexOf('=');
      return at < 0 ? [word, ''] : [word.slice(0, at), word.slice(at + 1)];
    }),
  );
}

const LISTING: Listing = {
  headers: {
    Name: 'VOLUME NAME',
    Driver: 'DRIVER',
    Scope: 'SCOPE',
    Mountpoint: 'MOUNTPOINT',
    Labels: 'LABELS',
    Links: 'LINKS',
    Size: 'SIZE',
    Availability: 'AVAILABILITY',
    Group: 'GROUP',
    Status: 'STATUS',
  },
  table: 'table {{.Driver}}\t{{.Name}}',
  quiet: 'Name',
  type: '*formatter.volumeContext',
  raw: { lines: 'name: {{.Name}}\ndriver: {{.Driver}}\n', quiet: 'name: {{.Name}}' },
};

/** What is used is known to `system df` alone. */
export function volumeRow(volume: Volume) {
  const unknown = 'N/A';
  const usage = volume.UsageData;
  return {
    Name: volume.Name,
    Driver: volume.Driver,
    Scope: volume.Scope,
    Mountpoint: volume.Mountpoint,
    Labels: labelList(volume.Labels),
    Label: (key: unknown) => volume.Labels?.[String(key)] ?? '',
    Links: usage ? String(usage.RefCount) : unknown,
    Size: (usage?.Size ?? -1) >= 0 ? humanSize(usage!.Size!) : unknown,
    Availability: unknown,
    Group: unknown,
    Status: unknown,
  };
}

export const create = defineCommand({
  use: '[OPTIONS] [VOLUME]',
  summary: 'Create a volume',
  args: atMost(1),
  flags: {
    driver: string('d', 'Specify volume driver name', 'local'),
    label: list('', 'Set metadata for a volume'),
    name: string('', 'Specify volume name', '', { hidden: true }),
    opt: list('o', 'Set driver specific options', undefined, { type: 'map' }),
  },
  async run(ctx) {
    const { flags } = ctx;
    if (flags.name !== '' && ctx.args.length > 0)
      throw new StatusError(
        1,
        'conflicting options: cannot specify a volume-name through both --name and as a positional arg',
      );
    const volume = await (await ctx.client()).json<Volume>('POST', '/volumes/create', {
      json: {
        Name: ctx.args[0] ?? flags.name,
        Driver: flags.driver,
        DriverOpts: pairs(flags.opt),
        Labels: pairs(flags.label),
      },
    });
    ctx.stdout.write(`${volume.Name}\n`);
  },
});

export const ls = defineCommand({
  use: '[OPTIONS]',
  summary: 'List volumes',
  args: noArgs,
  flags: {
    filter: filterFlag("Provide filter values (e.g. 'dangling=true')"),
    format: listFormatFlag,
    quiet: bool('q', 'Only display volume names'),
  },
  async run(ctx) {
    const { flags } = ctx;
    const answer = await (await ctx.client()).json<VolumeListResponse>('GET', '/volumes', {
      query: { filters: filterQuery(flags.filter) },
    });
    const volumes = [...(answer.Volumes ?? [])].sort((a, b) => ((a.Name ?? '') < (b.Name ?? '') ? -1 : 1));
    const format = flags.format === '' && !flags.quiet ? (ctx.config().volumesFormat ?? '') : flags.format;
    ctx.stdout.write(formatRows(LISTING, volumes.map(volumeRow), { format, quiet: flags.quiet }));
  },
});

export const rm = defineCommand({
  use: '[OPTIONS] VOLUME [VOLUME...]',
  summary: 'Remove one or more volumes',
  args: atLeast(1),
  complete: { kind: 'volume', repeat: true },
  flags: { force: bool('f', 'Force the removal of one or more volumes') },
  async run(ctx) {
    const client = await ctx.client();
    const failures: string[] = [];
    for (const name of ctx.args) {
      try {
        await client.send('DELETE', `/volumes/${encodeURIComponent(name)}`, {
          query: { force: ctx.flags.force ? true : undefined },
        });
        ctx.stdout.write(`${name}\n`);
      } catch (error) {
        failures.push((error as Error).message);
      }
    }
    if (failures.length > 0) throw new StatusError(1, failures.join('\n'));
  },
});
