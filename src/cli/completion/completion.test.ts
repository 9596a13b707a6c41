import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { writeContext } from '../commands/context-edit.ts';

const run = promisify(execFile);
const directory = mkdtempSync(`${tmpdir()}/gantry-completion-`);
const socket = `${directory}/engine.sock`;
const ENTRY = fileURLToPath(new URL('../entry.ts', import.meta.url));
const env = {
  ...process.env,
  PATH: `${directory}:${process.env.PATH}`,
  GANTRY_HOST: `unix://${socket}`,
  GANTRY_CONFIG: directory,
};

const ANSWERS: Record<string, unknown> = {
  '/containers/json': [
    { Names: ['/web', '/other/alias'], State: 'running', Image: 'nginx' },
    { Names: ['/worker'], State: 'exited', Image: 'busybox:1' },
  ],
  '/images/json': [{ RepoTags: ['host:5000/app:1', 'host:5000/app:2'] }, { RepoTags: [] }],
  '/volumes': { Volumes: [{ Name: 'data' }], Warnings: null },
  '/networks': [{ Name: 'bridge', Driver: 'bridge' }],
};
const server = http.createServer((request, response) => {
  const path = new URL(request.url!, 'http://engine').pathname.replace(/^\/v[0-9.]+/, '');
  response.setHeader('Api-Version', '1.50');
  response.end(JSON.stringify(ANSWERS[path] ?? null));
});

before(async () => {
  writeFileSync(`${directory}/gantry`, `#!/bin/sh\nexec '${process.execPath}' '${ENTRY}' "$@"\n`);
  chmodSync(`${directory}/gantry`, 0o755);
  writeContext(directory, { Name: 'remote', Metadata: {}, Endpoints: {} });
  await new Promise<void>((resolve) => server.listen(socket, resolve));
});
after(() => {
  server.close();
  rmSync(directory, { recursive: true });
});

/** The candidates for the last word, without what is said about them. */
async function complete(...words: string[]): Promise<string[]> {
  const { stdout } = await run(`${directory}/gantry`, ['__complete', '--', ...words], { env });
  return stdout
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.split('\t')[0]!);
}

describe('__complete', () => {
  test('commands and groups, not the hidden ones', async () => {
    assert.deepEqual((await complete('vol')).sort(), ['volume']);
    assert.deepEqual((await complete('volume', '')).sort(), [
      'backup',
      'create',
      'inspect',
      'ls',
      'prune',
      'rename',
      'restore',
      'rm',
    ]);
    assert.deepEqual(await complete('__'), []);
    assert.deepEqual(await complete('--log'), ['--log-level']);
  });

  test('flags and their values', async () => {
    assert.deepEqual(await complete('ps', '--no-t'), ['--no-trunc']);
    assert.deepEqual(await complete('run', '--restart', 'un'), ['unless-stopped']);
    assert.deepEqual(await complete('run', '--network', ''), ['bridge']);
    assert.deepEqual(await complete('--context', 'rem'), ['remote']);
    assert.deepEqual(await complete('inspect', '--type', 'vol'), ['volume']);
    assert.deepEqual(await complete('load', '-i', ''), [':files']);
    assert.deepEqual(await complete('run', '--network=br'), ['--network=bridge']);
    assert.deepEqual(await complete('--log-level=de'), ['--log-level=debug']);
    assert.deepEqual(await complete('run', '-v', 'da'), ['data', ':files']);
    assert.deepEqual(await complete('run', '--mount', 'type=b'), ['type=bind,', ':open']);
    assert.deepEqual(await complete('run', 'busybox', '--network=br'), []);
  });

  test('formats and filters of the command', async () => {
    assert.deepEqual(await complete('ps', '--format', ''), ['json', 'raw', 'table']);
    assert.deepEqual(await complete('context', 'ls', '--format=t'), ['--format=table']);
    assert.deepEqual(await complete('inspect', '--format', ''), ['json']);
    assert.deepEqual(await complete('ps', '--filter', 'st'), ['status=', ':open']);
    assert.deepEqual(await complete('ps', '-f', 'status=ru'), ['status=running']);
    assert.deepEqual(await complete('container', 'ls', '--filter=name=w'), [
      '--filter=name=web',
      '--filter=name=worker',
    ]);
    assert.deepEqual(await complete('system', 'events', '--filter', 'type=vol'), ['type=volume']);
    assert.deepEqual(await complete('ps', '--filter', 'nope='), []);
  });

  test('containers in the state that the command is for, each once', async () => {
    assert.deepEqual(await complete('stop', ''), ['web']);
    assert.deepEqual(await complete('rm', ''), ['web', 'worker']);
    assert.deepEqual(await complete('rm', '-f', 'web', ''), ['worker']);
    assert.deepEqual(await complete('-D', 'container', 'rm', 'wo'), ['worker']);
  });

  test('images, volumes and contexts', async () => {
    assert.deepEqual(await complete('rmi', 'host:5000/app:'), ['host:5000/app:1', 'host:5000/app:2']);
    assert.deepEqual(await complete('volume', 'rm', ''), ['data']);
    assert.deepEqual(await complete('context', 'use', ''), ['default', 'remote']);
  });

  test('nothing, and no message, without an engine', async () => {
    const silent = await run(`${directory}/gantry`, ['-H', 'unix:///nowhere', '__complete', '--', 'rm', ''], { env });
    assert.deepEqual([silent.stdout, silent.stderr], ['', '']);
  });
});

/** What bash would put in place of the word at the end of the line. */
async function inBash(line: string): Promise<string[]> {
  const script = `
    source <(gantry completion bash)
    COMP_LINE=$1 COMP_POINT=\${#1}
    # As readline splits: at blanks, and ":" and "=" are words of their own.
    eval "COMP_WORDS=($(sed -E 's/([:=])/ \\1 /g' <<< "$1"))"
    [[ $1 == *[[:space:]:=] ]] && [[ $1 == *[[:space:]] ]] && COMP_WORDS+=("")
    COMP_CWORD=$((\${#COMP_WORDS[@]} - 1))
    _gantry
    printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { stdout } = await run('bash', ['--norc', '-c', script, 'bash', line], { env, cwd: directory });
  return stdout.split('\n').filter((word) => word !== '');
}

test('bash completes commands, names and what stands behind a colon', async () => {
  assert.deepEqual(await inBash('gantry unp'), ['unpause']);
  assert.deepEqual(await inBash('gantry rm '), ['web', 'worker']);
  assert.deepEqual(await inBash('gantry rm wo'), ['worker']);
  assert.deepEqual(await inBash('gantry rmi host:5000/app:'), ['1', '2']);
  assert.deepEqual(await inBash('gantry rmi host:5'), ['5000/app:1', '5000/app:2']);
  assert.deepEqual(await inBash('gantry load -i engine.s'), ['engine.sock']);
  assert.deepEqual(await inBash('gantry run --network=br'), ['bridge']);
  assert.deepEqual(await inBash('gantry run --network='), ['bridge']);
  assert.deepEqual(await inBash('gantry ps --filter status=ru'), ['running']);
});

test('the scripts of the shells that are here parse', async () => {
  for (const shell of ['bash', 'zsh', 'fish']) {
    const { stdout } = await run(`${directory}/gantry`, ['completion', shell], { env });
    writeFileSync(`${directory}/script`, stdout);
    await run(shell, ['-n', `${directory}/script`]).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error;
    });
  }
});
