import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { newEntry } from '../../tar/entry.ts';
import { encodeFile, paddingFor } from '../../tar/writer.ts';
import { contextDirectories } from '../context-store.ts';
import { writeContext } from './context-edit.ts';

const ENTRY = fileURLToPath(new URL('../entry.ts', import.meta.url));
const directory = mkdtempSync(`${tmpdir()}/gantry-context-`);
after(() => rmSync(directory, { recursive: true }));

function gantry(args: string[], input?: Buffer) {
  return spawnSync(process.execPath, [ENTRY, '--config', directory, 'context', ...args], {
    cwd: directory,
    input: input ?? '',
  });
}

/** An archive that ends with the last file's content, as docker writes them. */
function archive(files: [string, string][]): Buffer {
  const bytes = Buffer.concat(files.map(([name, text]) => encodeFile(newEntry(name, 'file'), Buffer.from(text))));
  const last = files.at(-1)![1].length;
  return bytes.subarray(0, bytes.length - paddingFor(last).length);
}

test('what is exported can be imported under another name, keys and all', () => {
  const meta = {
    Name: 'one',
    Metadata: { Description: 'D', Own: { kept: true } },
    Endpoints: { docker: { Host: 'tcp://x:2376' } },
  };
  writeContext(directory, meta);
  const { tls } = contextDirectories(directory, 'one');
  mkdirSync(`${tls}/docker`, { recursive: true });
  writeFileSync(`${tls}/docker/key.pem`, 'secret');

  const exported = gantry(['export', 'one']);
  assert.equal(exported.stderr.toString(), 'Written file "one.dockercontext"\n');
  assert.equal(statSync(`${directory}/one.dockercontext`).mode & 0o777, 0o600);
  assert.equal(gantry(['export', 'one']).stderr.toString(), 'open one.dockercontext: file exists\n');

  const imported = gantry(['import', 'two', 'one.dockercontext']);
  assert.equal(imported.stdout.toString(), 'two\n');
  const two = contextDirectories(directory, 'two');
  assert.deepEqual(JSON.parse(readFileSync(`${two.meta}/meta.json`, 'utf8')), { ...meta, Name: 'two' });
  assert.equal(readFileSync(`${two.tls}/docker/key.pem`, 'utf8'), 'secret');
  assert.equal(statSync(`${two.tls}/docker/key.pem`).mode & 0o777, 0o600);
  assert.equal(gantry(['import', 'two', 'one.dockercontext']).stderr.toString(), 'context "two" already exists\n');
});

test('an archive without padding at its end is read, one cut short is not', () => {
  const bytes = archive([['meta.json', '{"Name":"x","Metadata":{},"Endpoints":{}}']]);
  assert.equal(gantry(['import', 'unpadded', '-'], bytes).status, 0);
  const cut = gantry(['import', 'cut', '-'], bytes.subarray(0, -1));
  assert.deepEqual([cut.status, cut.stderr.toString()], [1, 'unexpected EOF\n']);
  assert.ok(!existsSync(contextDirectories(directory, 'cut').meta));
});

test('no file of an archive leaves the context, and a refused one leaves nothing', () => {
  const before = readdirSync(directory, { recursive: true }).sort();
  const cases: [string, string][] = [
    ['tls/docker/../../../evil', 'unexpected path format'],
    ['tls/../evil', 'unexpected path format'],
    ['/tls/docker/evil', 'unexpected context file'],
    ['evil', 'unexpected context file'],
    ['tls/docker/a\\b', "unexpected '\\' in path"],
    ['tls/evil', 'archive format is invalid'],
    ['tls/docker/a/b', 'archive format is invalid'],
  ];
  for (const [name, why] of cases) {
    const bytes = archive([
      ['meta.json', '{}'],
      [name, 'x'],
    ]);
    const { status, stderr } = gantry(['import', 'bad', '-'], bytes);
    assert.equal(status, 1, name);
    assert.ok(stderr.toString().includes(why), `${name}: ${stderr}`);
  }
  const { stderr } = gantry(['import', 'bad', '-'], archive([['tls/docker/ca.pem', 'x']]));
  assert.equal(stderr.toString(), 'invalid context: no metadata found\n');
  assert.deepEqual(readdirSync(directory, { recursive: true }).sort(), before);
});
