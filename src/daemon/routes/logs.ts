import { once } from 'node:events';
import type { Writable } from 'node:stream';
import { GantryError } from '../../api/errors.ts';
import type { Containers } from '../../engine/containers/containers.ts';
import { queryTime } from '../../engine/timestamp.ts';
import { type Route, route } from '../contract.ts';
import { bytes, MULTIPLEXED_STREAM, RAW_STREAM } from '../http/answers.ts';
import { flag, text } from '../http/parameters.ts';

/** What containers have put out (Engine API, ContainerLogs). */
export function logRoutes(containers: Containers): Route[] {
  return [
    route({
      method: 'GET',
      path: '/containers/:id*/logs',
      operationId: 'ContainerLogs',
      summary: 'What a container has put out',
      query: {
        follow: flag('Go on until the container ends'),
        stdout: flag('Its stdout'),
        stderr: flag('Its stderr'),
        since: text('Unix seconds, RFC 3339 or a duration back from now: entries from then on', { missing: '0' }),
        until: text('The same: entries up to then', { missing: '0' }),
        timestamps: flag("Each entry's time in front of it"),
        details: flag("What the log driver's options add, in front of each entry"),
        tail: text('How many of the last entries, or all', { missing: 'all' }),
      },
      answers: {
        200: bytes('The output, framed unless the container has a terminal', RAW_STREAM, MULTIPLEXED_STREAM),
      },
      refusals: [404, 501],
      async handler({ params, query, version, signal }, reply) {
        const { stdout, stderr } = query;
        if (!stdout && !stderr) {
          throw new GantryError('invalid_parameter', 'Bad parameters: you must choose at least one stream');
        }
        const container = containers.resolve(params.id!);
        const framed = container.record.config.Tty !== true;
        const blocks = containers.logs(container, {
          ...query,
          framed,
          since: time(query.since),
          until: time(query.until),
          tail: lines(query.tail),
          signal,
        });
        const type = framed && !version.lessThan('1.42') ? MULTIPLEXED_STREAM : RAW_STREAM;
        await send(blocks, reply.stream(200, { 'Content-Type': type }), signal);
      },
    }),
  ];
}

/** Nanoseconds since the epoch; clients send 0 for none. */
function time(text: string): bigint | null {
  return text === '0' ? null : queryTime(text);
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
