/** docker-compose (the Python one, which speaks the API by docker-py), unchanged, with a project of networks, names, ports and volumes. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { importBusybox } from '../integration/api-helpers.ts';
import { startDaemon, type TestDaemon } from '../support/daemon.ts';

const PROJECT = fileURLToPath(new URL('compose/', import.meta.url));
const installed = spawnSync('docker-compose', ['version']).status === 0;

describe('docker-compose', { skip: installed ? false : 'needs docker-compose' }, () => {
  let daemon: TestDaemon;
  let directory: string;

  before(async () => {
    daemon = await startDaemon();
    await importBusybox(daemon);
    directory = mkdtempSync(join(tmpdir(), 'gantry-compose-'));
    cpSync(PROJECT, directory, { recursive: true });
    mkdirSync(join(directory, 'site'));
    writeFileSync(join(directory, 'site/index.html'), 'page of the host\n');
  });
  after(async () => {
    await daemon?.[Symbol.asyncDispose]();
    if (directory !== undefined) rmSync(directory, { recursive: true, force: true });
  });

  /** Standard output of a command that must succeed. */
  async function compose(...args: string[]): Promise<string> {
    const child = spawn('docker-compose', ['--no-ansi', '-p', 'shop', ...args], {
      cwd: directory,
      env: { ...process.env, DOCKER_HOST: `unix://${daemon.socket}` },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let [output, report] = ['', ''];
    child.stdout.on('data', (chunk) => {
      output += chunk;
    });
    child.stderr.on('data', (chunk) => {
      report += chunk;
    });
    const status = await new Promise((resolve) => child.on('close', resolve));
    assert.equal(status, 0, `docker-compose ${args.join(' ')}: ${output}${report}`);
    return output;
  }

  const text = async (url: string): Promise<string> => (await fetch(url)).text();

  it('brings a project up, whose services find each other where they share a network', async () => {
    await compose('up', '-d');
    const { json } = await daemon.request('POST', '/containers/shop_job_1/wait');
    assert.equal(json.StatusCode, 0, await compose('logs', 'job'));
    assert.match(await compose('logs', 'job'), /page of the host/);
    assert.equal(await compose('exec', '-T', 'web', 'wget', '-qO-', 'http://db:5432'), 'stored\n');
    assert.equal(await compose('exec', '-T', 'web', 'wget', '-qO-', 'http://10.213.252.9:5432'), 'stored\n');
  });

  it('publishes a port, and tells which', async () => {
    const address = (await compose('port', 'web', '80')).trim();
    assert.match(address, /^127\.0\.0\.1:\d+$/);
    assert.equal(await text(`http://${address}/`), 'page of the host\n');
  });

  it('makes a service anew, which keeps its volume', async () => {
    await compose('up', '-d', '--force-recreate', 'db');
    assert.equal(await compose('exec', '-T', 'web', 'wget', '-qO-', 'http://db:5432'), 'stored\nstored\n');
  });

  it('runs a service twice, under one name', async () => {
    await compose('up', '-d', '--scale', 'web=2', 'web');
    const found = await compose('exec', '-T', 'db', 'nslookup', 'web');
    assert.equal(new Set(found.match(/10\.213\.252\.(?!9\b)\d+/g)).size, 2, found);
  });

  it('takes all of it down', async () => {
    await compose('down', '-v');
    const networks = (await daemon.request('GET', '/networks')).json as { Name: string }[];
    assert.deepEqual(networks.map(({ Name }) => Name).sort(), ['bridge', 'host', 'none']);
    assert.deepEqual((await daemon.request('GET', '/volumes')).json.Volumes, []);
    assert.deepEqual((await daemon.request('GET', '/containers/json?all=1')).json, []);
  });
});
