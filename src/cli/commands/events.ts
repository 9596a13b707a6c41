import { jsonStream } from '../../api/client/json-stream.ts';
import type { EventMessage } from '../../api/schemas/system.ts';
import { defineCommand, noArgs, StatusError, string } from '../command.ts';
import { Template } from '../format/template/template.ts';
import { AS_JSON, TYPE } from '../format/template/values.ts';
import { goTime } from '../listings/text.ts';
import { endOnSignals } from '../terminal/signals.ts';
import { filterFlag, filterQuery } from './filter-flag.ts';
import { objectFormatFlag } from './format-flag.ts';
import { timestampQuery } from './timestamp.ts';

/** An event whose nanoseconds are as they came: a JavaScript number holds 15 of their 19 digits. */
export type ExactEvent = Omit<EventMessage, 'timeNano'> & { timeNano?: RawJson };
interface RawJson {
  rawJSON: string;
}

// Part of ECMAScript 2026 ("JSON.parse source text access"), which TypeScript's library does not describe yet.
const { rawJSON, parse } = JSON as unknown as {
  rawJSON(text: string): RawJson;
  parse(text: string, revive: (key: string, value: unknown, context: { source?: string }) => unknown): unknown;
};

/** Reads an event and keeps its nanoseconds exact, also when it is printed as JSON again. */
export function parseEvent(text: string): ExactEvent {
  return parse(text, (key, value, { source }) =>
    key === 'timeNano' && typeof value === 'number' && source !== undefined ? rawJSON(source) : value,
  ) as ExactEvent;
}

/** RFC 3339 with nine digits in local time. */
function stamp(event: ExactEvent): string {
  const seconds = event.time ?? 0;
  const [day, time, zone] = goTime(seconds).split(' ') as [string, string, string];
  const rest = BigInt(event.timeNano?.rawJSON ?? 0) - BigInt(seconds) * 1_000_000_000n;
  const fraction = rest > 0n && rest < 1_000_000_000n ? rest : 0n;
  return `${day}T${time}.${String(fraction).padStart(9, '0')}${zone === '+0000' ? 'Z' : `${zone.slice(0, 3)}:${zone.slice(3)}`}`;
}

/** "TIME TYPE ACTION ID (key=value, ...)". */
export function eventLine(event: ExactEvent): string {
  const attributes = Object.entries(event.Actor?.Attributes ?? {})
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, value]) => `${key}=${value}`)
    .join(', ');
  return `${stamp(event)} ${event.Type} ${event.Action} ${event.Actor?.ID}${attributes === '' ? '' : ` (${attributes})`}\n`;
}

/** The event as Go's struct of it: fields that are always there, in its order, also those with the names of old. */
function goEvent(event: ExactEvent): object {
  const sorted = Object.fromEntries(Object.entries(event.Actor?.Attributes ?? {}).sort(([a], [b]) => (a < b ? -1 : 1)));
  const actor = { ID: event.Actor?.ID ?? '', Attributes: sorted };
  // The old fields are in what engines send for containers and images.
  const old = event as ExactEvent & { status?: string; id?: string; from?: string };
  return {
    Status: old.status ?? '',
    ID: old.id ?? '',
    From: old.from ?? '',
    Type: event.Type,
    Action: event.Action,
    Actor: { ...actor, [TYPE]: 'events.Actor' },
    Scope: event.scope ?? '',
    Time: event.time ?? 0,
    TimeNano: BigInt(event.timeNano?.rawJSON ?? 0),
    [TYPE]: '*events.Message',
    [AS_JSON]: { ...event, Actor: actor },
  };
}

function parseFormat(format: string): Template {
  try {
    const template = new Template(format === 'json' ? '{{json .}}' : format, { maps: new Set(['Attributes']) });
    // Fields that no event has are found before the first one comes.
    template.execute(goEvent({ Type: '', Action: '', Actor: { ID: '', Attributes: {} } } as unknown as ExactEvent));
    return template;
  } catch (error) {
    throw new StatusError(64, `Error parsing format: ${(error as Error).message}`);
  }
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
    const template = flags.format === '' ? null : parseFormat(flags.format);
    endOnSignals();
    const response = await (await ctx.client()).request('GET', '/events', {
      query: {
        filters: filterQuery(flags.filter),
        since: timestampQuery(flags.since),
        until: timestampQuery(flags.until),
      },
    });
    for await (const event of jsonStream<ExactEvent>(response, parseEvent)) {
      ctx.stdout.write(template === null ? eventLine(event) : `${template.execute(goEvent(event))}\n`);
    }
  },
});
