import type { FilesystemChange } from '../../api/schemas/container.ts';
import { defineCommand, exactly } from '../command.ts';
import { containerPath } from './each.ts';

/** ChangeType of the API: modified, added, deleted. */
const LETTERS = ['C', 'A', 'D'];

export const command = defineCommand({
  use: 'CONTAINER',
  summary: "Inspect changes to files or directories on a container's filesystem",
  flags: {},
  args: exactly(1),
  complete: { kind: 'container' },
  async run(ctx) {
    const path = containerPath(ctx.args[0]!, 'changes');
    const changes = await (await ctx.client()).json<FilesystemChange[] | null>('GET', path);
    ctx.stdout.write((changes ?? []).map(({ Kind, Path }) => `${LETTERS[Kind ?? 0]} ${Path}\n`).join(''));
  },
});
