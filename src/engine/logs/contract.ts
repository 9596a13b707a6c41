/**
 * A log driver decides where a container's output goes and how it is read back.
 *
 * Life cycle: validateOptions() at container create; sinkFor() at each start, whose result the container's monitor writes to
 * on its own (the daemon is not on that path and may be away); read() at any time, also while the monitor writes or rotates,
 * and after the container is gone to exited. Drivers hold no state between calls: all is derived from the record and the files.
 */
import type { LogMark, LogSink } from '../../runtime/contract.ts';
import type { ContainerRecord } from '../container-record.ts';

export interface LogEntry {
  stream: 'stdout' | 'stderr';
  /** Nanoseconds since the epoch. */
  timeNs: bigint;
  /** With its newline, unless `partial`. */
  line: Buffer;
  /** The line goes on in the next entry of the same stream, or its end was never written. */
  partial: boolean;
  /** What the labels, env and tag options ask for. */
  attrs: Record<string, string>;
}

export interface LogReadOptions {
  /** Entries at or after, nanoseconds since the epoch; null: from the first. */
  since: bigint | null;
  /** Entries at or before; null: without end. */
  until: bigint | null;
  /** Number of the last entries, of both streams, before since and until are applied; null: all. */
  tail: number | null;
  /**
   * null: read what is there and end. Otherwise wait for more, and end when this signal has fired (the container's log is complete:
   * process exited and monitor gone) and everything written by then was given.
   */
  follow: AbortSignal | null;
  /**
   * Instead of `follow`: called once everything was given that was there, it says how far to go on, null for all that is there by then.
   * The read ends at that place.
   */
  upTo?: () => Promise<LogMark | null>;
  /** Ends a read early, silently. */
  signal: AbortSignal;
}

export interface LogDriver {
  readonly name: string;
  /** Throws invalid_parameter with Docker's message for an option that the driver does not know or a value it cannot use. */
  validateOptions(options: Record<string, string>): void;
  /** What the monitor shall write to; null when this driver keeps nothing. Makes the directory it needs. */
  sinkFor(record: ContainerRecord): LogSink | null;
  /** Path shown as LogPath by inspect, '' for none. */
  logPath(record: ContainerRecord): string;
  /** Entries in the order they were written, in batches as they come from the disk. Throws not_supported when the driver cannot read back. */
  read(record: ContainerRecord, options: LogReadOptions): AsyncIterable<LogEntry[]>;
}
