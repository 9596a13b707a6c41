import type { ContainerInspectResponse } from '../../api/schemas/container.ts';
import { bool, defineCommand, exactly, StatusError, string } from '../command.ts';
import { attach, detachKeysOf, sessionOptions } from '../container/attach.ts';
import { waitFor } from '../container/wait.ts';
import { followSize } from '../terminal/resize.ts';
import { runSession } from '../terminal/session.ts';
import { forwardSignals } from '../terminal/signals.ts';
import { containerPath } from './each.ts';

export const command = defineCommand({
  use: '[OPTIONS] CONTAINER',
  summary: 'Attach local standard input, output, and error streams to a running container',
  flags: {
    'detach-keys': string('', 'Key sequence that detaches from the container'),
    'no-stdin': bool('', 'Do not attach STDIN'),
    'sig-proxy': bool('', 'Pass all signals on to the process', true),
  },
  args: exactly(1),
  complete: { kind: 'container', state: 'running' },
  async run(ctx) {
    const client = await ctx.client();
    client.preconnect(2);
    const container = await client.json<ContainerInspectResponse>('GET', containerPath(ctx.args[0]!, 'json'));
    const state = container.State;
    if (!state?.Running) throw new Error('You cannot attach to a stopped container, start it first');
    if (state.Paused) throw new Error('You cannot attach to a paused container, unpause it first');
    if (state.Restarting) {
      throw new Error('You cannot attach to a restarting container, wait until it is running');
    }
    const id = container.Id!;
    const tty = container.Config?.Tty ?? false;
    const stdin = !ctx.flags['no-stdin'] && (container.Config?.OpenStdin ?? false);
    if (stdin && tty && !ctx.stdin.isTTY) throw new Error('the input device is not a TTY');
    const detachKeys = detachKeysOf(ctx, ctx.flags['detach-keys']);
    const attachment = { tty, stdin, stdout: true, stderr: true, detachKeys };
    if (ctx.flags['sig-proxy'] && !tty) forwardSignals(client, id, ctx.stderr).started();
    const [hijacked, waiting] = await Promise.all([attach(client, id, attachment), waitFor(client, id, 'not-running')]);
    // A size that differs for a moment makes full-screen programs draw themselves anew.
    if (tty && ctx.stdout.isTTY) followSize(client, containerPath(id, 'resize'), ctx.stdout, true);
    const end = await runSession(hijacked, sessionOptions(ctx, attachment));
    if (end === 'detached') throw new StatusError(1, 'read escape sequence');
    return await waiting.status;
  },
});
