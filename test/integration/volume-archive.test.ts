/** volume backup, restore and rename, through the command. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { getXattr, setXattr } from '../../src/linux/xattr.ts';
import { alone, skip, testCli } from './cli-harness.ts';

describe('volume backup, restore and rename', { skip }, () => {
  const cli = testCli();
  const { ok, gantry } = cli;
  const mountpoint = async (name: string) => (await ok(['volume', 'inspect', '-f', '{{.Mountpoint}}', name])).trim();
  /** Owners, modes, times, links and content: all that a copy must have. */
  const listing = (directory: string) =>
    execFileSync('sh', [
      '-c',
      `cd "$1" && find . -printf '%p %y %m %U:%G %T@ %n %l %s\\n' | sort && find . -type f -print0 | sort -z | xargs -0 sha256sum`,
      'sh',
      directory,
    ]).toString();
  const fill = `
    mkdir -p /v/dir/deep; echo one > /v/dir/one; ln /v/dir/one /v/hard; ln -s dir/one /v/soft; mkfifo /v/pipe;
    dd if=/dev/urandom of=/v/random bs=4096 count=700 2>/dev/null; : > /v/empty; echo x > "/v/a name"; chmod 4711 /v/dir/one;
    chown -R 7:8 /v/dir; chmod 2750 /v; chown 33:34 /v; touch -d @86400 /v/dir/deep`;

  test('a volume in use comes back as it was', async () => {
    await ok([
      'run',
      '-d',
      '--name',
      'user',
      ...alone,
      '-v',
      'source:/v',
      'cli-test',
      'sh',
      '-c',
      `${fill}; sleep 1000`,
    ]);
    await ok(['exec', 'user', 'sh', '-c', 'until [ "$(stat -c %u /v)" = 33 ]; do :; done; touch -d @86400 /v /v/dir']);
    const source = await mountpoint('source');
    setXattr(join(source, 'random'), 'user.note', Buffer.from('kept'));
    const archive = await ok(['volume', 'backup', 'source']);
    assert.equal(await ok(['volume', 'restore', 'copy'], Buffer.from(archive, 'latin1')), 'copy\n');
    const copy = await mountpoint('copy');
    assert.equal(listing(copy), listing(source));
    assert.equal(getXattr(join(copy, 'random'), 'user.note')?.toString(), 'kept');
    // Any tar program reads it.
    await ok(['volume', 'backup', '-o', 'backup.tar', 'source']);
    const names = execFileSync('tar', ['-tf', join(cli.scratch, 'backup.tar')]).toString();
    assert.ok(names.includes('./dir/deep/\n') && names.endsWith('./soft\n'), names);
    // Compressed on the way.
    writeFileSync(join(cli.scratch, 'backup.tar.gz'), gzipSync(readFileSync(join(cli.scratch, 'backup.tar'))));
    await ok(['volume', 'restore', '-i', 'backup.tar.gz', 'third']);
    assert.equal(listing(await mountpoint('third')), listing(source));
    await ok(['rm', '-f', 'user']);
  });

  test('a damaged archive changes nothing', async () => {
    const archive = Buffer.from(await ok(['volume', 'backup', 'source']), 'latin1');
    await ok(['volume', 'create', 'target']);
    const target = await mountpoint('target');
    const damaged = Buffer.from(archive);
    damaged[archive.length >> 1]! ^= 1;
    for (const [bytes, reason] of [
      [damaged, /the archive is damaged: its checksum is not/],
      [archive.subarray(0, archive.length - 4096), /no checksum at its end|unexpected end/],
      [Buffer.from('no tar at all'), /no checksum at its end/],
    ] as const) {
      const result = await gantry(['volume', 'restore', 'target'], bytes);
      assert.equal(result.status, 1);
      assert.match(result.stderr, reason);
      assert.equal(execFileSync('ls', ['-A', target]).toString(), '');
      assert.equal((await gantry(['volume', 'restore', 'none-yet'], bytes)).status, 1);
      assert.equal((await gantry(['volume', 'inspect', 'none-yet'])).status, 1, 'no volume is left of it');
    }
  });

  test('what is there is replaced only by force, what is in use not at all', async () => {
    const archive = Buffer.from(await ok(['volume', 'backup', 'source']), 'latin1');
    const target = await mountpoint('target');
    writeFileSync(join(target, 'old'), 'old');
    assert.match((await gantry(['volume', 'restore', 'target'], archive)).stderr, /volume is not empty/);
    assert.equal(readFileSync(join(target, 'old'), 'utf8'), 'old');
    const id = (await ok(['run', '-d', ...alone, '-v', 'target:/v', 'cli-test', 'sleep', '1000'])).trim();
    const used = await gantry(['volume', 'restore', '--force', 'target'], archive);
    assert.ok(used.stderr.includes(`restore target: volume is mounted - [${id}]`), used.stderr);
    await ok(['kill', id]);
    await ok(['wait', id]);
    await ok(['volume', 'restore', '--force', 'target'], archive);
    assert.equal(listing(target), listing(await mountpoint('source')));
    await ok(['rm', id]);
  });

  test('another name', async () => {
    await ok(['volume', 'create', '--label', 'a=b', 'before']);
    writeFileSync(join(await mountpoint('before'), 'file'), 'content');
    await ok(['create', '--name', 'holder', ...alone, '-v', 'before:/v', 'cli-test', 'true']);
    assert.match((await gantry(['volume', 'rename', 'before', 'after'])).stderr, /volume is in use/);
    await ok(['rm', 'holder']);
    assert.match((await gantry(['volume', 'rename', 'before', 'source'])).stderr, /volume source already exists/);
    assert.match((await gantry(['volume', 'rename', 'before', '../x'])).stderr, /invalid characters/);
    assert.match((await gantry(['volume', 'rename', 'nowhere', 'after'])).stderr, /no such volume/);
    await ok(['volume', 'rename', 'before', 'after']);
    assert.equal(readFileSync(join(await mountpoint('after'), 'file'), 'utf8'), 'content');
    assert.equal(await ok(['volume', 'inspect', '-f', '{{.Name}} {{.Labels}}', 'after']), 'after map[a:b]\n');
    assert.equal((await gantry(['volume', 'inspect', 'before'])).status, 1);
    // A name that was an anonymous one's is the user's now.
    const anonymous = (await ok(['volume', 'create'])).trim();
    await ok(['volume', 'rename', anonymous, 'mine']);
    assert.ok(!(await ok(['volume', 'prune', '--dry-run'])).includes('mine'));
  });
});
