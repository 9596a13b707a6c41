import type { ContainerTopResponse } from '../../api/schemas/container.ts';
import { atLeast, defineCommand } from '../command.ts';
import { alignTabs } from '../format/table.ts';

export const command = defineCommand({
  use: 'CONTAINER [ps OPTIONS]',
  summary: 'Display the running processes of a container',
  args: atLeast(1),
  interspersed: false,
  complete: { kind: 'container', state: 'running' },
  flags: {},
  async run(ctx) {
    const [name, ...options] = ctx.args;
    const client = await ctx.client();
    const top = await client.json<ContainerTopResponse>('GET', `/containers/${encodeURIComponent(name!)}/top`, {
      query: { ps_args: options.length > 0 ? options.join(' ') : undefined },
    });
    const lines = [top.Titles ?? [], ...(top.Processes ?? [])].map((cells) => `${cells.join('\t')}\n`);
    // Docker's settings for this table alone: least width 20, padding 3.
    ctx.stdout.write(alignTabs(lines.join(''), 20, 3));
  },
});
