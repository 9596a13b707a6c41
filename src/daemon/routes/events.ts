import { GantryError } from '../../api/errors.ts';
import { EventMessage } from '../../api/schemas/system.ts';
import { EVENT_FILTERS, eventMatches } from '../../engine/event-filter.ts';
import type { EventBus } from '../../engine/events.ts';
import { queryTime } from '../../engine/timestamp.ts';
import { type ApiVersion, type Route, route } from '../contract.ts';
import { json } from '../http/answers.ts';
import { filters, text } from '../http/parameters.ts';

/** What a client that does not read may fall behind before it is cut off: events must not fill the daemon's memory. */
const BACKLOG_BYTES = 8 << 20;

const nanoseconds = (event: EventMessage): bigint => BigInt(event.timeNano ?? 0);

/** An event as dockerd writes it: the old top-level names first, all digits of timeNano. */
function eventJson(event: EventMessage): string {
  const attributes = event.Actor?.Attributes ?? {};
  const old =
    event.Type === 'container' || event.Type === 'image'
      ? {
          status: event.Action,
          id: event.Actor?.ID,
          ...(attributes.image === undefined ? {} : { from: attributes.image }),
        }
      : {};
  const { timeNano: _digits, ...rest } = event;
  return `${JSON.stringify({ ...old, ...rest }).slice(0, -1)},"timeNano":${nanoseconds(event)}}\n`;
}

/** Whether clients of that version know such an event: the creation of an image came with 1.46. */
function known(event: EventMessage, version: ApiVersion): boolean {
  return !(event.Type === 'image' && event.Action === 'create' && version.lessThan('1.46'));
}

/** SystemEvents. */
export function eventRoutes(events: EventBus): Route[] {
  return [
    route({
      method: 'GET',
      path: '/events',
      operationId: 'SystemEvents',
      summary: 'What happens, and what happened',
      query: {
        since: text('Unix seconds, RFC 3339 or a duration back from now: what happened from then on, first'),
        until: text('The same: end then'),
        filters: filters('Which events', EVENT_FILTERS),
      },
      answers: { 200: json('One event after the other', EventMessage) },
      async handler({ query, version, signal }, reply) {
        const since = query.since === '' ? null : queryTime(query.since);
        const until = query.until === '' ? null : queryTime(query.until);
        if (since !== null && until !== null && since > until) {
          throw new GantryError(
            'invalid_parameter',
            `\`since\` time (${query.since}) cannot be after \`until\` time (${query.until})`,
          );
        }
        const stream = reply.stream(200, { 'Content-Type': 'application/json' });
        const wanted = (event: EventMessage): boolean =>
          known(event, version) &&
          eventMatches(event, query.filters) &&
          (until === null || nanoseconds(event) <= until);
        // An end alone asks for the past as well: for all that is kept of it.
        if (since !== null || until !== null)
          for (const event of events.past())
            if (nanoseconds(event) >= (since ?? 0n) && wanted(event)) stream.write(eventJson(event));
        const left = until === null ? null : Number((until - BigInt(Date.now()) * 1_000_000n) / 1_000_000n);
        if (left !== null && left <= 0) {
          stream.end();
          return;
        }
        await new Promise<void>((resolve) => {
          // setTimeout counts no further than 2^31 ms; a later end comes when the client leaves.
          const timer = left === null || left > 2 ** 31 - 1 ? null : setTimeout(() => finish(), left);
          const unsubscribe = events.subscribe((event) => {
            if (!wanted(event)) return;
            stream.write(eventJson(event));
            if (stream.writableLength > BACKLOG_BYTES) {
              stream.destroy();
              finish();
            }
          });
          const finish = (): void => {
            unsubscribe();
            if (timer !== null) clearTimeout(timer);
            if (!stream.destroyed) stream.end();
            resolve();
          };
          if (signal.aborted) finish();
          else signal.addEventListener('abort', finish, { once: true });
        });
      },
    }),
  ];
}
