import type { Filters } from '../api/filters.ts';
import type { EventMessage } from '../api/schemas/system.ts';

/** Filter keys of SystemEvents (Engine API 1.50). */
export const EVENT_FILTERS = [
  'config',
  'container',
  'daemon',
  'event',
  'image',
  'label',
  'network',
  'node',
  'plugin',
  'scope',
  'secret',
  'service',
  'type',
  'volume',
] as const;

/** Keys that name an object by ID or name, of the event type of the same name. */
const BY_OBJECT = [
  'container',
  'daemon',
  'network',
  'node',
  'plugin',
  'volume',
  'service',
  'secret',
  'config',
] as const;

/** Whether an event passes the filters: values of one key are alternatives, keys must all hold. */
export function eventMatches(event: EventMessage, filters: Filters): boolean {
  const attributes = event.Actor?.Attributes ?? {};
  const action = event.Action ?? '';
  // "exec_start: sh" is asked for as exec_start, and whole.
  const plain = action.includes(':') ? action.slice(0, action.indexOf(':')) : action;
  if (filters.has('event') && !filters.exact('event', action) && !filters.exact('event', plain)) return false;
  if (!filters.exact('type', event.Type ?? '') || !filters.exact('scope', event.scope ?? '')) return false;
  if (!filters.matchLabels('label', attributes)) return false;
  for (const key of BY_OBJECT)
    if (filters.has(key) && !(event.Type === key && names(event, filters.get(key)))) return false;
  return !filters.has('image') || imageMatches(event, filters.get('image'));
}

/** Docker takes the beginning of a name or ID for the whole; nothing at all is the beginning of any. */
function names(event: EventMessage, wanted: readonly string[]): boolean {
  const id = event.Actor?.ID ?? '';
  const name = event.Actor?.Attributes?.name ?? '';
  return wanted.some((value) => id.startsWith(value) || name.startsWith(value));
}

/** An image's own events by ID or name, and those of containers made from it. */
function imageMatches(event: EventMessage, wanted: readonly string[]): boolean {
  const attributes = event.Actor?.Attributes ?? {};
  const candidates = event.Type === 'image' ? [event.Actor?.ID ?? '', attributes.name ?? ''] : [attributes.image ?? ''];
  const untagged = (reference: string): string => reference.replace(/@sha256:[0-9a-f]+$/, '').replace(/:[^/:]+$/, '');
  return wanted.some((value) =>
    candidates.some((candidate) => candidate !== '' && (candidate === value || untagged(candidate) === value)),
  );
}
