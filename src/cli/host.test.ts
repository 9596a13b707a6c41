import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { after, test } from 'node:test';
import type { ConfigFile } from './config.ts';
import { contextDirectories } from './context-store.ts';
import { parseFlags } from './flags/parse.ts';
import { GLOBAL_FLAGS } from './global-flags.ts';
import { parseHost, resolveEndpoint } from './host.ts';

const directory = mkdtempSync(`${tmpdir()}/gantry-host-`);
after(() => rmSync(directory, { recursive: true }));

test('addresses', () => {
  assert.deepEqual(parseHost('unix:///x/y', undefined), { kind: 'unix', path: '/x/y', display: 'unix:///x/y' });
  const tcp = { kind: 'tcp', host: '127.0.0.1', port: 2375 };
  assert.deepEqual(parseHost('tcp://', undefined), { ...tcp, display: 'tcp://' });
  assert.deepEqual(parseHost('tcp://h:1/p/', undefined), {
    ...tcp,
    host: 'h',
    port: 1,
    prefix: '/p',
    display: 'tcp://h:1/p/',
  });
  assert.deepEqual(parseHost('tcp://[::1]:5', undefined), { ...tcp, host: '::1', port: 5, display: 'tcp://[::1]:5' });
  assert.equal((parseHost('tcp://h', {}) as { port: number }).port, 2376);
  assert.deepEqual(parseHost('ssh://me@h:22', undefined), {
    kind: 'ssh',
    host: 'h',
    user: 'me',
    port: '22',
    display: 'ssh://me@h:22',
  });
  for (const bad of ['foo://x', 'ssh://-oProxyCommand=x', 'tcp://a b:x']) {
    assert.throws(() => parseHost(bad, undefined), { message: `invalid bind address format: ${bad}` });
  }
});

function resolve(flags: string, env: Record<string, string>, config: ConfigFile = {}) {
  const { values } = parseFlags(GLOBAL_FLAGS, flags.split(' ').filter(Boolean), false);
  return resolveEndpoint(values, env, directory, () => config).then((endpoint) => endpoint.display);
}

test('flag, environment, context: the first that says something wins', async () => {
  const { meta } = contextDirectories(directory, 'far');
  mkdirSync(meta, { recursive: true });
  writeFileSync(
    `${meta}/meta.json`,
    JSON.stringify({ Name: 'far', Metadata: {}, Endpoints: { docker: { Host: 'tcp://far:1', SkipTLSVerify: false } } }),
  );
  const env = { GANTRY_HOST: 'unix:///g', DOCKER_HOST: 'unix:///d', DOCKER_CONTEXT: 'far' };
  assert.equal(await resolve('-H unix:///f', env), 'unix:///f');
  assert.equal(await resolve('', env), 'unix:///g');
  assert.equal(await resolve('', { DOCKER_HOST: 'unix:///d', DOCKER_CONTEXT: 'far' }), 'unix:///d');
  assert.equal(await resolve('-c far', env), 'tcp://far:1');
  assert.equal(await resolve('', { DOCKER_CONTEXT: 'far' }), 'tcp://far:1');
  assert.equal(await resolve('', {}, { currentContext: 'far' }), 'tcp://far:1');
  assert.match(await resolve('', {}), /^unix:\/\/\/(run\/gantry\/gantry|var\/run\/docker)\.sock$/);
  await assert.rejects(resolve('-c nope', {}), /Failed to initialize: .*context "nope": context not found: open /);
  await assert.rejects(resolve('-c far -H unix:///x', {}), /cannot specify both --host and --context/);
});
