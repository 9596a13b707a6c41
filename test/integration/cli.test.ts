/** The CLI with containers that run: streams, exit codes, terminals. */

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { alone, GANTRY, skip, testCli } from './cli-harness.ts';

describe('the CLI with running containers', { skip }, () => {
  const { scratch, env, gantry, ok, terminal } = testCli();

  test('run keeps stdout and stderr apart and passes the exit code on', async () => {
    const result = await gantry(['run', '--rm', ...alone, 'cli-test', 'sh', '-c', 'echo out; echo err >&2; exit 42']);
    assert.deepEqual(result, { status: 42, stdout: 'out\n', stderr: 'err\n' });
  });

  test('run --rm has removed the container when it returns', async () => {
    const name = 'cli-removed';
    await ok(['run', '--rm', '--name', name, ...alone, 'cli-test', 'true']);
    await ok(['run', '--rm', '--name', name, ...alone, 'cli-test', 'true']);
  });

  test('a signal that ends the process is 128 plus its number', async () => {
    const running = gantry([
      'run',
      '--rm',
      '--name',
      'cli-killed',
      ...alone,
      'cli-test',
      'sh',
      '-c',
      'echo up; sleep 1000',
    ]);
    while ((await gantry(['kill', 'cli-killed'])).status !== 0) await sleep(20);
    assert.equal((await running).status, 137);
  });

  test('a command that is not there is 127, one that cannot run 126', async () => {
    const missing = await gantry(['run', '--rm', ...alone, 'cli-test', 'no-such-program']);
    assert.equal(missing.status, 127);
    assert.match(missing.stderr, /^gantry: Error response from daemon: .*executable file not found/);
    assert.match(missing.stderr, /\nRun 'gantry run --help' for more information\n$/);
    assert.equal((await gantry(['run', '--rm', ...alone, 'cli-test', '/etc'])).status, 126);
  });

  test('stdin reaches the container, and its end too', async () => {
    const data = Buffer.alloc(300_000, 'abcdefghij\n');
    assert.equal(await ok(['run', '-i', '--rm', ...alone, 'cli-test', 'cat'], data), data.toString());
    assert.equal((await ok(['run', '-i', '--rm', ...alone, 'cli-test', 'wc', '-c'], data)).trim(), '300000');
  });

  test('large output arrives whole', async () => {
    const out = await ok([
      'run',
      '--rm',
      ...alone,
      'cli-test',
      'sh',
      '-c',
      'dd if=/dev/zero bs=1M count=8 2>/dev/null',
    ]);
    assert.equal(out.length, 8 << 20);
  });

  for (const signal of ['TERM', 'HUP', 'USR1', 'QUIT'] as const) {
    test(`SIG${signal} is passed on`, async () => {
      const script = `trap "echo got it; exit 9" ${signal}; echo ready; while :; do sleep 0.05; done`;
      const child = spawn(GANTRY, ['run', '--rm', ...alone, 'cli-test', 'sh', '-c', script], { env });
      let out = '';
      child.stdout.on('data', (chunk) => {
        if (!out.includes('ready') && String(chunk).includes('ready')) child.kill(`SIG${signal}`);
        out += chunk;
      });
      const status = await new Promise((resolve) => child.on('close', resolve));
      assert.equal(out, 'ready\ngot it\n');
      assert.equal(status, 9);
    });
  }

  test('an environment file is for the container alone', async () => {
    writeFileSync(`${scratch}/env`, 'A=from file\nHOME=/elsewhere\n');
    assert.equal(
      await ok(['run', '--rm', ...alone, '--env-file', 'env', 'cli-test', 'sh', '-c', 'echo $A']),
      'from file\n',
    );
    assert.match((await gantry(['run', '--env-file', 'nope', 'cli-test'])).stderr, /^gantry: open nope: no such file/);
  });

  test('run -d, exec, stop, start, wait, logs, rename, rm', async () => {
    const id = (
      await ok(['run', '-d', '--name', 'cli-a', ...alone, 'cli-test', 'sh', '-c', 'echo line; sleep 1000'])
    ).trim();
    assert.match(id, /^[0-9a-f]{64}$/);
    const result = await gantry(['exec', 'cli-a', 'sh', '-c', 'echo out; echo err >&2; exit 3']);
    assert.deepEqual(result, { status: 3, stdout: 'out\n', stderr: 'err\n' });
    assert.equal(await ok(['exec', '-i', 'cli-a', 'cat'], 'through\n'), 'through\n');
    assert.equal(await ok(['exec', '-e', 'X=5', '-w', '/tmp', 'cli-a', 'sh', '-c', 'echo $X $PWD']), '5 /tmp\n');
    assert.equal(await ok(['rename', 'cli-a', 'cli-b']), '');
    assert.equal(await ok(['logs', 'cli-b']), 'line\n');
    assert.match(await ok(['logs', '-t', 'cli-b']), /^\d{4}-\d\d-\d\dT[\d:.]+Z line\n$/);
    assert.equal(await ok(['stop', '-t', '0', 'cli-b']), 'cli-b\n');
    assert.equal(await ok(['wait', 'cli-b']), '137\n');
    assert.equal(await ok(['start', 'cli-b']), 'cli-b\n');
    assert.equal(await ok(['restart', '-t', '0', 'cli-b']), 'cli-b\n');
    assert.equal((await ok(['logs', '-n', '1', 'cli-b'])).trim(), 'line');
    const refused = await gantry(['rm', 'cli-b']);
    assert.equal(refused.status, 1);
    assert.match(refused.stderr, /^Error response from daemon: /);
    assert.equal(await ok(['rm', '-f', 'cli-b']), 'cli-b\n');
  });

  test('start -a attaches before the start', async () => {
    await ok(['create', '--name', 'cli-start', ...alone, 'cli-test', 'sh', '-c', 'echo again; exit 5']);
    for (let round = 0; round < 2; round++) {
      assert.deepEqual(await gantry(['start', '-a', 'cli-start']), { status: 5, stdout: 'again\n', stderr: '' });
    }
    await ok(['rm', 'cli-start']);
  });

  test('attach follows a running container to its end', async () => {
    await ok(['run', '-d', '-i', '--name', 'cli-attach', ...alone, 'cli-test', 'sh', '-c', 'read x; echo $x; exit 4']);
    assert.deepEqual(await gantry(['attach', 'cli-attach'], 'hello\n'), { status: 4, stdout: 'hello\n', stderr: '' });
    const stopped = await gantry(['attach', 'cli-attach']);
    assert.deepEqual(
      [stopped.status, stopped.stderr],
      [1, 'You cannot attach to a stopped container, start it first\n'],
    );
    await ok(['rm', 'cli-attach']);
  });

  test('--cidfile', async () => {
    await ok(['run', '--rm', '--cidfile', 'cid', ...alone, 'cli-test', 'true']);
    assert.match(readFileSync(`${scratch}/cid`, 'utf8'), /^[0-9a-f]{64}$/);
    const again = await gantry(['run', '--rm', '--cidfile', 'cid', 'cli-test']);
    assert.equal(again.status, 125);
    assert.match(again.stderr, /container ID file found, make sure the other container isn't running or delete cid/);
  });

  test('an image that is not there', async () => {
    const result = await gantry(['run', '--pull', 'never', 'no-such-image']);
    assert.equal(result.status, 125);
    assert.match(result.stderr, /^gantry: Error response from daemon: No such image: no-such-image:latest/);
    assert.match(
      (await gantry(['run', 'no-such-image'])).stderr,
      /^Unable to find image 'no-such-image:latest' locally\n/,
    );
  });

  describe('on a terminal', () => {
    test('echo, size, resize, exit code, and the terminal as before', async () => {
      const result = await terminal(
        ['run', '-it', '--rm', ...alone, 'cli-test', 'sh'],
        [
          ['expect', '# '],
          ['send', 'stty size\n'],
          ['expect', '24 80'],
          ['resize', 40, 120],
          ['sleep', 0.3],
          ['send', 'stty size\n'],
          ['expect', '40 120'],
          ['send', 'exit 33\n'],
        ],
      );
      assert.deepEqual([result.failure, result.status, result.restored], [null, 33, true], result.output);
    });

    test('what the container writes reaches the terminal as it is', async () => {
      const program = 'stty -opost; printf "bare\\nfeed\\r\\nend"';
      const result = await terminal(['run', '-it', '--rm', ...alone, 'cli-test', 'sh', '-c', program], []);
      assert.match(result.output, /bare\nfeed\r\nend/);
      assert.equal(result.restored, true);
    });

    test('ctrl-c goes to the process', async () => {
      const result = await terminal(
        [
          'run',
          '-it',
          '--rm',
          ...alone,
          'cli-test',
          'sh',
          '-c',
          'trap "echo caught; exit 8" INT; echo up; while :; do sleep 0.05; done',
        ],
        [
          ['expect', 'up'],
          ['send', '\u0003'],
          ['expect', 'caught'],
        ],
      );
      assert.deepEqual([result.failure, result.status, result.restored], [null, 8, true], result.output);
    });

    test('ctrl-p ctrl-q leaves it running; attach comes back to it', async () => {
      const away = await terminal(
        ['run', '-it', '--name', 'cli-tty', ...alone, 'cli-test', 'sh'],
        [
          ['expect', '# '],
          ['send', '\u0010\u0011'],
        ],
      );
      assert.deepEqual([away.failure, away.status, away.restored], [null, 0, true], away.output);
      const back = await terminal(
        ['attach', 'cli-tty'],
        [
          ['send', 'echo still $((1+1))\n'],
          ['expect', 'still 2'],
          ['send', 'exit 6\n'],
        ],
      );
      assert.deepEqual([back.failure, back.status, back.restored], [null, 6, true], back.output);
      await ok(['rm', '-f', 'cli-tty']);
    });

    test('--detach-keys, and exec -it', async () => {
      await ok(['run', '-d', '--name', 'cli-keys', ...alone, 'cli-test', 'sleep', '1000']);
      const away = await terminal(
        ['exec', '-it', '--detach-keys', 'ctrl-a,x', 'cli-keys', 'sh'],
        [
          ['expect', '# '],
          ['send', 'stty size\n'],
          ['expect', '24 80'],
          ['send', '\u0001x'],
        ],
      );
      assert.deepEqual([away.failure, away.status, away.restored], [null, 1, true], away.output);
      assert.match(away.output, /read escape sequence/);
      const code = await terminal(['exec', '-it', 'cli-keys', 'sh', '-c', 'exit 12'], []);
      assert.deepEqual([code.failure, code.status, code.restored], [null, 12, true], code.output);
      await ok(['rm', '-f', 'cli-keys']);
    });

    test('a start that fails gives the terminal back', async () => {
      const result = await terminal(['run', '-it', '--rm', ...alone, 'cli-test', 'no-such-program'], []);
      assert.deepEqual([result.failure, result.status, result.restored], [null, 127, true], result.output);
    });

    test('archives are not written to it', async () => {
      const result = await terminal(['save', 'cli-test'], []);
      assert.equal(result.status, 1);
      assert.match(result.output, /cowardly refusing to save to a terminal\. Use the -o flag or redirect/);
    });
  });

  test('export, import, commit, tag, save, load, rmi', async () => {
    await ok(['run', '--name', 'cli-image', ...alone, 'cli-test', 'sh', '-c', 'echo kept > /kept']);
    assert.match(await ok(['diff', 'cli-image']), /^A \/kept$/m);
    await ok(['export', '-o', 'fs.tar', 'cli-image']);
    assert.equal(spawnSync('tar', ['-xOf', `${scratch}/fs.tar`, 'kept']).stdout.toString(), 'kept\n');
    assert.match(
      await ok(['import', '-c', 'CMD ["cat","/kept"]', 'fs.tar', 'cli-imported']),
      /^sha256:[0-9a-f]{64}\n$/,
    );
    assert.equal(await ok(['run', '--rm', ...alone, 'cli-imported']), 'kept\n');
    assert.match(
      await ok(['commit', '-c', 'CMD ["cat","/kept"]', 'cli-image', 'cli-committed:1']),
      /^sha256:[0-9a-f]{64}\n$/,
    );
    assert.equal(await ok(['run', '--rm', ...alone, 'cli-committed:1']), 'kept\n');
    await ok(['tag', 'cli-committed:1', 'cli-committed:2']);
    await ok(['save', '-o', 'images.tar', 'cli-committed:1', 'cli-committed:2']);
    assert.match(await ok(['rmi', 'cli-committed:1', 'cli-committed:2']), /^Untagged: cli-committed:1\n/);
    const loaded = await ok(['load', '-i', 'images.tar']);
    assert.deepEqual(loaded.trim().split('\n').sort(), [
      'Loaded image: cli-committed:1',
      'Loaded image: cli-committed:2',
    ]);
    await ok(['rm', 'cli-image']);
    await ok(['rmi', 'cli-committed:1', 'cli-committed:2', 'cli-imported']);
  });

  test('completion offers commands, flags, containers by state, and images', async () => {
    await ok(['create', '--name', 'cli-complete', ...alone, 'cli-test', 'true']);
    const offer = async (...words: string[]) =>
      (await ok(['__complete', '--', ...words])).split('\n').map((line) => line.split('\t')[0]);
    assert.ok((await offer('ru')).includes('run'));
    assert.ok((await offer('container', 'st')).includes('stop'));
    assert.ok((await offer('run', '--memory-s')).includes('--memory-swap'));
    assert.ok((await offer('start', 'cli-com')).includes('cli-complete'));
    assert.ok(!(await offer('exec', 'cli-com')).includes('cli-complete'));
    assert.ok((await offer('run', '--rm', 'cli-t')).includes('cli-test:latest'));
    assert.deepEqual(await offer('run', '--pull', 'n'), ['never', '']);
    assert.deepEqual(await offer('load', '-i', ''), [':files', '']);
    await ok(['rm', 'cli-complete']);
  });

  test('the launcher works through links from anywhere', () => {
    symlinkSync(GANTRY, `${scratch}/g1`);
    symlinkSync('g1', `${scratch}/g2`);
    for (const program of ['g1', 'g2', './g2', `${scratch}/g2`]) {
      const result = spawnSync(program, ['--version'], {
        cwd: scratch,
        env: { PATH: `${scratch}:${process.env.PATH}` },
        encoding: 'utf8',
      });
      assert.match(result.stdout ?? '', /^Gantry version /, `${program}: ${result.stderr}`);
    }
  });
});
