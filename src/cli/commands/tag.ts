import { defineCommand, exactly } from '../command.ts';
import { splitReference } from '../container/reference.ts';
import { imagePath } from './each.ts';

export const command = defineCommand({
  use: 'SOURCE_IMAGE[:TAG] TARGET_IMAGE[:TAG]',
  summary: 'Create a tag TARGET_IMAGE that refers to SOURCE_IMAGE',
  flags: {},
  args: exactly(2),
  complete: { kind: 'image', repeat: true },
  async run(ctx) {
    const [source, target] = ctx.args as [string, string];
    let reference: { repo: string; tag: string };
    try {
      reference = splitReference(target);
    } catch (error) {
      throw new Error(
        `Error parsing reference: ${JSON.stringify(target)} is not a valid repository/tag: ${(error as Error).message}`,
      );
    }
    await (await ctx.client()).send('POST', imagePath(source, 'tag'), {
      query: { repo: reference.repo, tag: reference.tag },
    });
  },
});
