import { once } from 'node:events';
import type { Writable } from 'node:stream';
import { GantryError } from '../../api/errors.ts';
import type { Containers } from '../../engine/containers/containers.ts';
import { queryTime } from '../../engine/timestamp.ts';
import type { Route } from '../contract.ts';
import { MULTIPLEXED_STREAM, RAW_STREAM } from './containers-io.ts';

/** What containers have put out (Engine API, ContainerLogs). */
export function logRoutes(containers: Containers): Route[] {
  return [
    {
      method: 'GET',
      path: '/containers/:id/logs',
      operationId: 'ContainerLogs',
      async handler({ params, query, version, signal }, reply) {
        const stdout = query.bool('stdout');
        const stderr = query.bool('stderr');
        if (!stdout && !stderr) {
          throw new GantryError('invalid_parameter', 'Bad parameters: you must choose at least one stream');
        }
        const container = containers.resolve(params.id!);
        const framed = container.record.config.Tty !== true;
        const blocks = containers.logs(container, {
          stdout,
          stderr,
          framed,
          timestamps: query.bool('timestamps'),
          details: query.bool('details'),
          follow: query.bool('follow'),
          since: time(query.string('since')),
          until: time(query.string('until')),
          tail: lines(query.string('tail')),
          signal,
        });
        const type = framed && !version.lessThan('1.42') ? MULTIPLEXED_STREAM : RAW_STREAM;
        await send(blocks, reply.stream(200, { 'Content-Type': type }), signal);
      },
    },
  ];
}

/** Nanoseconds since the epoch; clients send 0 for none. */
function time(text: string): bigint | null {
  return text === '' || text === '0' ? null : queryTime(text);
}

/** Anything but a number of lines means all of them, as with Docker. */
function lines(text: string): number | null {
  return /^\d+$/.test(text) ? Number(text) : null;
}

/** Writes blocks at the client's pace; a reader that waits for more ends when the client goes. */
async function send(blocks: AsyncIterable<Buffer>, output: Writable, signal: AbortSignal): Promise<void> {
  for await (const block of blocks) {
    if (output.write(block)) continue;
    try {
      await once(output, 'drain', { signal });
    } catch (error) {
      if (signal.aborted) break;
      throw error;
    }
  }
  output.end();
}
