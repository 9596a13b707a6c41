import { anyArgs, defineCommand } from '../command.ts';
import { candidates } from '../completion/candidates.ts';

/** What the completion scripts call: the words so far, the last one incomplete. One candidate a line; ":files" asks the shell for file names, ":open" for no space behind. */
export const command = defineCommand({
  use: 'WORD...',
  summary: 'List what may complete the command line',
  flags: {},
  args: anyArgs,
  interspersed: false,
  async run(ctx) {
    const { values, files, open } = await candidates(ctx, ctx.args);
    const lines = values.map(({ value, about }) => (about ? `${value}\t${about}` : value));
    if (open) lines.push(':open');
    if (files) lines.push(':files');
    if (lines.length > 0) ctx.stdout.write(`${lines.join('\n')}\n`);
  },
});
