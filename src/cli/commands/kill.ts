import { atLeast, defineCommand, string } from '../command.ts';
import { containerPath, forEach } from './each.ts';

export const command = defineCommand({
  use: '[OPTIONS] CONTAINER [CONTAINER...]',
  summary: 'Kill one or more running containers',
  flags: { signal: string('s', 'Signal to send to the container') },
  args: atLeast(1),
  complete: { kind: 'container', state: 'running', repeat: true },
  run: (ctx) =>
    forEach(ctx, ctx.args, async (client, name) => {
      await client.send('POST', containerPath(name, 'kill'), { query: { signal: ctx.flags.signal || undefined } });
      return name;
    }),
});
