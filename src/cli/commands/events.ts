import { jsonStream } from '../../api/client/json-stream.ts';
import type { EventMessage } from '../../api/schemas/system.ts';
import { defineCommand, noArgs, string } from '../command.ts';
import { Template } from '../format/template/template.ts';
import { goTime } from '../listings/text.ts';
import { filterFlag, filterQuery } from './filter-flag.ts';
import { objectFormatFlag } from './format-flag.ts';
import { timestampQuery } from './timestamp.ts';

/** RFC 3339 with nine digits in local time, from the event's nanoseconds, whose last digits a JSON number has lost. */
function stamp(event: EventMessage): string {
  const seconds = event.time ?? 0;
  const [day, time, zone] = goTime(seconds).split(' ') as [string, string, string];
  const rest = BigInt(Math.trunc(event.timeNano ?? 0)) - BigInt(seconds) * 1_000_000_000n;
  const fraction = rest > 0n && rest < 1_000_000_000n ? rest : 0n;
  return `${day}T${time}.${String(fraction).padStart(9, '0')}${zone === '+0000' ? 'Z' : `${zone.slice(0, 3)}:${zone.slice(3)}`}`;
}

/** "TIME TYPE ACTION ID (key=value, ...)". */
export function eventLine(event: EventMessage): string {
  const attributes = Object.entries(event.Actor?.Attributes ?? {})
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}=${value}`)
    .join(', ');
  return `${stamp(event)} ${event.Type} ${event.Action} ${event.Actor?.ID}${attributes === '' ? '' : ` (${attributes})`}\n`;
}

export const command = defineCommand({
  use: '[OPTIONS]',
  summary: 'Get real time events from the server',
  args: noArgs,
  flags: {
    filter: filterFlag(),
    format: { ...objectFormatFlag, short: '' },
    since: string('', 'Show all events created since timestamp'),
    until: string('', 'Stream events until this timestamp'),
  },
  async run(ctx) {
    const { flags } = ctx;
    const template =
      flags.format === ''
        ? null
        : new Template(flags.format === 'json' ? '{{json .}}' : flags.format.replaceAll('\\t', '\t'));
    const response = await (await ctx.client()).request('GET', '/events', {
      query: {
        filters: filterQuery(flags.filter),
        since: timestampQuery(flags.since),
        until: timestampQuery(flags.until),
      },
    });
    for await (const event of jsonStream<EventMessage & { ID?: unknown }>(response)) {
      // Docker's old names of the same things work in templates.
      Object.defineProperties(event, {
        ID: { value: event.Actor?.ID, enumerable: false },
        Status: { value: event.Action, enumerable: false },
        From: { value: event.Actor?.Attributes?.image ?? '', enumerable: false },
        Time: { value: event.time, enumerable: false },
        TimeNano: { value: event.timeNano, enumerable: false },
        Scope: { value: event.scope, enumerable: false },
      });
      ctx.stdout.write(template === null ? eventLine(event) : `${template.execute(event)}\n`);
    }
  },
});
