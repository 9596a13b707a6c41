import { bool, defineCommand, exactly, string } from '../command.ts';
import { wantedPlatform } from '../container/platform.ts';
import { splitReference } from '../container/reference.ts';
import { pullImage } from '../progress/pull.ts';

export const command = defineCommand({
  use: '[OPTIONS] NAME[:TAG|@DIGEST]',
  summary: 'Download an image from a registry',
  flags: {
    'all-tags': bool('a', 'Download all tagged images in the repository'),
    'disable-content-trust': bool('', 'Skip image verification', true),
    platform: string('', 'Set the platform, if the server knows several'),
    quiet: bool('q', 'Suppress verbose output'),
  },
  args: exactly(1),
  complete: { kind: 'image' },
  async run(ctx) {
    const name = ctx.args[0]!;
    const { quiet } = ctx.flags;
    if (!ctx.flags['disable-content-trust']) throw new Error('--disable-content-trust=false is not supported yet');
    if (!name.includes('@')) splitReference(name);
    const tagged = name.includes('@') || /:[^/]*$/.test(name);
    if (ctx.flags['all-tags'] && tagged) throw new Error("tag can't be used with --all-tags/-a");
    if (!tagged && !ctx.flags['all-tags'] && !quiet) ctx.stdout.write('Using default tag: latest\n');
    const full = await pullImage(
      await ctx.client(),
      name,
      wantedPlatform(ctx.flags.platform, ctx.env),
      quiet ? undefined : ctx.stdout,
      ctx.flags['all-tags'],
    );
    ctx.stdout.write(`${full}\n`);
  },
});
