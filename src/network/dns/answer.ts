import { reverseAddress } from './address.ts';
import { type Answer, CLASS_IN, nameBytes, type Query, TYPE } from './message.ts';
import type { Names } from './names.ts';

/** Seconds; libnetwork's. */
const TTL = 600;
/** Types that are answered for every name of ours. */
const OURS: ReadonlySet<number> = new Set([TYPE.A, TYPE.AAAA, TYPE.ANY, TYPE.MX]);

/**
 * The records of our own for a query, none for a name that has others only (NODATA); undefined when the question is not ours to answer.
 * The rules are libnetwork's, but for other types of a name without a dot: nobody else knows such a name, and the "no such name" that
 * asking outside would bring is taken by some clients for all types (RFC 8020).
 * @param turn counts queries: where the list of several addresses begins
 */
export function answerFrom(names: Names, sandboxId: string, query: Query, turn: number): Answer[] | undefined {
  if (query.class !== CLASS_IN) return undefined;
  const { type, name } = query;
  if (type === TYPE.PTR) return pointer(names, sandboxId, name);
  const found = names.lookup(sandboxId, name);
  if (found === undefined) return undefined;
  const ipv4 = type === TYPE.A || type === TYPE.ANY ? found.ipv4 : [];
  const ipv6 = type === TYPE.AAAA || type === TYPE.ANY ? found.ipv6 : [];
  if (!OURS.has(type) && name.includes('.')) return undefined;
  return [
    ...rotated(ipv4, turn).map((data) => ({ type: TYPE.A, ttl: TTL, data })),
    ...rotated(ipv6, turn).map((data) => ({ type: TYPE.AAAA, ttl: TTL, data })),
  ];
}

function pointer(names: Names, sandboxId: string, name: string): Answer[] | undefined {
  const address = reverseAddress(name);
  const target = address === undefined ? undefined : names.reverse(sandboxId, address);
  const data = target === undefined ? undefined : nameBytes(target);
  return data === undefined ? undefined : [{ type: TYPE.PTR, ttl: TTL, data }];
}

function rotated<T>(list: T[], turn: number): T[] {
  if (list.length < 2) return list;
  const start = turn % list.length;
  return [...list.slice(start), ...list.slice(0, start)];
}
