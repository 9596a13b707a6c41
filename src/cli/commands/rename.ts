import { defineCommand, exactly, StatusError } from '../command.ts';
import { containerPath } from './each.ts';

export const command = defineCommand({
  use: 'CONTAINER NEW_NAME',
  summary: 'Rename a container',
  flags: {},
  args: exactly(2),
  complete: { kind: 'container' },
  async run(ctx) {
    const [container = '', name = ''] = ctx.args.map((arg) => arg.trim());
    if (container === '' || name === '') throw new Error('Error: Neither old nor new names may be empty');
    try {
      await (await ctx.client()).send('POST', containerPath(container, 'rename'), { query: { name } });
    } catch (error) {
      throw new StatusError(1, `${(error as Error).message}\nError: failed to rename container named ${container}`);
    }
  },
});
