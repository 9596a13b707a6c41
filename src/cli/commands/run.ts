import { ApiError } from '../../api/client/errors.ts';
import { atLeast, type Context, defineCommand, StatusError } from '../command.ts';
import { attach, detachKeysOf, sessionOptions, startAttached } from '../container/attach.ts';
import { create, prepare, startFailureStatus } from '../container/create.ts';
import { RUN_FLAGS } from '../container/flags.ts';
import { type Waiting, waitFor } from '../container/wait.ts';
import type { FlagValues } from '../flags/spec.ts';
import { PROGRAM } from '../names.ts';
import { forwardSignals } from '../terminal/signals.ts';
import { containerPath } from './each.ts';

export const command = defineCommand({
  use: '[OPTIONS] IMAGE [COMMAND] [ARG...]',
  summary: 'Create and run a new container from an image',
  flags: RUN_FLAGS,
  args: atLeast(1),
  interspersed: false,
  errorStatus: 125,
  complete: { kind: 'image' },
  run,
});

async function run(ctx: Context<typeof RUN_FLAGS>): Promise<number> {
  const { flags } = ctx;
  const client = await ctx.client();
  client.preconnect(1);
  const body = prepare(ctx, flags as FlagValues<typeof RUN_FLAGS>, client.endpoint.display);
  if (flags.detach) {
    if (flags.attach.length > 0)
      throw new StatusError(1, 'conflicting options: cannot specify both --attach and --detach');
    body.AttachStdin = body.AttachStdout = body.AttachStderr = false;
    body.StdinOnce = false;
  } else if (body.AttachStdin && body.Tty && !ctx.stdin.isTTY) {
    throw new StatusError(1, 'the input device is not a TTY');
  }
  const attachment = {
    tty: body.Tty ?? false,
    stdin: body.AttachStdin ?? false,
    stdout: body.AttachStdout ?? false,
    stderr: body.AttachStderr ?? false,
    detachKeys: detachKeysOf(ctx, flags['detach-keys']),
  };

  const attached = attachment.stdin || attachment.stdout || attachment.stderr;
  const creating = create(ctx, flags, client, body);
  // While the engine creates: the connections to attach and to wait, and the code for them.
  if (attached) client.preconnect(2);
  const sessionModule = attached ? import('../terminal/session.ts') : undefined;
  const id = await creating;
  if (!attached) {
    ctx.stdout.write(`${id}\n`);
    await client.send('POST', containerPath(id, 'start')).catch((error: Error) => failStart(ctx, error));
    return 0;
  }

  const proxy = flags['sig-proxy'] ? forwardSignals(client, id, ctx.stderr) : undefined;
  const [hijacked, waiting] = await Promise.all([
    attach(client, id, attachment),
    waitFor(client, id, flags.rm ? 'removed' : 'next-exit'),
  ]);
  const { runSession } = await sessionModule!;
  const session = runSession(hijacked, sessionOptions(ctx, attachment));
  try {
    await startAttached(client, id, hijacked, session);
  } catch (error) {
    if (flags.rm) await waiting.status.catch(() => {});
    return failStart(ctx, error as Error);
  }
  proxy?.started();
  if (attachment.tty && ctx.stdout.isTTY) {
    const { followSize } = await import('../terminal/resize.ts');
    followSize(client, containerPath(id, 'resize'), ctx.stdout);
  }
  if ((await session) === 'detached') return 0;
  return await exitStatus(ctx, waiting);
}

async function exitStatus(ctx: Context, waiting: Waiting): Promise<number> {
  try {
    return await waiting.status;
  } catch (error) {
    ctx.stderr.write(`Error waiting for container: ${(error as Error).message}\n`);
    return 125;
  }
}

function failStart(ctx: Context, error: Error): never {
  if (!(error instanceof ApiError)) throw error;
  throw new StatusError(
    startFailureStatus(error.detail),
    `${PROGRAM}: ${error.message}\n\nRun '${ctx.invokedAs} --help' for more information`,
  );
}
