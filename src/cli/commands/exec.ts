import type { Client } from '../../api/client/client.ts';
import { atLeast, bool, type Context, defineCommand, list, StatusError, string } from '../command.ts';
import { detachKeysOf, sessionOptions } from '../container/attach.ts';
import { checkEnv } from '../container/checks.ts';
import { environment } from '../container/key-values.ts';
import { followSize } from '../terminal/resize.ts';
import { runSession } from '../terminal/session.ts';
import { containerPath } from './each.ts';

const flags = {
  detach: bool('d', 'Run the command in the background'),
  'detach-keys': string('', 'Key sequence that detaches from the command'),
  env: list('e', 'Set environment variables', checkEnv),
  'env-file': list('', 'Read environment variables from a file'),
  interactive: bool('i', 'Keep STDIN open even if not attached'),
  privileged: bool('', 'Give the command extended privileges'),
  tty: bool('t', 'Allocate a pseudo-TTY'),
  user: string('u', 'User name or UID (format: "<name|uid>[:<group|gid>]")'),
  workdir: string('w', 'Working directory inside the container'),
};

export const command = defineCommand({
  use: '[OPTIONS] CONTAINER COMMAND [ARG...]',
  summary: 'Execute a command in a running container',
  flags,
  args: atLeast(2),
  interspersed: false,
  complete: { kind: 'container', state: 'running' },
  run,
});

async function run(ctx: Context<typeof flags>): Promise<number> {
  const { detach, interactive, tty, privileged, user, workdir } = ctx.flags;
  const [container = '', ...cmd] = ctx.args;
  const client = await ctx.client();
  client.preconnect(2);
  const env = environment(ctx.flags['env-file'], ctx.flags.env, ctx.env);
  const detachKeys = detachKeysOf(ctx, ctx.flags['detach-keys']);
  const attachStdin = interactive && !detach;
  if (attachStdin && tty && !ctx.stdin.isTTY) throw new Error('the input device is not a TTY');
  const size = tty && ctx.stdout.isTTY ? { ConsoleSize: [ctx.stdout.rows(), ctx.stdout.columns()] } : {};

  const { Id } = await client.json<{ Id: string }>('POST', containerPath(container, 'exec'), {
    json: {
      Cmd: cmd,
      Tty: tty,
      AttachStdin: attachStdin,
      AttachStdout: !detach,
      AttachStderr: !detach,
      ...(detachKeys ? { DetachKeys: detachKeys } : {}),
      ...(env.length > 0 ? { Env: env } : {}),
      ...(privileged ? { Privileged: true } : {}),
      ...(user ? { User: user } : {}),
      ...(workdir ? { WorkingDir: workdir } : {}),
      ...size,
    },
  });
  const path = `/exec/${Id}`;
  if (detach) {
    await client.send('POST', `${path}/start`, { json: { Detach: true, Tty: tty } });
    return 0;
  }
  const hijacked = await client.hijack('POST', `${path}/start`, { json: { Detach: false, Tty: tty, ...size } });
  if (tty && ctx.stdout.isTTY) followSize(client, `${path}/resize`, ctx.stdout);
  const attachment = { tty, stdin: attachStdin, stdout: true, stderr: true, detachKeys };
  const end = await runSession(hijacked, sessionOptions(ctx, attachment));
  if (end === 'detached') throw new StatusError(1, 'read escape sequence');
  return await exitCode(client, path);
}

const SETTLE_MS = 10;
const ATTEMPTS = 50;

/** The output can end before the engine has noted the exit code: a process may close its streams and live on for a moment. */
async function exitCode(client: Client, path: string): Promise<number> {
  for (let attempt = 0; ; attempt++) {
    const exec = await client.json<{ ExitCode?: number | null; Running?: boolean }>('GET', `${path}/json`);
    if (!exec.Running || attempt === ATTEMPTS) return exec.ExitCode ?? 0;
    await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
  }
}
