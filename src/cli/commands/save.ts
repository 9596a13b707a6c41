import { atLeast, defineCommand, string } from '../command.ts';
import { platformQuery } from '../container/platform.ts';
import { checkOutputFile, writeBody } from './output-file.ts';

export const command = defineCommand({
  use: '[OPTIONS] IMAGE [IMAGE...]',
  summary: 'Save one or more images to a tar archive (streamed to STDOUT by default)',
  flags: {
    output: string('o', 'Write to a file, instead of STDOUT'),
    platform: string('', 'Save only this platform\'s variant, as "os[/arch[/variant]]" (e.g., "linux/amd64")'),
  },
  args: atLeast(1),
  complete: { kind: 'image', repeat: true },
  completeFlags: { output: { kind: 'file' } },
  async run(ctx) {
    const { output, platform } = ctx.flags;
    if (output === '' && ctx.stdout.isTTY) {
      throw new Error('cowardly refusing to save to a terminal. Use the -o flag or redirect');
    }
    if (output !== '') checkOutputFile(output, 'failed to save image');
    const body = await (await ctx.client()).request('GET', '/images/get', {
      query: { names: ctx.args, platform: platform === '' ? undefined : platformQuery(platform) },
    });
    await writeBody(body, output, ctx.stdout);
  },
});
