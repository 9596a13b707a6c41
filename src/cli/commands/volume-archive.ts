/** What Docker's volume commands do not have: backup, restore, rename. */
import type { Volume } from '../../api/schemas/volume.ts';
import { bool, defineCommand, exactly, string } from '../command.ts';
import { checkOutputFile, readPieces, writeBody } from './output-file.ts';

const volumePath = (name: string, action: string) => `/volumes/${encodeURIComponent(name)}/${action}`;

export const backup = defineCommand({
  use: '[OPTIONS] VOLUME',
  summary: "Write a volume's content to a tar archive with a checksum",
  flags: { output: string('o', 'Write to a file, instead of STDOUT') },
  args: exactly(1),
  complete: { kind: 'volume' },
  completeFlags: { output: { kind: 'file' } },
  async run(ctx) {
    const { output } = ctx.flags;
    if (output === '' && ctx.stdout.isTTY) {
      throw new Error('cowardly refusing to save to a terminal. Use the -o flag or redirect');
    }
    if (output !== '') checkOutputFile(output, 'failed to back up volume');
    const path = volumePath(ctx.args[0]!, 'backup');
    await writeBody(await (await ctx.client()).request('GET', path), output, ctx.stdout);
  },
});

export const restore = defineCommand({
  use: '[OPTIONS] VOLUME',
  summary: 'Fill a volume with the content of a backup',
  flags: {
    force: bool('f', 'Replace what is in the volume'),
    input: string('i', 'Read from a file, instead of STDIN'),
  },
  args: exactly(1),
  complete: { kind: 'volume' },
  completeFlags: { input: { kind: 'file' } },
  async run(ctx) {
    const { force, input } = ctx.flags;
    if (input === '' && ctx.stdin.isTTY) throw new Error('requested restore from stdin, but stdin is empty');
    const volume = await (await ctx.client()).json<Volume>('POST', volumePath(ctx.args[0]!, 'restore'), {
      query: { force: force || undefined },
      stream: readPieces(input === '' ? '-' : input),
    });
    ctx.stdout.write(`${volume.Name}\n`);
  },
});

export const rename = defineCommand({
  use: 'VOLUME NEW_NAME',
  summary: 'Give a volume that no container uses another name',
  flags: {},
  args: exactly(2),
  complete: { kind: 'volume' },
  async run(ctx) {
    const [name, to] = ctx.args as [string, string];
    await (await ctx.client()).send('POST', volumePath(name, 'rename'), { query: { name: to } });
  },
});
