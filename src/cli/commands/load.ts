import { bool, defineCommand, noArgs, string } from '../command.ts';
import { platformQuery } from '../container/platform.ts';
import { showProgress } from '../progress/progress.ts';
import { readPieces } from './output-file.ts';

export const command = defineCommand({
  use: '[OPTIONS]',
  summary: 'Load an image from a tar archive or STDIN',
  flags: {
    input: string('i', 'Read from a tar archive file, instead of STDIN'),
    platform: string('', 'Load only this platform\'s variant, as "os[/arch[/variant]]" (e.g., "linux/amd64")'),
    quiet: bool('q', 'Suppress the load output'),
  },
  args: noArgs,
  completeFlags: { input: { kind: 'file' } },
  async run(ctx) {
    const { input, platform } = ctx.flags;
    if (input === '' && ctx.stdin.isTTY) throw new Error('requested load from stdin, but stdin is empty');
    const client = await ctx.client();
    const response = await client.request('POST', '/images/load', {
      query: {
        // Progress bars are for people.
        quiet: ctx.flags.quiet || !ctx.stdout.isTTY,
        platform: platform === '' ? undefined : platformQuery(platform),
      },
      stream: readPieces(input === '' ? '-' : input),
    });
    if (response.headers['content-type']?.startsWith('application/json')) {
      await showProgress(response, ctx.stdout);
      return;
    }
    for await (const chunk of response) ctx.stdout.write(chunk);
  },
});
