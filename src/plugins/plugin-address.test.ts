import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { findPlugin, type PluginPaths, pluginNames } from './plugin-address.ts';

let directory = '';
let paths: PluginPaths;
const server = createServer();

before(async () => {
  directory = mkdtempSync(join(tmpdir(), 'gantry-plugins-'));
  paths = { sockets: join(directory, 'run'), specs: [join(directory, 'etc'), join(directory, 'usr')] };
  for (const path of ['run/deep', 'etc/nested', 'usr']) mkdirSync(join(directory, path), { recursive: true });
  await new Promise<void>((done) => server.listen(join(directory, 'run/deep/deep.sock'), done));
  const spec = (path: string, text: string) => writeFileSync(join(directory, path), text);
  spec('run/plain.sock', 'no socket');
  spec('etc/text.spec', ' tcp://127.0.0.1:8080\n');
  spec('usr/text.spec', 'unix:///shadowed.sock');
  spec(
    'etc/nested/nested.json',
    '{"Name":"nested","Addr":"https://host:1","TLSConfig":{"CAFile":"/ca","CertFile":"/c","KeyFile":"/k"}}',
  );
  spec('usr/open.json', '{"Addr":"https://host:1","TLSConfig":null}');
  spec('usr/bad.spec', 'ftp://x');
  spec('usr/worse.json', '{');
});
after(() => {
  server.close();
  rmSync(directory, { recursive: true });
});

test('sockets, text and JSON files, also in directories of their own', () => {
  assert.equal(findPlugin('deep', paths)!.url.pathname, join(directory, 'run/deep/deep.sock'));
  assert.equal(findPlugin('text', paths)!.url.href, 'tcp://127.0.0.1:8080');
  assert.deepEqual(findPlugin('nested', paths)!.tls, { caFile: '/ca', certFile: '/c', keyFile: '/k', insecure: false });
  assert.equal(findPlugin('open', paths)!.tls.insecure, true);
});

test('what is no plugin', () => {
  for (const name of ['plain', 'missing', '../etc/text', 'deep/deep', ''])
    assert.equal(findPlugin(name, paths), null, name);
  for (const name of ['bad', 'worse']) assert.throws(() => findPlugin(name, paths), { code: 'system' });
});

test('names of all', () => {
  assert.deepEqual(pluginNames(paths), ['bad', 'deep', 'nested', 'open', 'plain', 'text', 'worse']);
  assert.deepEqual(pluginNames({ sockets: '/nonexistent', specs: [] }), []);
});
