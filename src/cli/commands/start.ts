import type { ContainerInspectResponse } from '../../api/schemas/container.ts';
import { atLeast, bool, type Context, defineCommand, StatusError, string } from '../command.ts';
import { attach, detachKeysOf, sessionOptions, startAttached } from '../container/attach.ts';
import { waitFor } from '../container/wait.ts';
import { followSize } from '../terminal/resize.ts';
import { runSession } from '../terminal/session.ts';
import { forwardSignals } from '../terminal/signals.ts';
import { containerPath } from './each.ts';

const flags = {
  attach: bool('a', 'Attach STDOUT/STDERR and forward signals'),
  checkpoint: string('', 'Restore from this checkpoint', '', { hidden: true }),
  'checkpoint-dir': string('', 'Directory of the checkpoint', '', { hidden: true }),
  'detach-keys': string('', 'Key sequence that detaches from the container'),
  interactive: bool('i', "Attach the container's STDIN"),
};

export const command = defineCommand({
  use: '[OPTIONS] CONTAINER [CONTAINER...]',
  summary: 'Start one or more stopped containers',
  flags,
  args: atLeast(1),
  complete: { kind: 'container', state: 'stopped', repeat: true },
  async run(ctx) {
    const { attach, interactive, checkpoint } = ctx.flags;
    if (checkpoint !== '' || ctx.flags['checkpoint-dir'] !== '') throw new Error('checkpoints are not supported yet');
    if (!attach && !interactive) return await startAll(ctx);
    if (ctx.args.length > 1) throw new Error('you cannot start and attach multiple containers at once');
    return await startOne(ctx, ctx.args[0]!);
  },
});

async function startAll(ctx: Context): Promise<number> {
  const client = await ctx.client();
  const failed: string[] = [];
  for (const name of ctx.args) {
    try {
      await client.send('POST', containerPath(name, 'start'));
      ctx.stdout.write(`${name}\n`);
    } catch (error) {
      ctx.stderr.write(`${(error as Error).message}\n`);
      failed.push(name);
    }
  }
  if (failed.length > 0) throw new StatusError(1, `Error: failed to start containers: ${failed.join(', ')}`);
  return 0;
}

async function startOne(ctx: Context<typeof flags>, name: string): Promise<number> {
  const client = await ctx.client();
  const container = await client.json<ContainerInspectResponse>('GET', containerPath(name, 'json'));
  const id = container.Id!;
  const tty = container.Config?.Tty ?? false;
  if (ctx.flags.interactive && tty && !ctx.stdin.isTTY) throw new Error('the input device is not a TTY');
  const detachKeys = detachKeysOf(ctx, ctx.flags['detach-keys']);
  const stdin = ctx.flags.interactive && (container.Config?.OpenStdin ?? false);
  const attachment = { tty, stdin, stdout: true, stderr: true, detachKeys };
  // With a terminal the process itself gets what is typed; signals come from elsewhere.
  const proxy = tty ? undefined : forwardSignals(client, id, ctx.stderr);
  const [hijacked, waiting] = await Promise.all([
    attach(client, id, attachment),
    waitFor(client, id, container.HostConfig?.AutoRemove ? 'removed' : 'next-exit'),
  ]);
  const session = runSession(hijacked, sessionOptions(ctx, attachment));
  await startAttached(client, id, hijacked, session);
  proxy?.started();
  if (tty && ctx.stdout.isTTY) followSize(client, containerPath(id, 'resize'), ctx.stdout);
  if ((await session) === 'detached') return 0;
  return await waiting.status;
}
