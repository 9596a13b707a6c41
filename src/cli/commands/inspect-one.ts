import { atLeast, bool, defineCommand, string } from '../command.ts';
import { platformQuery } from '../container/platform.ts';
import { objectFormatFlag } from './format-flag.ts';
import { inspectAll } from './inspect.ts';

export const containerInspect = defineCommand({
  use: '[OPTIONS] CONTAINER [CONTAINER...]',
  summary: 'Display detailed information on one or more containers',
  args: atLeast(1),
  complete: { kind: 'container', repeat: true },
  flags: { format: objectFormatFlag, size: bool('s', 'Display total file sizes') },
  run: (ctx) => inspectAll(ctx, ['container'], ctx.flags.format, { size: ctx.flags.size ? true : undefined }),
});

export const imageInspect = defineCommand({
  use: '[OPTIONS] IMAGE [IMAGE...]',
  summary: 'Display detailed information on one or more images',
  args: atLeast(1),
  complete: { kind: 'image', repeat: true },
  flags: {
    format: objectFormatFlag,
    platform: string(
      '',
      'Inspect a specific platform of the multi-platform image. Formatted as "os[/arch[/variant]]" (e.g., "linux/amd64")',
    ),
  },
  run: (ctx) => {
    const platform = ctx.flags.platform === '' ? undefined : platformQuery(ctx.flags.platform);
    return inspectAll(ctx, ['image'], ctx.flags.format, { platform });
  },
});

export const networkInspect = defineCommand({
  use: '[OPTIONS] NETWORK [NETWORK...]',
  summary: 'Display detailed information on one or more networks',
  args: atLeast(1),
  complete: { kind: 'network', repeat: true },
  flags: { format: objectFormatFlag, verbose: bool('v', 'Verbose output for diagnostics') },
  run: (ctx) => inspectAll(ctx, ['network'], ctx.flags.format, { verbose: ctx.flags.verbose ? true : undefined }),
});

export const volumeInspect = defineCommand({
  use: '[OPTIONS] VOLUME [VOLUME...]',
  summary: 'Display detailed information on one or more volumes',
  args: atLeast(1),
  complete: { kind: 'volume', repeat: true },
  flags: { format: objectFormatFlag },
  run: (ctx) => inspectAll(ctx, ['volume'], ctx.flags.format),
});
