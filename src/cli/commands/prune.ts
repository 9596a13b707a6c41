import type { ImageDeleteResponseItem } from '../../api/schemas/image.ts';
import { humanSize } from '../../api/units.ts';
import { bool, type Context, defineCommand, noArgs, StatusError } from '../command.ts';
import { confirm } from './confirm.ts';
import { filterFlag, filterQuery } from './filter-flag.ts';

interface Pruned {
  text: string;
  bytes: number;
}

/** How all kinds are pruned. */
interface How {
  filters: readonly string[];
  /** Nothing is removed, the output says what would be. */
  dryRun: boolean;
  /** IDs of containers that a dry run takes as removed. */
  without?: readonly string[];
}

/**
 * The query of a prune. A dry run is asked for with a filter: an engine that knows none refuses it, where it would pass over a
 * parameter and remove everything.
 */
function queryOf({ filters, dryRun, without = [] }: How, more: Record<string, string[]> = {}) {
  return {
    filters: filterQuery(filters, dryRun ? { ...more, 'dry-run': ['true'] } : more),
    without: without.length > 0 ? [...without] : undefined,
  };
}

function heading(what: string, dryRun: boolean): string {
  return dryRun ? `${what} that would be deleted:` : `Deleted ${what}:`;
}

async function pruneContainers(ctx: Context, how: How): Promise<Pruned & { ids: string[] }> {
  const answer = await (await ctx.client()).json<{ ContainersDeleted?: string[] | null; SpaceReclaimed?: number }>(
    'POST',
    '/containers/prune',
    { query: queryOf(how) },
  );
  const ids = answer.ContainersDeleted ?? [];
  return {
    ids,
    text: ids.length === 0 ? '' : `${heading('Containers', how.dryRun)}\n${ids.join('\n')}\n\n`,
    bytes: answer.SpaceReclaimed ?? 0,
  };
}

async function pruneImages(ctx: Context, all: boolean, how: How): Promise<Pruned> {
  const answer = await (await ctx.client()).json<{
    ImagesDeleted?: ImageDeleteResponseItem[] | null;
    SpaceReclaimed?: number;
  }>('POST', '/images/prune', {
    query: queryOf(how, { dangling: [String(!all)] }),
  });
  const lines = (answer.ImagesDeleted ?? []).map((item) =>
    item.Untagged ? `untagged: ${item.Untagged}\n` : `deleted: ${item.Deleted}\n`,
  );
  const text = lines.length === 0 ? '' : `${heading('Images', how.dryRun)}\n${lines.join('')}\n`;
  return { text, bytes: answer.SpaceReclaimed ?? 0 };
}

async function pruneVolumes(ctx: Context, all: boolean, how: How): Promise<Pruned> {
  const answer = await (await ctx.client()).json<{ VolumesDeleted?: string[] | null; SpaceReclaimed?: number }>(
    'POST',
    '/volumes/prune',
    { query: queryOf(how, all ? { all: ['true'] } : {}) },
  );
  const names = answer.VolumesDeleted ?? [];
  return {
    text: names.length === 0 ? '' : `${heading('Volumes', how.dryRun)}\n${names.join('\n')}\n\n`,
    bytes: answer.SpaceReclaimed ?? 0,
  };
}

async function pruneNetworks(ctx: Context, how: How): Promise<Pruned> {
  const answer = await (await ctx.client()).json<{ NetworksDeleted?: string[] | null }>('POST', '/networks/prune', {
    query: queryOf(how),
  });
  const names = answer.NetworksDeleted ?? [];
  return { text: names.length === 0 ? '' : `${heading('Networks', how.dryRun)}\n${names.join('\n')}\n\n`, bytes: 0 };
}

function report(ctx: Context, pruned: readonly Pruned[], dryRun: boolean): void {
  const bytes = pruned.reduce((sum, one) => sum + one.bytes, 0);
  const total = dryRun ? 'Total space that would be reclaimed' : 'Total reclaimed space';
  ctx.stdout.write(`${pruned.map(({ text }) => text).join('')}${total}: ${humanSize(bytes)}\n`);
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

type PruneContext = Context & { readonly flags: { filter: string[]; force: boolean; 'dry-run': boolean } };

function howOf(ctx: PruneContext): How {
  return { filters: pruneFilters(ctx, ctx.flags.filter), dryRun: ctx.flags['dry-run'] };
}

/** A dry run asks nobody. */
function agreed(ctx: PruneContext, warning: string): boolean {
  return ctx.flags['dry-run'] || ctx.flags.force || confirm(ctx, warning);
}

const force = bool('f', 'Do not prompt for confirmation');
const dryRun = bool('', 'Remove nothing, print what would be removed');
const filter = filterFlag('Provide filter values (e.g. "until=<timestamp>")', '');

export const containerPrune = defineCommand({
  use: '[OPTIONS]',
  summary: 'Remove all stopped containers',
  args: noArgs,
  flags: { 'dry-run': dryRun, filter, force },
  async run(ctx) {
    const how = howOf(ctx);
    if (!agreed(ctx, 'WARNING! This will remove all stopped containers.')) return;
    report(ctx, [await pruneContainers(ctx, how)], how.dryRun);
  },
});

export const imagePrune = defineCommand({
  use: '[OPTIONS]',
  summary: 'Remove unused images',
  args: noArgs,
  flags: { all: bool('a', 'Remove all unused images, not just dangling ones'), 'dry-run': dryRun, filter, force },
  async run(ctx) {
    const warning = ctx.flags.all
      ? 'WARNING! This will remove all images without at least one container associated to them.'
      : 'WARNING! This will remove all dangling images.';
    const how = howOf(ctx);
    if (!agreed(ctx, warning)) return;
    report(ctx, [await pruneImages(ctx, ctx.flags.all, how)], how.dryRun);
  },
});

export const volumePrune = defineCommand({
  use: '[OPTIONS]',
  summary: 'Remove unused local volumes',
  args: noArgs,
  flags: {
    all: bool('a', 'Remove all unused volumes, not just anonymous ones'),
    'dry-run': dryRun,
    filter: filterFlag('Provide filter values (e.g. "label=<label>")', ''),
    force,
  },
  async run(ctx) {
    const warning = ctx.flags.all
      ? 'WARNING! This will remove all local volumes not used by at least one container.'
      : 'WARNING! This will remove anonymous local volumes not used by at least one container.';
    const how = howOf(ctx);
    if (!agreed(ctx, warning)) return;
    report(ctx, [await pruneVolumes(ctx, ctx.flags.all, how)], how.dryRun);
  },
});

export const networkPrune = defineCommand({
  use: '[OPTIONS]',
  summary: 'Remove all unused networks',
  args: noArgs,
  flags: { 'dry-run': dryRun, filter, force },
  async run(ctx) {
    const how = howOf(ctx);
    if (!agreed(ctx, 'WARNING! This will remove all custom networks not used by at least one container.')) return;
    ctx.stdout.write((await pruneNetworks(ctx, how)).text);
  },
});

export const systemPrune = defineCommand({
  use: '[OPTIONS]',
  summary: 'Remove unused data',
  args: noArgs,
  flags: {
    all: bool('a', 'Remove all unused images not just dangling ones'),
    'dry-run': dryRun,
    filter: filterFlag('Provide filter values (e.g. "label=<key>=<value>")', ''),
    force,
    volumes: bool('', 'Prune anonymous volumes'),
  },
  async run(ctx) {
    const { flags } = ctx;
    if (flags.volumes && flags.filter.some((term) => term.startsWith('until=')))
      throw new StatusError(1, 'ERROR: The "until" filter is not supported with "--volumes"');
    const how = howOf(ctx);
    const { filters } = how;
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
    if (!agreed(ctx, text)) return;
    const containers = await pruneContainers(ctx, how);
    // What the removed containers alone used is free for the next steps, in a dry run too.
    const next = how.dryRun ? { ...how, without: containers.ids } : how;
    const pruned: Pruned[] = [containers, await pruneNetworks(ctx, next)];
    if (flags.volumes) pruned.push(await pruneVolumes(ctx, false, next));
    pruned.push(await pruneImages(ctx, flags.all, next));
    report(ctx, pruned, how.dryRun);
  },
});
