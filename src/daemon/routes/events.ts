import { GantryError } from '../../api/errors.ts';
import type { EventMessage } from '../../api/schemas/system.ts';
import { EVENT_FILTERS, eventMatches } from '../../engine/event-filter.ts';
import type { EventBus } from '../../engine/events.ts';
import { queryTime } from '../../engine/timestamp.ts';
import type { Route } from '../contract.ts';

/** What a client that does not read may fall behind before it is cut off: events must not fill the daemon's memory. */
const BACKLOG_BYTES = 8 << 20;

const nanoseconds = (event: EventMessage): bigint => BigInt(event.timeNano ?? 0);

/** An event as dockerd writes it: the old top-level names first, all digits of timeNano. */
export function eventJson(event: EventMessage): string {
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

/** SystemEvents. */
export function eventRoutes(events: EventBus): Route[] {
  return [
    {
      method: 'GET',
      path: '/events',
      operationId: 'SystemEvents',
      async handler(request, reply) {
        const { query, signal } = request;
        const filters = query.filters();
        filters.accept(EVENT_FILTERS);
        const since = query.string('since') === '' ? null : queryTime(query.string('since'));
        const until = query.string('until') === '' ? null : queryTime(query.string('until'));
        if (since !== null && until !== null && since > until) {
          throw new GantryError('invalid_parameter', '`since` must be before `until`: swap the two times');
        }
        const stream = reply.stream(200, { 'Content-Type': 'application/json' });
        const wanted = (event: EventMessage): boolean =>
          eventMatches(event, filters) && (until === null || nanoseconds(event) <= until);
        if (since !== null)
          for (const event of events.past())
            if (nanoseconds(event) >= since && wanted(event)) stream.write(eventJson(event));
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
    },
  ];
}
