import { atLeast, defineCommand } from '../command.ts';
import { waitFor } from '../container/wait.ts';
import { endOnSignals } from '../terminal/signals.ts';
import { forEach } from './each.ts';

export const command = defineCommand({
  use: 'CONTAINER [CONTAINER...]',
  summary: 'Block until one or more containers stop, then print their exit codes',
  flags: {},
  args: atLeast(1),
  complete: { kind: 'container', state: 'running', repeat: true },
  run: (ctx) => {
    endOnSignals();
    return forEach(ctx, ctx.args, async (client, name) => {
      const waiting = await waitFor(client, name, 'not-running');
      return String(await waiting.status);
    });
  },
});
