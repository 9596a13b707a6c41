import { ApiError } from '../../api/client/errors.ts';
import { atLeast, bool, defineCommand } from '../command.ts';
import { containerPath, forEach } from './each.ts';

export const command = defineCommand({
  use: '[OPTIONS] CONTAINER [CONTAINER...]',
  summary: 'Remove one or more containers',
  flags: {
    force: bool('f', 'Force the removal of a running container (uses SIGKILL)'),
    link: bool('l', 'Remove the specified link'),
    volumes: bool('v', 'Remove the anonymous volumes of the container'),
  },
  args: atLeast(1),
  complete: { kind: 'container', repeat: true },
  async run(ctx) {
    const { force, link, volumes } = ctx.flags;
    const remove = async (client: Awaited<ReturnType<typeof ctx.client>>, given: string) => {
      const name = given.replace(/^\/+|\/+$/g, '');
      if (name === '') throw new Error('container name cannot be empty');
      await client.send('DELETE', containerPath(name), {
        query: { force: force || undefined, link: link || undefined, v: volumes || undefined },
      });
      return name;
    };
    // With --force a container that is not there is as good as removed: said, but no failure.
    return await forEach(ctx, ctx.args, remove, {
      forgive: (error) => force && error instanceof ApiError && error.status === 404,
    });
  },
});
