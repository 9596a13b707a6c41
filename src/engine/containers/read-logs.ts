import { formatNano } from '../../api/timestamp.ts';
import type { ContainerRecord } from '../container-record.ts';
import type { LogEntry, LogReadOptions } from '../logs/contract.ts';
import type { LogDrivers } from '../logs/log-drivers.ts';
import { frame, STDERR, STDOUT } from './frames.ts';

export interface LogsRequest extends LogReadOptions {
  stdout: boolean;
  stderr: boolean;
  /** Each entry's time in front of it. */
  timestamps: boolean;
  /** What the driver's options labels, env and tag add, in front of the entry. */
  details: boolean;
  /** A frame around each entry; without, both streams come as one. */
  framed: boolean;
}

/**
 * What a container has put out, as clients get it (Engine API, ContainerLogs), in blocks of many entries. Throws not_supported at once
 * when the log driver keeps nothing.
 */
export function readLogs(
  record: ContainerRecord,
  drivers: LogDrivers,
  request: LogsRequest,
): AsyncGenerator<Buffer, void> {
  return blocks(drivers.of(record).read(record, request), request);
}

async function* blocks(batches: AsyncIterable<LogEntry[]>, request: LogsRequest): AsyncGenerator<Buffer, void> {
  for await (const batch of batches) {
    const parts: Buffer[] = [];
    for (const entry of batch) {
      if (!(entry.stream === 'stdout' ? request.stdout : request.stderr)) continue;
      let line = entry.line;
      if (request.details || request.timestamps) {
        const time = request.timestamps ? `${formatNano(entry.timeNs)} ` : '';
        const details = request.details ? `${detailsOf(entry)} ` : '';
        line = Buffer.concat([Buffer.from(time + details), line]);
      }
      parts.push(request.framed ? frame(entry.stream === 'stdout' ? STDOUT : STDERR, line) : line);
    }
    if (parts.length > 0) yield Buffer.concat(parts);
  }
}

/** "name=value,name=value", sorted and escaped as in a query string. */
function detailsOf(entry: LogEntry): string {
  const escaped = (text: string) => encodeURIComponent(text).replace(/%20/g, '+');
  return Object.keys(entry.attrs)
    .sort()
    .map((name) => `${escaped(name)}=${escaped(entry.attrs[name]!)}`)
    .join(',');
}
