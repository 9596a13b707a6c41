import { Demultiplexer } from '../../api/client/multiplex.ts';
import type { ContainerInspectResponse } from '../../api/schemas/container.ts';
import { bool, defineCommand, exactly, string } from '../command.ts';
import { endOnSignals } from '../terminal/signals.ts';
import { containerPath } from './each.ts';
import { timestampQuery } from './timestamp.ts';

function time(flag: string, text: string): string | undefined {
  try {
    return timestampQuery(text);
  } catch (error) {
    throw new Error(`invalid value for ${JSON.stringify(flag)}: ${(error as Error).message}`, { cause: error });
  }
}

export const command = defineCommand({
  use: '[OPTIONS] CONTAINER',
  summary: 'Fetch the logs of a container',
  flags: {
    details: bool('', 'Show extra details provided to logs'),
    follow: bool('f', 'Follow log output'),
    since: string('', 'Show logs since a time (e.g. "2013-01-02T13:23:37Z") or relative (e.g. "42m" for 42 minutes)'),
    tail: string('n', 'Number of lines to show from the end of the logs', 'all'),
    timestamps: bool('t', 'Show timestamps'),
    until: string('', 'Show logs before a time (e.g. "2013-01-02T13:23:37Z") or relative (e.g. "42m" for 42 minutes)'),
  },
  args: exactly(1),
  complete: { kind: 'container' },
  async run(ctx) {
    const { details, follow, since, tail, timestamps, until } = ctx.flags;
    const name = ctx.args[0]!;
    if (follow) endOnSignals();
    const client = await ctx.client();
    client.preconnect(2);
    const query = {
      stdout: true,
      stderr: true,
      details: details || undefined,
      follow: follow || undefined,
      timestamps: timestamps || undefined,
      tail,
      since: time('since', since),
      until: time('until', until),
    };
    // Both at once; whether the stream is multiplexed follows from the container's settings.
    const [container, response] = await Promise.all([
      client.json<ContainerInspectResponse>('GET', containerPath(name, 'json')),
      client.request('GET', containerPath(name, 'logs'), { query }),
    ]);
    if (container.Config?.Tty) {
      for await (const chunk of response) ctx.stdout.write(chunk);
      return;
    }
    const streams = new Demultiplexer(
      (chunk) => ctx.stdout.write(chunk),
      (chunk) => ctx.stderr.write(chunk),
    );
    for await (const chunk of response) streams.push(chunk);
  },
});
