import { atLeast, defineCommand, StatusError } from '../command.ts';
import { create, prepare } from '../container/create.ts';
import { CREATE_FLAGS } from '../container/flags.ts';

export const command = defineCommand({
  use: '[OPTIONS] IMAGE [COMMAND] [ARG...]',
  summary: 'Create a new container',
  flags: CREATE_FLAGS,
  args: atLeast(1),
  interspersed: false,
  errorStatus: 125,
  complete: { kind: 'image' },
  async run(ctx) {
    const client = await ctx.client();
    client.preconnect(1);
    const body = prepare(ctx, ctx.flags, client.endpoint.display);
    // Only what is wrong with the flags has the status of its own.
    const id = await create(ctx, ctx.flags, client, body).catch((error: Error) => {
      throw new StatusError(1, error.message);
    });
    ctx.stdout.write(`${id}\n`);
  },
});
