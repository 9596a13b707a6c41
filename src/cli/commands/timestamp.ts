import { formatUnixTime, nowNs, parseTimestamp, parseUnixTime } from '../../api/timestamp.ts';

/**
 * --since and --until as the API takes them: seconds since the epoch with a fraction. A Unix time stays as it is written.
 * Throws for what is no time; undefined for ''.
 */
export function timestampQuery(text: string, now: bigint = nowNs()): string | undefined {
  if (text === '') return undefined;
  const ns = parseTimestamp(text, now);
  if (ns === null) throw new Error(`failed to parse value as time or duration: ${JSON.stringify(text)}`);
  return parseUnixTime(text) === null ? formatUnixTime(ns) : text;
}
