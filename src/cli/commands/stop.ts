import { atLeast, type Context, defineCommand, int, string } from '../command.ts';
import { containerPath, forEach } from './each.ts';

const flags = {
  signal: string('s', 'Signal to send to the container'),
  // The name before docker 28; it still works.
  time: int('', 'Seconds to wait before killing the container', 0, { hidden: true }),
  timeout: int('t', 'Seconds to wait before killing the container'),
};

function operate(ctx: Context<typeof flags>, operation: 'stop' | 'restart'): Promise<number> {
  if (ctx.changed.has('time') && ctx.changed.has('timeout')) {
    throw new Error('conflicting options: cannot specify both --timeout and --time');
  }
  const seconds = ctx.changed.has('time') ? ctx.flags.time : ctx.changed.has('timeout') ? ctx.flags.timeout : undefined;
  return forEach(ctx, ctx.args, async (client, name) => {
    await client.send('POST', containerPath(name, operation), {
      query: { t: seconds, signal: ctx.flags.signal || undefined },
    });
    return name;
  });
}

export const stop = defineCommand({
  use: '[OPTIONS] CONTAINER [CONTAINER...]',
  summary: 'Stop one or more running containers',
  flags,
  args: atLeast(1),
  complete: { kind: 'container', state: 'running', repeat: true },
  run: async (ctx) => await operate(ctx, 'stop'),
});

export const restart = defineCommand({
  use: '[OPTIONS] CONTAINER [CONTAINER...]',
  summary: 'Restart one or more containers',
  flags,
  args: atLeast(1),
  complete: { kind: 'container', repeat: true },
  run: async (ctx) => await operate(ctx, 'restart'),
});
