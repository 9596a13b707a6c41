import type { Client } from '../../api/client/client.ts';
import { ApiError } from '../../api/client/errors.ts';
import { jsonStream } from '../../api/client/json-stream.ts';
import type { ContainerSummary } from '../../api/schemas/container.ts';
import type { ContainerStatsResponse } from '../../api/schemas/stats.ts';
import type { EventMessage } from '../../api/schemas/system.ts';
import { anyArgs, bool, type Context, defineCommand } from '../command.ts';
import { formatRows } from '../format/rows.ts';
import { STATS_LISTING, statsRow } from '../listings/stats.ts';
import { endOnSignals } from '../terminal/signals.ts';
import { listFormatFlag } from './format-flag.ts';

interface Watched {
  asked: string;
  id: string;
  name: string;
  stats: ContainerStatsResponse | null;
  done: boolean;
}

type NamedStats = ContainerStatsResponse & { id?: string; name?: string };

function take(watched: Watched, stats: NamedStats): void {
  watched.id = stats.id || watched.id;
  watched.name = (stats.name ?? '').replace(/^\//, '') || watched.name;
  watched.stats = stats;
}

async function once(client: Client, watched: Watched): Promise<void> {
  take(
    watched,
    await client.json<NamedStats>('GET', `/containers/${encodeURIComponent(watched.asked)}/stats`, {
      query: { stream: false },
    }),
  );
}

async function follow(client: Client, watched: Watched): Promise<void> {
  try {
    const response = await client.request('GET', `/containers/${encodeURIComponent(watched.asked)}/stats`, {
      query: { stream: true },
    });
    for await (const stats of jsonStream<NamedStats>(response)) take(watched, stats);
  } finally {
    watched.done = true;
  }
}

async function listed(client: Client, all: boolean): Promise<Watched[]> {
  const containers = await client.json<ContainerSummary[]>('GET', '/containers/json', {
    query: { all: all ? true : undefined },
  });
  return containers.map((container) => ({
    asked: container.Id!,
    id: container.Id!,
    name: (container.Names?.[0] ?? '').replace(/^\//, ''),
    stats: null,
    done: false,
  }));
}

/** Clears the screen from the cursor's home position, line by line, so that the picture does not flicker. */
function redraw(ctx: Context, text: string): void {
  const lines = text.split('\n').map((line) => `${line}\x1b[K`);
  ctx.stdout.write(`\x1b[H${lines.join('\n')}\x1b[J`);
}

export const command = defineCommand({
  use: '[OPTIONS] [CONTAINER...]',
  summary: 'Display a live stream of container(s) resource usage statistics',
  args: anyArgs,
  complete: { kind: 'container', state: 'running', repeat: true },
  flags: {
    all: bool('a', 'Show all containers (default shows just running)'),
    format: listFormatFlag,
    'no-stream': bool('', 'Disable streaming stats and only pull the first result'),
    'no-trunc': bool('', 'Do not truncate output'),
  },
  async run(ctx) {
    const { flags } = ctx;
    endOnSignals();
    const client = await ctx.client();
    const every = ctx.args.length === 0;
    const format = flags.format === '' ? (ctx.config().statsFormat ?? '') : flags.format;
    const watched: Watched[] = every
      ? await listed(client, flags.all)
      : ctx.args.map((asked) => ({ asked, id: '', name: '', stats: null, done: false }));
    const text = (): string =>
      formatRows(
        STATS_LISTING,
        watched.map((one) => statsRow(one, one.stats, !flags['no-trunc'])),
        { format, quiet: false },
      );
    if (flags['no-stream']) {
      await Promise.all(
        watched.map((one) =>
          once(client, one).catch((error) => (every && error instanceof ApiError ? undefined : Promise.reject(error))),
        ),
      );
      ctx.stdout.write(text());
      return;
    }
    // A name that does not exist is an error before the first picture.
    if (!every)
      await Promise.all(ctx.args.map((name) => client.send('GET', `/containers/${encodeURIComponent(name)}/json`)));
    const start = (one: Watched): void => {
      follow(client, one)
        .catch(() => undefined)
        .finally(() => {
          if (every && !flags.all && watched.includes(one)) watched.splice(watched.indexOf(one), 1);
        });
    };
    watched.forEach(start);
    if (every) {
      const filters = JSON.stringify({ type: ['container'], event: [flags.all ? 'create' : 'start'] });
      const events = await client.request('GET', '/events', { query: { filters } });
      void (async () => {
        for await (const event of jsonStream<EventMessage>(events)) {
          const id = event.Actor?.ID ?? '';
          if (id === '' || watched.some((one) => one.id === id && !one.done)) continue;
          const one: Watched = { asked: id, id, name: event.Actor?.Attributes?.name ?? '', stats: null, done: false };
          watched.push(one);
          start(one);
        }
      })().catch(() => undefined);
    }
    if (ctx.stdout.isTTY) ctx.stdout.write('\x1b[2J');
    for (;;) {
      if (ctx.stdout.isTTY) redraw(ctx, text());
      else ctx.stdout.write(text());
      if (!every && watched.every((one) => one.done)) return;
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
  },
});
