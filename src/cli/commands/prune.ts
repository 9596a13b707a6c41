import type { ImageDeleteResponseItem } from '../../api/schemas/image.ts';
import { humanSize } from '../../api/units.ts';
import { bool, type Context, defineCommand, noArgs, StatusError } from '../command.ts';
import { confirm } from './confirm.ts';
import { filterFlag, filterQuery } from './filter-flag.ts';

interface Pruned {
  text: string;
  bytes: number;
}

async function pruneContainers(ctx: Context, filters: readonly string[]): Promise<Pruned> {
  const answer = await (await ctx.client()).json<{ ContainersDeleted?: string[] | null; SpaceReclaimed?: number }>(
    'POST',
    '/containers/prune',
    {
      query: { filters: filterQuery(filters) },
    },
  );
  const ids = answer.ContainersDeleted ?? [];
  return {
    text: ids.length === 0 ? '' : `Deleted Containers:\n${ids.join('\n')}\n\n`,
    bytes: answer.SpaceReclaimed ?? 0,
  };
}

async function pruneImages(ctx: Context, all: boolean, filters: readonly string[]): Promise<Pruned> {
  const answer = await (await ctx.client()).json<{
    ImagesDeleted?: ImageDeleteResponseItem[] | null;
    SpaceReclaimed?: number;
  }>('POST', '/images/prune', {
    query: { filters: filterQuery(filters, { dangling: [String(!all)] }) },
  });
  const lines = (answer.ImagesDeleted ?? []).map((item) =>
    item.Untagged ? `untagged: ${item.Untagged}\n` : `deleted: ${item.Deleted}\n`,
  );
  return { text: lines.length === 0 ? '' : `Deleted Images:\n${lines.join('')}\n`, bytes: answer.SpaceReclaimed ?? 0 };
}

async function pruneVolumes(ctx: Context, all: boolean, filters: readonly string[]): Promise<Pruned> {
  const answer = await (await ctx.client()).json<{ VolumesDeleted?: string[] | null; SpaceReclaimed?: number }>(
    'POST',
    '/volumes/prune',
    {
      query: { filters: filterQuery(filters, all ? { all: ['true'] } : {}) },
    },
  );
  const names = answer.VolumesDeleted ?? [];
  return {
    text: names.length === 0 ? '' : `Deleted Volumes:\n${names.join('\n')}\n\n`,
    bytes: answer.SpaceReclaimed ?? 0,
  };
}

async function pruneNetworks(ctx: Context, filters: readonly string[]): Promise<Pruned> {
  const answer = await (await ctx.client()).json<{ NetworksDeleted?: string[] | null }>('POST', '/networks/prune', {
    query: { filters: filterQuery(filters) },
  });
  const names = answer.NetworksDeleted ?? [];
  return { text: names.length === 0 ? '' : `Deleted Networks:\n${names.join('\n')}\n\n`, bytes: 0 };
}

function report(ctx: Context, pruned: readonly Pruned[]): void {
  const bytes = pruned.reduce((sum, one) => sum + one.bytes, 0);
  ctx.stdout.write(`${pruned.map(({ text }) => text).join('')}Total reclaimed space: ${humanSize(bytes)}\n`);
}

/**
 * The command line's filters with those of the configuration file (`pruneFilters`). A label that the command line wants is not
 * kept out by the file, nor the other way round.
 */
function pruneFilters(ctx: Context, given: readonly string[]): string[] {
  const opposite = (filter: string) =>
    filter.startsWith('label!=')
      ? `label=${filter.slice('label!='.length)}`
      : `label!=${filter.slice('label='.length)}`;
  const more = (ctx.config().pruneFilters ?? []).filter((filter) => {
    if (!/^[^=]+=./.test(filter)) return false;
    return !(filter.startsWith('label') && given.includes(opposite(filter))) && !given.includes(filter);
  });
  return [...given, ...more];
}

const force = bool('f', 'Do not prompt for confirmation');
const filter = filterFlag('Provide filter values (e.g. "until=<timestamp>")', '');

export const containerPrune = defineCommand({
  use: '[OPTIONS]',
  summary: 'Remove all stopped containers',
  args: noArgs,
  flags: { filter, force },
  async run(ctx) {
    if (!ctx.flags.force && !confirm(ctx, 'WARNING! This will remove all stopped containers.')) return;
    report(ctx, [await pruneContainers(ctx, pruneFilters(ctx, ctx.flags.filter))]);
  },
});

export const imagePrune = defineCommand({
  use: '[OPTIONS]',
  summary: 'Remove unused images',
  args: noArgs,
  flags: { all: bool('a', 'Remove all unused images, not just dangling ones'), filter, force },
  async run(ctx) {
    const warning = ctx.flags.all
      ? 'WARNING! This will remove all images without at least one container associated to them.'
      : 'WARNING! This will remove all dangling images.';
    if (!ctx.flags.force && !confirm(ctx, warning)) return;
    report(ctx, [await pruneImages(ctx, ctx.flags.all, pruneFilters(ctx, ctx.flags.filter))]);
  },
});

export const volumePrune = defineCommand({
  use: '[OPTIONS]',
  summary: 'Remove unused local volumes',
  args: noArgs,
  flags: {
    all: bool('a', 'Remove all unused volumes, not just anonymous ones'),
    filter: filterFlag('Provide filter values (e.g. "label=<label>")', ''),
    force,
  },
  async run(ctx) {
    const warning = ctx.flags.all
      ? 'WARNING! This will remove all local volumes not used by at least one container.'
      : 'WARNING! This will remove anonymous local volumes not used by at least one container.';
    if (!ctx.flags.force && !confirm(ctx, warning)) return;
    report(ctx, [await pruneVolumes(ctx, ctx.flags.all, pruneFilters(ctx, ctx.flags.filter))]);
  },
});

export const networkPrune = defineCommand({
  use: '[OPTIONS]',
  summary: 'Remove all unused networks',
  args: noArgs,
  flags: { filter, force },
  async run(ctx) {
    const warning = 'WARNING! This will remove all custom networks not used by at least one container.';
    if (!ctx.flags.force && !confirm(ctx, warning)) return;
    ctx.stdout.write((await pruneNetworks(ctx, pruneFilters(ctx, ctx.flags.filter))).text);
  },
});

export const systemPrune = defineCommand({
  use: '[OPTIONS]',
  summary: 'Remove unused data',
  args: noArgs,
  flags: {
    all: bool('a', 'Remove all unused images not just dangling ones'),
    filter: filterFlag('Provide filter values (e.g. "label=<key>=<value>")', ''),
    force,
    volumes: bool('', 'Prune anonymous volumes'),
  },
  async run(ctx) {
    const { flags } = ctx;
    if (flags.volumes && flags.filter.some((term) => term.startsWith('until=')))
      throw new StatusError(1, 'ERROR: The "until" filter is not supported with "--volumes"');
    const filters = pruneFilters(ctx, flags.filter);
    const warnings = [
      'all stopped containers',
      'all networks not used by at least one container',
      ...(flags.volumes ? ['all anonymous volumes not used by at least one container'] : []),
      flags.all ? 'all images without at least one container associated to them' : 'all dangling images',
    ];
    const items =
      filters.length > 0
        ? `\n  Items to be pruned will be filtered with:\n${[...filters]
            .sort()
            .map((term) => `  - ${term}\n`)
            .join('')}`
        : '';
    const text = `WARNING! This will remove:\n${warnings.map((line) => `  - ${line}\n`).join('')}${items}`;
    if (!flags.force && !confirm(ctx, text)) return;
    const pruned = [await pruneContainers(ctx, filters), await pruneNetworks(ctx, filters)];
    if (flags.volumes) pruned.push(await pruneVolumes(ctx, false, filters));
    pruned.push(await pruneImages(ctx, flags.all, filters));
    report(ctx, pruned);
  },
});
