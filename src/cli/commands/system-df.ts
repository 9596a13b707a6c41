import type { ContainerSummary } from '../../api/schemas/container.ts';
import type { BuildCache, ImageSummary } from '../../api/schemas/image.ts';
import type { Volume } from '../../api/schemas/volume.ts';
import { humanDuration, humanSize } from '../../api/units.ts';
import { bool, defineCommand, noArgs, StatusError } from '../command.ts';
import { formatRows, type Listing, type Row, structRow } from '../format/rows.ts';
import { Template } from '../format/template/template.ts';
import { TYPE } from '../format/template/values.ts';
import { containerRow } from '../listings/containers.ts';
import { imageRows } from '../listings/images.ts';
import { shortId } from '../listings/text.ts';
import { listFormatFlag } from './format-flag.ts';
import { volumeRow } from './volume.ts';

interface DiskUsage {
  LayersSize?: number;
  Images?: ImageSummary[] | null;
  Containers?: ContainerSummary[] | null;
  Volumes?: Volume[] | null;
  BuildCache?: BuildCache[] | null;
}

const SUMMARY: Listing = {
  headers: { Type: 'TYPE', TotalCount: 'TOTAL', Active: 'ACTIVE', Size: 'SIZE', Reclaimable: 'RECLAIMABLE' },
  table: 'table {{.Type}}\t{{.TotalCount}}\t{{.Active}}\t{{.Size}}\t{{.Reclaimable}}',
  quiet: 'Type',
  type: '*formatter.diskUsageImagesContext',
  raw: {
    lines:
      'type: {{.Type}}\ntotal: {{.TotalCount}}\nactive: {{.Active}}\nsize: {{.Size}}\nreclaimable: {{.Reclaimable}}\n',
    quiet: '{{.Type}}',
  },
};

function summaryRow(
  type: string,
  total: number,
  active: number,
  size: number,
  reclaimable: number,
  percent: boolean,
): Row {
  const share = percent && size > 0 ? ` (${Math.trunc((reclaimable * 100) / size)}%)` : '';
  return {
    Type: type,
    TotalCount: String(total),
    Active: String(active),
    Size: humanSize(size),
    Reclaimable: humanSize(reclaimable) + share,
  };
}

const sum = <T>(list: readonly T[], pick: (item: T) => number | null | undefined): number =>
  list.reduce((total, item) => total + (pick(item) ?? 0), 0);

function summaryRows(usage: DiskUsage): Row[] {
  const images = usage.Images ?? [];
  const containers = usage.Containers ?? [];
  const volumes = usage.Volumes ?? [];
  const cache = usage.BuildCache ?? [];
  const usedImages = images.filter((image) => (image.Containers ?? 0) > 0);
  const inUse = sum(usedImages, (image) => (image.Size ?? 0) - Math.max(0, image.SharedSize ?? 0));
  const layers = usage.LayersSize ?? 0;
  const active = containers.filter((container) => ['running', 'paused', 'restarting'].includes(container.State ?? ''));
  const usedVolumes = volumes.filter((volume) => (volume.UsageData?.RefCount ?? 0) > 0);
  const volumeSize = sum(volumes, (volume) => Math.max(0, volume.UsageData?.Size ?? 0));
  const freeVolumes = sum(volumes, (volume) =>
    volume.UsageData?.RefCount === 0 ? Math.max(0, volume.UsageData.Size ?? 0) : 0,
  );
  const containerSize = sum(containers, (container) => container.SizeRw);
  const cacheSize = sum(cache, (record) => (record.Shared === true ? 0 : record.Size));
  const cacheFree = sum(cache, (record) => (record.Shared === true || record.InUse === true ? 0 : record.Size));
  return [
    summaryRow('Images', images.length, usedImages.length, layers, Math.max(0, layers - inUse), true),
    summaryRow(
      'Containers',
      containers.length,
      active.length,
      containerSize,
      containerSize - sum(active, (container) => container.SizeRw),
      true,
    ),
    summaryRow('Local Volumes', volumes.length, usedVolumes.length, volumeSize, freeVolumes, true),
    summaryRow(
      'Build Cache',
      cache.length,
      cache.filter((record) => record.InUse === true).length,
      cacheSize,
      cacheFree,
      false,
    ),
  ];
}

/** The rows of --verbose; in full for a format of the user's. */
function verboseRows(usage: DiskUsage, truncate: boolean) {
  const ago = (date: string | null | undefined): string =>
    date ? `${humanDuration(Date.now() - Date.parse(date))} ago` : '';
  return {
    // One line an image, under the first of its names.
    Images: (usage.Images ?? []).map((image): Row => {
      const row = imageRows(image, { truncate, digests: false })[0]!;
      return truncate ? row : { ...row, Digest: '' };
    }),
    Containers: (usage.Containers ?? []).map(
      (container): Row => ({ ...containerRow(container, truncate), Size: humanSize(container.SizeRw ?? 0, 3) }),
    ),
    Volumes: (usage.Volumes ?? []).map(volumeRow),
    BuildCache: (usage.BuildCache ?? []).map(
      (record): Row => ({
        ID: truncate ? shortId(record.ID ?? '') : record.ID,
        CacheType: record.Type,
        Size: humanSize(record.Size ?? 0),
        CreatedSince: ago(record.CreatedAt),
        LastUsedSince: ago(record.LastUsedAt),
        Usage: String(record.UsageCount ?? 0),
        Shared: String(record.Shared ?? false),
      }),
    ),
  };
}

function verboseFormatted(usage: DiskUsage, format: string): string {
  const lists = Object.entries(verboseRows(usage, false)).map(([name, rows]): [string, unknown] => [
    name,
    rows.map((row) => structRow(`*formatter.diskUsage${name}Context`, row)),
  ]);
  const row = { ...Object.fromEntries(lists), [TYPE]: '*formatter.diskUsageContext' };
  try {
    return `${new Template(format === 'json' ? '{{json .}}' : format).execute(row)}\n`;
  } catch (error) {
    throw new StatusError(1, (error as Error).message);
  }
}

function verboseText(usage: DiskUsage): string {
  const part = (title: string, listing: Listing, rows: Row[]): string =>
    `${title}\n\n${formatRows(listing, rows, { format: '', quiet: false })}\n`;
  const { Images: images, Containers: containers, Volumes: volumes, BuildCache: cache } = verboseRows(usage, true);
  return (
    part(
      'Images space usage:',
      {
        headers: {
          Repository: 'REPOSITORY',
          Tag: 'TAG',
          ID: 'IMAGE ID',
          CreatedSince: 'CREATED',
          Size: 'SIZE',
          SharedSize: 'SHARED SIZE',
          UniqueSize: 'UNIQUE SIZE',
          Containers: 'CONTAINERS',
        },
        table:
          'table {{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}\t{{.SharedSize}}\t{{.UniqueSize}}\t{{.Containers}}',
        quiet: 'ID',
        type: '',
      },
      images,
    ) +
    part(
      'Containers space usage:',
      {
        headers: {
          ID: 'CONTAINER ID',
          Image: 'IMAGE',
          Command: 'COMMAND',
          LocalVolumes: 'LOCAL VOLUMES',
          Size: 'SIZE',
          RunningFor: 'CREATED',
          Status: 'STATUS',
          Names: 'NAMES',
        },
        table:
          'table {{.ID}}\t{{.Image}}\t{{.Command}}\t{{.LocalVolumes}}\t{{.Size}}\t{{.RunningFor}}\t{{.Status}}\t{{.Names}}',
        quiet: 'ID',
        type: '',
      },
      containers,
    ) +
    part(
      'Local Volumes space usage:',
      {
        headers: { Name: 'VOLUME NAME', Links: 'LINKS', Size: 'SIZE' },
        table: 'table {{.Name}}\t{{.Links}}\t{{.Size}}',
        quiet: 'Name',
        type: '',
      },
      volumes,
    ) +
    part(
      `Build cache usage: ${humanSize(sum(usage.BuildCache ?? [], (record) => record.Size))}`,
      {
        headers: {
          ID: 'CACHE ID',
          CacheType: 'CACHE TYPE',
          Size: 'SIZE',
          CreatedSince: 'CREATED',
          LastUsedSince: 'LAST USED',
          Usage: 'USAGE',
          Shared: 'SHARED',
        },
        table:
          'table {{.ID}}\t{{.CacheType}}\t{{.Size}}\t{{.CreatedSince}}\t{{.LastUsedSince}}\t{{.Usage}}\t{{.Shared}}',
        quiet: 'ID',
        type: '',
      },
      cache,
    ).slice(0, -1)
  );
}

export const command = defineCommand({
  use: '[OPTIONS]',
  summary: 'Show disk usage',
  args: noArgs,
  flags: { format: listFormatFlag, verbose: bool('v', 'Show detailed information on space usage') },
  async run(ctx) {
    const usage = await (await ctx.client()).json<DiskUsage>('GET', '/system/df');
    if (!ctx.flags.verbose)
      ctx.stdout.write(formatRows(SUMMARY, summaryRows(usage), { format: ctx.flags.format, quiet: false }));
    else if (ctx.flags.format === '') ctx.stdout.write(verboseText(usage));
    else ctx.stdout.write(verboseFormatted(usage, ctx.flags.format));
  },
});
