import { defineCommand, exactly, string } from '../command.ts';
import { containerPath } from './each.ts';
import { checkOutputFile, writeBody } from './output-file.ts';

export const command = defineCommand({
  use: '[OPTIONS] CONTAINER',
  summary: "Export a container's filesystem as a tar archive",
  flags: { output: string('o', 'Write to a file, instead of STDOUT') },
  args: exactly(1),
  complete: { kind: 'container' },
  completeFlags: { output: { kind: 'file' } },
  async run(ctx) {
    const { output } = ctx.flags;
    if (output === '' && ctx.stdout.isTTY) {
      throw new Error('cowardly refusing to save to a terminal. Use the -o flag or redirect');
    }
    if (output !== '') checkOutputFile(output, 'failed to export container');
    await writeBody(
      await (await ctx.client()).request('GET', containerPath(ctx.args[0]!, 'export')),
      output,
      ctx.stdout,
    );
  },
});
