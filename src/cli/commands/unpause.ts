import { atLeast, defineCommand } from '../command.ts';
import { containerPath, forEach } from './each.ts';

export const command = defineCommand({
  use: 'CONTAINER [CONTAINER...]',
  summary: 'Unpause all processes within one or more containers',
  flags: {},
  args: atLeast(1),
  complete: { kind: 'container', state: 'paused', repeat: true },
  run: (ctx) =>
    forEach(ctx, ctx.args, async (client, name) => {
      await client.send('POST', containerPath(name, 'unpause'));
      return name;
    }),
});
