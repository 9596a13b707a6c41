/** A dry run of every prune says what the prune then does, and changes nothing. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { alone, skip, testCli } from './cli-harness.ts';

describe('prune --dry-run', { skip }, () => {
  const { ok, gantry } = testCli();
  /** What is there, by kind. */
  const state = async () => [
    await ok(['ps', '-aq', '--no-trunc']),
    await ok(['images', '-aq', '--no-trunc']),
    await ok(['volume', 'ls', '-q']),
  ];
  /** The output of a prune in the words of its dry run. */
  const rehearsed = (output: string) =>
    output
      .replace(/^Deleted (\w+):$/gm, '$1 that would be deleted:')
      .replace('Total reclaimed space', 'Total space that would be reclaimed');

  const same = async (prune: string[]) => {
    const before = await state();
    const dry = await ok([...prune, '--dry-run']);
    assert.deepEqual(await state(), before, 'a dry run changes nothing');
    assert.equal(rehearsed(await ok([...prune, '-f'])), dry);
    return dry;
  };

  test('of containers, volumes and images', async () => {
    await ok(['run', '--name', 'ended', ...alone, '-v', '/anonymous', 'cli-test', 'sh', '-c', 'echo x > /x']);
    await ok(['run', '-d', '--name', 'lives', ...alone, '-v', 'held:/held', 'cli-test', 'sleep', '1000']);
    await ok(['volume', 'create', 'idle']);
    await ok(['commit', 'lives', 'extra']);
    await ok(['volume', 'create', '--label', 'keep', 'labelled']);

    const id = (await ok(['ps', '-aqf', 'name=ended', '--no-trunc'])).trim();
    assert.equal(
      await same(['container', 'prune']),
      `Containers that would be deleted:\n${id}\n\nTotal space that would be reclaimed: 2B\n`,
    );
    const anonymous = (await ok(['volume', 'ls', '-qf', 'label=com.docker.volume.anonymous'])).trim();
    assert.match(await same(['volume', 'prune']), new RegExp(`^Volumes that would be deleted:\n${anonymous}\n\n`));
    assert.match(await same(['volume', 'prune', '-a', '--filter', 'label!=keep']), /deleted:\nidle\n\n/);
    assert.match(await same(['image', 'prune']), /^Total space that would be reclaimed: 0B\n$/);
    assert.match(await same(['image', 'prune', '-a']), /untagged: extra:latest\ndeleted: sha256:/);
  });

  test('of the whole system: what a step frees is seen by the next', async () => {
    await ok(['run', '--name', 'made', ...alone, '-v', '/anonymous', 'cli-test', 'touch', '/made']);
    await ok(['commit', 'made', 'child']);
    await ok(['run', '--name', 'user', ...alone, 'child', 'true']);
    const image = (await ok(['images', '-q', '--no-trunc', 'child'])).trim();
    const volumes = (await ok(['volume', 'ls', '-qf', 'label=com.docker.volume.anonymous'])).trim().split('\n');
    const dry = await same(['system', 'prune', '-a', '--volumes']);
    for (const part of [image, ...volumes]) assert.ok(dry.includes(part), dry);
    assert.equal((await ok(['ps', '-q'])).trim().split('\n').length, 1, 'what runs stays');
  });

  test('with a filter that no prune knows', async () => {
    const unknown = await gantry(['volume', 'prune', '--dry-run', '--filter', 'odd=1']);
    assert.match(unknown.stderr, /invalid filter 'odd'/);
  });
});
