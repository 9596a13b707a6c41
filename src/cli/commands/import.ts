import { atLeast, defineCommand, list, string } from '../command.ts';
import { wantedPlatform } from '../container/platform.ts';
import { splitReference } from '../container/reference.ts';
import { showProgress } from '../progress/progress.ts';
import { readPieces } from './output-file.ts';

export const command = defineCommand({
  use: '[OPTIONS] file|URL|- [REPOSITORY[:TAG]]',
  summary: 'Import the contents from a tarball to create a filesystem image',
  flags: {
    change: list('c', 'Apply a Dockerfile instruction to the image'),
    message: string('m', 'Set the commit message of the image'),
    platform: string('', 'Set the platform, if the server knows several'),
  },
  args: atLeast(1),
  complete: { kind: 'file' },
  async run(ctx) {
    const [source, name] = ctx.args as [string, string?];
    const { change, message } = ctx.flags;
    const remote = source.startsWith('http://') || source.startsWith('https://');
    const reference = name ? splitReference(name) : undefined;
    const stream = remote ? undefined : readPieces(source);
    const response = await (await ctx.client()).request('POST', '/images/create', {
      query: {
        fromSrc: remote ? source : '-',
        repo: reference?.repo,
        tag: reference?.tag,
        message: message || undefined,
        changes: change.length > 0 ? change : undefined,
        platform: wantedPlatform(ctx.flags.platform, ctx.env) || undefined,
      },
      ...(stream ? { stream, contentType: 'text/plain' } : {}),
    });
    await showProgress(response, ctx.stdout);
  },
});
