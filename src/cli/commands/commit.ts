import { between, bool, defineCommand, list, string } from '../command.ts';
import { splitReference } from '../container/reference.ts';

export const command = defineCommand({
  use: '[OPTIONS] CONTAINER [REPOSITORY[:TAG]]',
  summary: "Create a new image from a container's changes",
  flags: {
    author: string('a', 'Author (e.g., "Ada Lovelace <ada@example.org>")'),
    change: list('c', 'Apply a Dockerfile instruction to the image'),
    message: string('m', 'Commit message'),
    pause: bool('p', 'Pause the container during the commit', true),
  },
  args: between(1, 2),
  complete: { kind: 'container' },
  async run(ctx) {
    const [container, name] = ctx.args as [string, string?];
    const { author, change, message } = ctx.flags;
    const reference = name ? splitReference(name) : undefined;
    const { Id } = await (await ctx.client()).json<{ Id: string }>('POST', '/commit', {
      query: {
        container,
        repo: reference?.repo,
        tag: reference?.tag,
        author: author || undefined,
        comment: message || undefined,
        changes: change.length > 0 ? change : undefined,
        pause: ctx.flags.pause ? undefined : false,
      },
      json: {},
    });
    ctx.stdout.write(`${Id}\n`);
  },
});
