/** gantry cp: what is copied where, by which name. */

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, readlinkSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { before, describe, test } from 'node:test';
import { alone, skip, testCli } from './cli-harness.ts';

describe('cp', { skip }, () => {
  const { scratch, gantry, ok } = testCli();

  before(async () => {
    await ok(['create', '--name', 'cli-cp', ...alone, 'cli-test', 'true']);
    mkdirSync(`${scratch}/src/sub`, { recursive: true });
    writeFileSync(`${scratch}/src/one`, 'one');
    writeFileSync(`${scratch}/src/sub/two`, 'two');
    symlinkSync('one', `${scratch}/src/link`);
  });
  const back = async (from: string) => {
    rmSync(`${scratch}/out`, { recursive: true, force: true });
    await ok(['cp', `cli-cp:${from}`, 'out']);
  };

  test("a directory that is not there yet takes the source's content", async () => {
    await ok(['cp', 'src', 'cli-cp:/new']);
    await back('/new');
    assert.equal(readFileSync(`${scratch}/out/sub/two`, 'utf8'), 'two');
    assert.equal(readlinkSync(`${scratch}/out/link`), 'one');
  });

  test('into a directory that is there it goes under its own name; with /. only the content', async () => {
    await ok(['cp', 'src', 'cli-cp:/tmp']);
    await back('/tmp/src/one');
    assert.equal(readFileSync(`${scratch}/out`, 'utf8'), 'one');
    await ok(['cp', 'src/.', 'cli-cp:/home']);
    await back('/home/one');
    assert.equal(readFileSync(`${scratch}/out`, 'utf8'), 'one');
    rmSync(`${scratch}/there`, { recursive: true, force: true });
    mkdirSync(`${scratch}/there`);
    await ok(['cp', 'cli-cp:/tmp/src', 'there']);
    assert.equal(readFileSync(`${scratch}/there/src/one`, 'utf8'), 'one');
    await ok(['cp', 'cli-cp:/tmp/src/.', 'there']);
    assert.equal(readFileSync(`${scratch}/there/sub/two`, 'utf8'), 'two');
  });

  test('a file takes the name of a target that is not there, and replaces one that is', async () => {
    await ok(['cp', 'src/one', 'cli-cp:/tmp/renamed']);
    await ok(['cp', 'src/sub/two', 'cli-cp:/tmp/renamed']);
    await back('/tmp/renamed');
    assert.equal(readFileSync(`${scratch}/out`, 'utf8'), 'two');
  });

  test('what cannot be is refused', async () => {
    const cases: [string[], RegExp][] = [
      [['src', 'cli-cp:/etc/passwd'], /cannot copy directory/],
      [['src/one', 'cli-cp:/nowhere/'], /no such directory/],
      [['nope', 'cli-cp:/'], /no such file or directory/],
      [['cli-cp:/nope', '.'], /Could not find the file \/nope in container cli-cp/],
      [['cli-cp:/etc', 'src/one'], /cannot copy directory/],
      [['cli-cp:/etc/passwd', 'nowhere/x'], /invalid output path: directory ".*nowhere" does not exist/],
    ];
    for (const [args, message] of cases) {
      const result = await gantry(['cp', ...args]);
      assert.equal(result.status, 1, args.join(' '));
      assert.match(result.stderr, message);
    }
  });

  test('-L follows a link', async () => {
    await ok(['cp', '-L', 'src/link', 'cli-cp:/tmp/followed']);
    await back('/tmp/followed');
    assert.equal(readFileSync(`${scratch}/out`, 'utf8'), 'one');
    rmSync(`${scratch}/out`, { recursive: true, force: true });
    await ok(['cp', '-L', 'cli-cp:/tmp/src/link', 'out']);
    assert.equal(readFileSync(`${scratch}/out`, 'utf8'), 'one');
  });

  test('- is a tar stream both ways', async () => {
    const tar = spawnSync('tar', ['-C', `${scratch}/src`, '-c', '.'], { maxBuffer: 1 << 26 }).stdout;
    await ok(['cp', '-', 'cli-cp:/root'], tar);
    const out = Buffer.from(await ok(['cp', 'cli-cp:/root/one', '-']), 'latin1');
    assert.equal(spawnSync('tar', ['-xO'], { input: out }).stdout.toString(), 'one');
  });

  test('long and non-ASCII names', async () => {
    const long = `${'d'.repeat(120)}/${'f'.repeat(150)}-\u00e4\u4e2d`;
    mkdirSync(`${scratch}/deep/${path.dirname(long)}`, { recursive: true });
    writeFileSync(`${scratch}/deep/${long}`, 'deep');
    await ok(['cp', 'deep', 'cli-cp:/deep']);
    await back('/deep');
    assert.equal(readFileSync(`${scratch}/out/${long}`, 'utf8'), 'deep');
  });

  test('names that are no UTF-8', async () => {
    const odd = (directory: string) => Buffer.from(`${directory}/\xff`, 'latin1');
    mkdirSync(`${scratch}/odd`);
    writeFileSync(odd(`${scratch}/odd`), 'odd');
    await ok(['cp', 'odd', 'cli-cp:/odd']);
    await back('/odd');
    assert.equal(readFileSync(odd(`${scratch}/out`), 'utf8'), 'odd');
  });
});
